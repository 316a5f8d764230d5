"""How fast the machine reads a file that no memory holds: a cold read, from the storage device.

The system keeps what was read in memory, so a second read says nothing of the device. A cold read goes around that
page cache, without special rights: on Linux with O_DIRECT, or, where the file system has no such thing, by dropping
the file from the cache and checking that it is gone; on macOS with F_NOCACHE, for writing the file as well; there
is no check there that it worked.

The file lies in the course's cache folder, so that is the device that is measured. What lies behind the device, a
controller's own memory or a virtual machine's host, may still cache: nobody inside can see it.
"""

from __future__ import annotations

import ctypes
import errno
import itertools
import mmap
import os
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import psutil

from labkit import cache
from labkit.progress import report
from labkit.specs.calibration import Calibration
from labkit.timing.drift import DriftCorrected, thinned

if TYPE_CHECKING:  # a process that reads starts without it
    import torch

SECONDS = 7  # about how long it takes
PATTERNS = ("random", "sequential")
KEYS = tuple((pattern,) for pattern in PATTERNS)
BLOCKS = tuple(4**k for k in range(6, 13))  # bytes of one read: 4 KiB to 16 MiB
FILE = 2**28  # bytes: enough that a device's own small caches do not hold it
REFERENCE = 4**8  # bytes of the read that tells how fast the device is at the moment
_SPARE = 2**30  # bytes that must stay free
_BUDGET = 0.2
_IN_MEMORY = ("tmpfs", "ramfs")


class NoColdReads(OSError):
    """The page cache cannot be gone around here; the message says why."""


def calibrate(device: torch.device, state: str = "cold", patterns: Sequence[str] = PATTERNS) -> Calibration:
    """Time single reads, one after the other.

    What this file system or this operating system does not allow is missing, with the reason.

    Args:
        device: of the framework; it has no part in this.
        state: `"cold"`, or `"warm"` for reads out of the page cache.
        patterns: which of `PATTERNS` to measure.

    Returns:
        `("random",)` and `("sequential",)`: seconds of one read; the work is bytes.
    """
    keys = [(pattern,) for pattern in patterns]
    try:
        with session(state) as read:
            timed = DriftCorrected(lambda: read(REFERENCE, "random"), budget=_BUDGET, seconds=SECONDS)
            report(0, f"Calibrating: {state} reads")
            return timed.calibration({(pattern,): timed.curve(thinned(BLOCKS), partial(partial, read, pattern=pattern))
                                      for pattern in patterns})
    except NoColdReads as trouble:
        return Calibration.unavailable(keys, str(trouble))
    except OSError as trouble:
        return Calibration.unavailable(keys, f"A file of {FILE >> 20} MiB cannot be written to the cache folder and "
                                             f"read again: {trouble.strerror or trouble}.")


@contextmanager
def session(state: str) -> Iterator[Callable[[int, str], float]]:
    """Write a scratch file and yield the function of `reader` for it; the file goes with the block."""
    with scratch() as path, reader(path, state) as read:
        yield read


@contextmanager
def scratch(folder: Path | None = None, size: int | None = None) -> Iterator[Path]:
    """Write a file of random bytes, which no device can compress, and remove it with the block.

    Args:
        folder: where; the course's cache folder unless given.
        size: bytes, a multiple of 4 MiB; `FILE` unless given.

    Raises:
        OSError: no room, or no right to write.
    """
    folder, size = Path(folder or cache.folder("storage")), size or FILE
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < size + _SPARE:
        raise OSError(errno.ENOSPC, f"less than {(size + _SPARE) >> 20} MiB are free")

    for left in folder.glob("read-*.bin"):  # by a process that was killed
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > cache.ABANDONED_S:
                left.unlink()

    def fill(path: Path) -> None:
        with path.open("wb") as file:
            _past_the_cache(file.fileno())
            for _ in range(size >> 22):
                file.write(random.randbytes(1 << 22))

    path = folder / f"read-{os.getpid()}-{next(_numbers)}.bin"
    try:
        cache.write_atomically(path, fill)
        yield path
    finally:
        with suppress(OSError):
            path.unlink()


@contextmanager
def reader(path: Path, state: str, buffer: memoryview | None = None) -> Iterator[Callable[[int, str], float]]:
    """Open a file and yield a function that reads some bytes of it and returns the seconds of that one read.

    The function takes the size of the read, a multiple of 4 KiB, and one of `PATTERNS`.

    Args:
        path: the file.
        state: `"cold"`, past the page cache, or `"warm"`, out of it.
        buffer: where what is read goes: memory that begins with a page, as O_DIRECT asks; its own unless given.

    Raises:
        NoColdReads: the page cache cannot be gone around.
    """
    if state == "cold":
        _refuse_memory(path)
    file, forget = _open_cold(path) if state == "cold" else (os.open(path, os.O_RDONLY | _BINARY), None)
    buffer, length = buffer or memoryview(mmap.mmap(-1, BLOCKS[-1])), path.stat().st_size
    place: dict[int, int] = {}
    choose = random.Random(0)
    if state == "warm":
        while os.read(file, 2**24):
            pass

    def read(size: int, pattern: str) -> float:
        blocks = length // size
        place[size] = choose.randrange(blocks) if pattern == "random" else (place.get(size, 0) + 1) % blocks
        if forget:
            forget()
        parts, offset = [buffer[:size]], place[size] * size
        begin = perf_counter()
        got = _read_at(file, parts, offset)
        seconds = perf_counter() - begin
        if got != size:
            raise OSError(errno.EIO, f"a read of {size} bytes returned {got}")
        return seconds

    try:
        yield read
    finally:
        os.close(file)


def evict(folder: Path) -> float:
    """Drop all files of a folder from the page cache, and return the share of their pages that is still there.

    What is not yet written to the device stays: call `os.sync` once after writing.

    Raises:
        NoColdReads: this system has no way, does not tell, or keeps them; or the folder lies in memory.
        OSError: a file cannot be opened.
    """
    _refuse_memory(folder)
    if not hasattr(os, "posix_fadvise") or sys.platform != "linux":
        raise NoColdReads("Python cannot drop files from the page cache of this operating system, and see that they "
                          "are gone: that takes Linux.")
    files = [path for path in folder.rglob("*") if path.is_file()]
    share = 1.0
    for _ in range(_DROPS):  # a page that another processor has just handled stays the first time
        for path in files:
            file = os.open(path, os.O_RDONLY)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)
        found = [_in_memory(path) for path in files[::1 + len(files) // _LOOKS]]
        share = sum(kept for kept, _ in found) / max(sum(pages for _, pages in found), 1)
        if share <= _KEPT:
            return share
    raise NoColdReads(f"This file system keeps {share:.0%} of what it is asked to drop from memory.")


def _in_memory(path: Path) -> tuple[int, int]:
    """Return how many pages of a file are in the page cache, and how many it has; this reads none (mincore(2))."""
    if not path.stat().st_size:
        return 0, 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as mapped:
        pages = -(-len(mapped) // mmap.PAGESIZE)
        told, start = (ctypes.c_ubyte * pages)(), ctypes.c_char.from_buffer(mapped)
        failed = ctypes.CDLL(None).mincore(ctypes.byref(start), ctypes.c_size_t(len(mapped)), told)
        del start  # or the map cannot be closed
    if failed:
        raise NoColdReads("This system does not tell which files it holds in memory.")
    return sum(page & 1 for page in told), pages


_BINARY = getattr(os, "O_BINARY", 0)
_DROPS = 3  # times that a file is asked to go
_KEPT = 0.1  # of pages: more may not stay in memory for a read to count as cold
_LOOKS = 100  # files that are looked at
_numbers = itertools.count(1)


def _past_the_cache(file: int) -> None:
    """On macOS, let a file be written or read without being kept in memory; elsewhere do nothing."""
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(file, fcntl.F_NOCACHE, 1)


def _seek_and_read(file: int, parts: list[memoryview], offset: int) -> int:
    os.lseek(file, offset, os.SEEK_SET)
    content = os.read(file, len(parts[0]))
    parts[0][: len(content)] = content
    return len(content)


_read_at = getattr(os, "preadv", _seek_and_read)  # bare, for it is what the clock sees


def _refuse_memory(path: Path) -> None:
    """Refuse a file system that lies in memory: it has nothing cold, whatever its answer to O_DIRECT."""
    places = [p for p in psutil.disk_partitions(all=True) if path.resolve().is_relative_to(p.mountpoint)]
    nearest = max(places, key=lambda p: len(p.mountpoint), default=None)
    if nearest and nearest.fstype in _IN_MEMORY:
        raise NoColdReads(f"The cache folder lies in memory ({nearest.fstype}): it has no storage device to read. "
                          "Set CLUSTER_TO_EDGE_CACHE to a folder on one.")


def _open_cold(path: Path) -> tuple[int, Callable[[], None] | None]:
    """Return a file that is read past the page cache, and what must be called before each read, if anything."""
    if sys.platform == "darwin":
        file = os.open(path, os.O_RDONLY)
        _past_the_cache(file)
        return file, None
    if hasattr(os, "O_DIRECT"):
        with suppress(OSError):
            file = os.open(path, os.O_RDONLY | os.O_DIRECT)
            try:
                os.preadv(file, [mmap.mmap(-1, BLOCKS[0])], 0)
                return file, None
            except OSError:  # some file systems open it and then refuse to read
                os.close(file)
    if hasattr(os, "posix_fadvise") and hasattr(os, "RWF_NOWAIT"):
        return _open_dropping(path)
    raise NoColdReads("Python cannot read past the page cache of this operating system.")


def _open_dropping(path: Path) -> tuple[int, Callable[[], None]]:
    """Read through the page cache, having dropped the file from it, and having checked that it is gone."""
    file = os.open(path, os.O_RDONLY)
    os.fsync(file)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)  # else the system reads ahead of what was asked for

    def drop() -> None:  # the whole file: the system keeps its memory in large pieces, and never drops a part of one
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)

    drop()
    probe = mmap.mmap(-1, BLOCKS[0])
    try:
        cached = os.preadv(file, [probe], 0, os.RWF_NOWAIT) > 0
    except BlockingIOError:
        cached = False
    except OSError as trouble:
        os.close(file)
        raise NoColdReads("This file system has no direct reads, and does not tell what it holds in memory "
                          f"({trouble.strerror}).") from trouble
    if cached:
        os.close(file)
        raise NoColdReads("This file system has no direct reads, and keeps the file in memory.")
    return file, drop
