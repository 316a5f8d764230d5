"""Which device the labs compute on, and what a reader is told when it is too small."""

from __future__ import annotations

import os
import re
from types import SimpleNamespace

import psutil
import pytest
import torch

from labkit import device as devices
from labkit.data import package_folder
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


@pytest.fixture
def gpus(chosen_anew, monkeypatch):
    """A function that lets PyTorch see some GPUs of a kind which are not there, and that work."""
    ones = torch.ones

    def there(kind, count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: kind == "cuda")
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count if kind == "cuda" else 0)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: kind == "mps")
        monkeypatch.setattr(torch, "ones", lambda *size, device: ones(*size))

    return there


@pytest.mark.parametrize(("kind", "count"), [("cuda", 1), ("cuda", 4), ("mps", 1)])
def test_a_gpu_that_works_is_computed_on_and_waited_for(kind, count, gpus):
    gpus(kind, count)
    assert devices.best() == torch.device(kind)
    assert devices.sync(devices.best()) == getattr(torch, kind).synchronize


def test_a_gpu_has_its_own_memory(gpus, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(total_memory=80 * 2**30))
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 11 * 2**30)
    for kind, gib in (("cuda", 80), ("mps", 11)):
        assert devices.memory(torch.device(kind)) == gib * 2**30


@pytest.mark.parametrize(("kind", "count", "processes", "own"), [
    ("cuda", 4, 4, ["cuda:0", "cuda:1", "cuda:2", "cuda:3"]), ("cuda", 4, 2, ["cuda:0", "cuda:1"]),
    ("cuda", 1, 2, ["cpu", "cpu"]), ("mps", 1, 2, ["cpu", "cpu"]), (None, 0, 1, ["cpu"])])
def test_processes_that_train_together_have_a_gpu_each_or_none(kind, count, processes, own, gpus):
    gpus(kind, count)
    assert [str(devices.of_process(local, processes)) for local in range(processes)] == own


def test_nothing_else_chooses_a_device():
    """The energy counter asks whether there is a GPU to count for; it chooses none."""
    asks = {path.relative_to(package_folder()).as_posix() for path in package_folder().rglob("*.py")
            if re.search(r"(cuda|mps)\.is_available", path.read_text("utf-8"))}
    assert asks == {"device.py", "measure/energy.py"}


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


# Threads and names


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("cores", "before", "after"), [(2.5, 16, 2), (0.5, 16, 1), (16.0, 4, 4), (16.0, 3, 3)])
def test_the_framework_starts_no_more_threads_than_may_run(cores, before, after, threads, monkeypatch):
    monkeypatch.setattr(devices, "cores", lambda: cores)
    torch.set_num_threads(before)
    devices.settle()
    assert torch.get_num_threads() == after


@pytest.mark.parametrize(("physical", "usable", "said"), [
    (8, 16, "8 cores (16 hyper-threads)"), (16, 16, "16 cores"), (None, 16, "16 cores"), (32, 16, "16 cores"),
    (8, 1.5, "8 cores (16 hyper-threads), of which this process may use 1.5"),
    (1, 0.5, "1 core (16 hyper-threads), of which this process may use 0.5"),
])
def test_the_name_says_how_many_processors_there_are_and_may_be_used(physical, usable, said, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: 16 if logical else physical)
    monkeypatch.setattr(devices, "cores", lambda: usable)
    name = devices.name(torch.device("cpu"))
    assert name.endswith(f", {said}") and len(name) > len(said) + 2


def test_a_containers_memory_is_what_there_is(monkeypatch):
    total = psutil.virtual_memory().total
    for limit, memory in ((2**29, 2**29), (None, total)):
        monkeypatch.setattr(devices, "container_memory", lambda limit=limit: limit)
        assert devices.memory(torch.device("cpu")) == memory
