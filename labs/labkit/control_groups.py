"""The control groups that this process is in, and what they allow it (Linux, cgroups(7)), version 2 or 1.

A hub, a scheduler, systemd and a container engine each put a group around the next: the tightest of them holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


@dataclass(frozen=True)
class Allowance:
    """What a group allows: `amount` of cores or bytes, and the group's folder, which tells who set it."""

    amount: float
    folder: Path


def folders(controller: str) -> Iterator[tuple[Path, int]]:
    """Yield this process's group and those around it, innermost first, with their version; version 2 comes first.

    Args:
        controller: `"cpu"` or `"memory"`.

    A folder need not exist: in a container, the process may be told its place as the host knows it.
    """
    try:
        lines = [line.split(":", 2) for line in MEMBERSHIP.read_text().splitlines()]
    except OSError:
        return
    roots = {2: (MOUNT, MOUNT / "unified"), 1: (MOUNT / controller,)}
    for version in (2, 1):
        for _, controllers, place in (line for line in lines if len(line) == 3):
            if not controllers if version == 2 else controller in controllers.split(","):
                for root in roots[version]:
                    own = root / place.strip("/")
                    yield from ((each, version) for each in (own, *own.parents) if each.is_relative_to(root))


def cores() -> Allowance | None:
    """Return the tightest quota of processor time, in cores, or None where no group sets one."""
    return _tightest("cpu", {2: _share, 1: _quota})


def memory() -> Allowance | None:
    """Return the tightest limit of memory, in bytes, or None where no group sets one."""
    return _tightest("memory", {2: lambda folder: int((folder / "memory.max").read_text()),
                                1: lambda folder: int((folder / "memory.limit_in_bytes").read_text())})


def _tightest(controller: str, read: dict[int, Callable[[Path], float | None]]) -> Allowance | None:
    allowed = []
    for folder, version in folders(controller):
        with suppress(OSError, ValueError, ZeroDivisionError):  # no such group from here, "max", or no number
            amount = read[version](folder)
            if amount is not None:
                allowed.append(Allowance(amount, folder))
    return min(allowed, key=lambda each: each.amount, default=None)


def _share(folder: Path) -> float:
    quota, period = (folder / "cpu.max").read_text().split()
    return int(quota) / int(period)


def _quota(folder: Path) -> float | None:
    quota = int((folder / "cpu.cfs_quota_us").read_text())
    return quota / int((folder / "cpu.cfs_period_us").read_text()) if quota > 0 else None
