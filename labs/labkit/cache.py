"""Where things are kept between runs, and how they get there whole or not at all."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import platformdirs

ABANDONED_S = 3600  # a half-written file this old belongs to a process that was killed


def folder(name: str) -> Path:
    """Return the cache folder called `name`, without creating it.

    It lies in `CLUSTER_TO_EDGE_CACHE` where that is set, else in the system's folder for caches, or, without a home
    that can be written, in the one for temporary files: kept until the computer tidies up.
    """
    return _root(os.environ.get("CLUSTER_TO_EDGE_CACHE", "")) / name


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """Yield a new folder within the cache folder called `name` that goes with the block.

    Raises:
        OSError: it cannot be made.
    """
    place = folder(name)
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place, ignore_cleanup_errors=True) as held:
        yield Path(held)


@cache
def _root(wanted: str) -> Path:
    try:
        root = Path(wanted or platformdirs.user_cache_dir("cluster-to-edge")).expanduser()
    except RuntimeError:  # this process has no home at all
        root = None
    if wanted and root:
        return root  # whoever asked for it is told where it cannot be written
    if root and root.is_absolute() and _writable(root):
        return root
    return Path(tempfile.gettempdir()) / f"cluster-to-edge-{_user()}"


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else "user"


def write_atomically(path: Path, content: bytes | Callable[[Path], None]) -> None:
    """Put a file in place in one step: whoever reads `path` sees the old content or the new, never a half.

    Args:
        path: the file; its folder is created.
        content: the bytes, or a function that writes them to the path it is given.

    Raises:
        OSError: the folder cannot be written or is full; nothing is left behind.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    part = Path(name)
    try:
        os.close(handle)
        if callable(content):
            content(part)
        else:
            part.write_bytes(content)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _sweep(path: Path) -> None:
    """Remove what killed processes left half written in the place of this file."""
    for part in path.parent.glob(f".{path.name}.*.part"):
        try:
            if time.time() - part.stat().st_mtime > ABANDONED_S:
                part.unlink()
        except OSError:
            continue
