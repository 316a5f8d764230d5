"""Which device the labs compute on, and what a reader is told when it is too small."""

from __future__ import annotations

import math
import os
from pathlib import Path

import psutil
import pytest
import torch

from labkit import device as devices
from labkit.models.networks.cats import CatNet
from labkit.models.training import train


@pytest.fixture
def chosen_anew():
    devices.best.cache_clear()
    yield
    devices.best.cache_clear()


@pytest.mark.parametrize("refusal", [
    RuntimeError("MPS backend out of memory (MPS allocated: 0 bytes)"),  # a virtual Mac, as in CI
    RuntimeError("CUDA error: no kernel image is available for execution on the device\nMore lines"),  # an old GPU
])
def test_a_gpu_that_does_not_work_is_done_without(refusal, chosen_anew, monkeypatch):
    def ones(*_, **__):
        raise refusal

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch, "ones", ones)
    with pytest.warns(UserWarning, match="GPU does not work.*using the CPU") as said:
        assert devices.best() == torch.device("cpu")
    assert len(said) == 1 and "\n" not in str(said[0].message)


class Greedy(CatNet):
    """Asks for a pebibyte, as a batch that is far too large would."""

    def forward(self, pictures):
        return torch.empty(2**50, dtype=torch.uint8)


def test_a_batch_too_large_for_the_memory_says_so():
    images, labels = torch.zeros(4, 3, 32, 32, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64)
    with pytest.raises(MemoryError, match=r"batches of 4 needs more memory.*smaller"):
        train(Greedy(), images, labels, batch=10**30, device=torch.device("cpu"))


def test_other_errors_stay_what_they_are():
    with pytest.raises(RuntimeError, match="shapes"):
        train(CatNet(size=64), torch.zeros(4, 3, 32, 32, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64),
              device=torch.device("cpu"))


# How much of the machine there is


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """A folder that stands in the place of the control groups' files, empty, on a machine with 16 processors."""
    system = "/sys/fs/cgroup"

    def path(name):
        return tmp_path / os.path.relpath(name, system) if str(name).startswith(system) else Path(name)

    monkeypatch.setattr(devices, "Path", path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(16), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: 16 if logical else 8)
    return tmp_path


def write(folder, **files):
    """Write files whose names have a dot where the keyword has two underscores."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("150000 100000\n", 1.5), ("50000 100000", 0.5), ("800000 50000", 16), ("6400000 100000", 16), ("max 100000", 16),
     ("", 16), ("many", 16), ("100000 0", 16)],
)
def test_a_quota_of_the_second_version_counts(quota, cores, groups):
    write(groups, cpu__max=quota)
    assert devices.cores() == cores


@pytest.mark.parametrize(("quota", "cores"), [("200000", 2), ("25000", 0.25), ("-1", 16), ("much", 16)])
def test_a_quota_of_the_first_version_counts(quota, cores, groups):
    write(groups / "cpu", cpu__cfs_quota_us=quota, cpu__cfs_period_us="100000\n")
    assert devices.cores() == cores


def test_the_processors_that_the_process_may_run_on_count(groups, monkeypatch):
    assert devices.cores() == 16
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5, 7}, raising=False)
    assert devices.cores() == 3
    write(groups, cpu__max="200000 100000")
    assert devices.cores() == 2
    write(groups, cpu__max="400000 100000")
    assert devices.cores() == 3


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not bind processes to processors")
def test_a_real_binding_counts():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert devices.cores() <= 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("quota", "before", "after"), [("250000", 16, 2), ("50000", 16, 1), ("max", 4, 4),
                                                        ("800000", 3, 3)])
def test_the_framework_starts_no_more_threads_than_may_run(quota, before, after, groups, threads):
    write(groups, cpu__max=f"{quota} 100000")
    torch.set_num_threads(before)
    devices.settle()
    assert torch.get_num_threads() == after


@pytest.mark.parametrize(("physical", "usable", "said"), [
    (8, 16, "8 cores (16 hyper-threads)"), (16, 16, "16 cores"), (None, 16, "16 cores"), (32, 16, "16 cores"),
    (8, 1.5, "8 cores (16 hyper-threads), of which this process may use 1.5"),
    (1, 0.5, "1 core (16 hyper-threads), of which this process may use 0.5"),
])
def test_the_name_says_how_many_processors_there_are_and_may_be_used(physical, usable, said, groups, monkeypatch):
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: 16 if logical else physical)
    write(groups, cpu__max=f"{usable * 100000:.0f} 100000")
    name = devices.name(torch.device("cpu"))
    assert name.endswith(f", {said}") and len(name) > len(said) + 2


@pytest.mark.parametrize("file", ["memory.max", "memory/memory.limit_in_bytes"])
def test_a_containers_memory_is_what_there_is(file, groups):
    (groups / file).parent.mkdir(exist_ok=True)
    total = psutil.virtual_memory().total
    for content, limit in ((str(2**29), 2**29), ("max", None), (str(2**63 - 4096), None), ("", None)):
        (groups / file).write_text(content)
        assert devices.container_memory() == limit
        assert devices.memory(torch.device("cpu")) == min(total, limit or math.inf)
