"""How many files and connections a process may have open at once."""

from __future__ import annotations

from contextlib import suppress

try:
    import resource
except ImportError:  # Windows
    resource = None

SELECTABLE = 512 if resource is None else 1024  # files that select(2) can watch: FD_SETSIZE as CPython is built
_OWN = 32  # files that a process has open besides its connections: libraries, pipes, a listening socket


def allow_connections(wanted: int) -> int:
    """Raise this process's own limit of open files as far as it may, and return how many connections that leaves.

    Args:
        wanted: connections at once; more are never returned.
    """
    if resource is None:
        return min(wanted, SELECTABLE - _OWN)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = wanted + _OWN if hard == resource.RLIM_INFINITY else min(wanted + _OWN, hard)
    if soft != resource.RLIM_INFINITY and soft < enough:
        with suppress(OSError, ValueError):  # macOS allows fewer than it says: kern.maxfilesperproc
            resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))
            soft = enough
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - _OWN))
