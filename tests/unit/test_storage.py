"""Reading files: cold reads go around the memory, warm ones do not, and where that cannot be, the reader is told."""

from __future__ import annotations

import errno
import itertools
import mmap
import os
import random
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import psutil
import pytest
import torch
from quiet_machine import quiet_machine

from labkit.measure.probes import page_cache, storage

CPU = torch.device("cpu")
IN_MEMORY = Path("/dev/shm")
linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has O_DIRECT and RWF_NOWAIT")
needs_memory_files = pytest.mark.skipif(not os.access(IN_MEMORY, os.W_OK), reason="no file system in memory here")


@pytest.fixture
def folder(quiet, tmp_path, monkeypatch):
    """An empty cache, and a scratch file of 16 MiB for few, quick reads; its folder, which a test must leave empty."""
    monkeypatch.setenv("CLUSTER_TO_EDGE_CACHE", str(tmp_path))
    monkeypatch.setattr(storage, "FILE", 2**24)
    monkeypatch.setattr(storage, "BLOCKS", (2**12, 2**14, 2**16, 2**18, 2**20))
    monkeypatch.setattr(storage, "_BUDGET", 0.03)
    monkeypatch.setattr(storage, "SECONDS", 0.5)
    yield tmp_path / "storage"
    assert not list((tmp_path / "storage").glob("*"))


@pytest.fixture
def disk(folder):
    """The same where files can be read cold."""
    try:
        with storage.session("cold"):
            pass
    except storage.NoColdReads as trouble:
        pytest.skip(str(trouble))
    return folder


@contextmanager
def reading(state):
    """Yield a function that reads some bytes of a scratch file, and returns where in the file they stand."""
    buffer = memoryview(mmap.mmap(-1, storage.BLOCKS[-1]))
    with storage.scratch() as path, storage.reader(path, state, buffer) as read:
        content = path.read_bytes()

        def place(size, pattern):
            buffer[:] = bytes(len(buffer))
            assert read(size, pattern) > 0
            offset = content.find(buffer[:64])
            assert offset >= 0 and content[offset:offset + size] == buffer[:size]
            return offset

        yield place


# Real reads


@pytest.mark.parametrize("state", ["cold", "warm"])
def test_every_read_returns_the_files_own_bytes(state, disk):
    with reading(state) as place:
        for size in (*storage.BLOCKS, 2**13, 3 * 2**12):  # also some that are not calibrated
            for pattern in storage.PATTERNS * 3:
                assert place(size, pattern) % size == 0


def test_reads_in_order_follow_each_other_and_random_ones_do_not(disk):
    with reading("warm") as place:
        random_ones, in_order = ([place(2**16, pattern) for _ in range(40)] for pattern in storage.PATTERNS)
    assert len(set(random_ones)) > 20
    assert {(after - before) % storage.FILE for before, after in itertools.pairwise(in_order)} == {2**16}


@pytest.mark.parametrize("probe", [storage, page_cache])
def test_a_calibration_holds_what_it_promises(probe, disk):
    calibration = probe.calibrate(CPU)
    calibration.check(probe.KEYS)
    assert not calibration.missing
    for curve in calibration.curves.values():
        assert [size for size, _ in curve] == list(storage.BLOCKS)
        assert curve[-1][1] > curve[0][1]  # 1 MiB takes longer than 4 KiB


@quiet_machine
def test_a_cold_read_takes_longer_than_a_warm_one(disk):
    seconds = {}
    for state in ("cold", "warm"):
        with storage.session(state) as read:
            seconds[state] = median(read(2**12, "random") for _ in range(200))
    assert seconds["cold"] > 1.5 * seconds["warm"]


def test_two_files_of_one_folder_do_not_share_bytes(folder, tmp_path):
    contents = []
    for _ in range(2):
        with storage.scratch(tmp_path / "own") as path:
            assert path.stat().st_size == storage.FILE
            contents.append(path.read_bytes())
    assert contents[0] != contents[1]
    assert not list((tmp_path / "own").iterdir())


# Around the memory, or not at all


@linux
@needs_memory_files
def test_a_folder_in_memory_has_nothing_cold(folder, monkeypatch):
    if psutil.disk_usage(IN_MEMORY).free < storage.FILE + storage._SPARE:
        pytest.skip("too little memory for a file in it")
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as place:
        monkeypatch.setenv("CLUSTER_TO_EDGE_CACHE", place)
        calibration = storage.calibrate(CPU)
        calibration.check(storage.KEYS)
        assert set(calibration.missing) == set(storage.KEYS)
        assert all("in memory (tmpfs)" in why and "CLUSTER_TO_EDGE_CACHE" in why
                   for why in calibration.missing.values())
        assert not list(Path(place, "storage").iterdir())
        assert not page_cache.calibrate(CPU).missing


def without_direct_reads(monkeypatch, refuses):
    """Let O_DIRECT be refused with `errno.EINVAL`, when the file is opened or when it is read first."""
    opened, direct = os.open, set()
    read = os.preadv

    def open_(path, flags, *more, **named):
        if flags & os.O_DIRECT and refuses == "open":
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        file = opened(path, flags, *more, **named)
        (direct.add if flags & os.O_DIRECT else direct.discard)(file)
        return file

    def preadv(file, *arguments):
        if file in direct:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return read(file, *arguments)

    monkeypatch.setattr(os, "open", open_)
    monkeypatch.setattr(os, "preadv", preadv)


def in_memory(path, offset) -> bool | None:
    """Whether the system holds a page of a file in memory; None where it does not tell."""
    file = os.open(path, os.O_RDONLY)
    try:
        return os.preadv(file, [bytearray(2**12)], offset, os.RWF_NOWAIT) > 0
    except BlockingIOError:
        return False
    except OSError:
        return None
    finally:
        os.close(file)


@linux
@pytest.mark.parametrize("refuses", ["open", "read"])
def test_without_direct_reads_the_file_is_dropped_from_memory_before_each_read(refuses, disk, monkeypatch):
    without_direct_reads(monkeypatch, refuses)
    elsewhere, dropped = range(0, storage.FILE, 2**20), []
    try:
        with storage.scratch() as path, storage.reader(path, "cold") as read:
            for _ in range(20):
                path.read_bytes()  # all of it is in memory again
                read(2**14, "random")
                dropped.append([in_memory(path, offset) for offset in elsewhere].count(False) > len(elsewhere) / 2)
    except storage.NoColdReads as trouble:
        pytest.skip(str(trouble))  # this file system does not tell either
    assert dropped.count(True) >= 18


@linux
@pytest.mark.parametrize(
    ("answer", "words"),
    [(OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP)), r"no direct reads.*does not tell.*not supported"),
     (2**12, r"no direct reads.*keeps the file in memory")],
)
def test_where_the_memory_cannot_be_gone_around_it_says_so(answer, words, folder, tmp_path, monkeypatch):
    files = len(os.listdir("/proc/self/fd"))
    without_direct_reads(monkeypatch, "open")
    read = os.preadv

    def preadv(file, buffers, offset, flags=0):
        if not flags & os.RWF_NOWAIT:
            return read(file, buffers, offset)
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(os, "preadv", preadv)
    monkeypatch.setattr(storage, "_refuse_memory", lambda path: None)
    with storage.scratch() as path, pytest.raises(storage.NoColdReads, match=words), storage.reader(path, "cold"):
        pass
    calibration = storage.calibrate(CPU)
    calibration.check(storage.KEYS)
    assert "no direct reads" in calibration.reason("random") == calibration.reason("sequential")
    assert len(os.listdir("/proc/self/fd")) == files


def test_a_system_without_any_way_says_so(folder, monkeypatch):
    monkeypatch.setattr(sys, "platform", "an operating system")
    for name in ("O_DIRECT", "RWF_NOWAIT"):
        monkeypatch.delattr(os, name, raising=False)
    monkeypatch.setattr(storage, "_refuse_memory", lambda path: None)
    calibration = storage.calibrate(CPU)
    calibration.check(storage.KEYS)
    assert "cannot read past the page cache" in calibration.reason("random")


@pytest.fixture
def without_preadv(monkeypatch):
    monkeypatch.setattr(storage, "_read_at", storage._seek_and_read)


def test_without_preadv_the_bytes_are_the_same(without_preadv, folder):
    with reading("warm") as place:
        assert all(place(size, "random") % size == 0 for size in storage.BLOCKS)


# No room, no right


def refused(*_, **__):
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("probe", [storage, page_cache])
@pytest.mark.parametrize("trouble", ["a file in its place", "no room", "full while writing", "full at the end",
                                     "read-only"])
def test_where_no_file_can_be_written_reads_are_missing_with_the_reason(trouble, probe, folder, monkeypatch):
    words = "No space left on device"
    if trouble == "a file in its place":
        folder.parent.mkdir(exist_ok=True)
        (folder.parent / "file").write_text("")
        monkeypatch.setenv("CLUSTER_TO_EDGE_CACHE", str(folder.parent / "file"))
        words = ""  # every system has its own
    elif trouble == "no room":
        usage = shutil.disk_usage(folder.parent)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=storage._SPARE))
        words = "1040 MiB are free"
    elif trouble == "full while writing":
        calls = iter(range(100))
        real = random.randbytes
        monkeypatch.setattr(random, "randbytes", lambda n: real(n) if next(calls) < 2 else full())
    elif trouble == "full at the end":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(tempfile, "mkstemp", refused)
        words = "Permission denied"
    calibration = probe.calibrate(CPU)
    calibration.check(probe.KEYS)
    monkeypatch.undo()
    assert set(calibration.missing) == set(probe.KEYS)
    assert all(words in why and "16 MiB" in why for why in calibration.missing.values())
    assert not list(folder.parent.rglob("*.part")) and not list(folder.parent.rglob("*.bin"))


@pytest.mark.parametrize("end", [RuntimeError, KeyboardInterrupt, OSError, None])
@pytest.mark.parametrize("state", ["cold", "warm"])
def test_the_file_goes_with_the_block_whatever_ends_it(end, state, disk):
    try:
        with storage.session(state) as read:
            read(2**12, "random")
            assert len(list(disk.iterdir())) == 1
            if end:
                raise end
    except BaseException as raised:
        assert type(raised) is end
    assert not list(disk.iterdir())


def test_an_interrupt_while_the_file_is_written_leaves_nothing(disk, monkeypatch):
    def interrupted(n):
        raise KeyboardInterrupt

    monkeypatch.setattr(random, "randbytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        storage.calibrate(CPU)
    assert not list(disk.iterdir())


def test_a_file_that_ends_too_early_is_an_error_and_no_number(disk):
    with storage.scratch() as path, storage.reader(path, "warm") as read:
        with path.open("rb+") as file:
            file.truncate(2**11)
        with pytest.raises(OSError, match="read of 4096 bytes returned"):
            for _ in range(3):
                read(2**12, "sequential")
