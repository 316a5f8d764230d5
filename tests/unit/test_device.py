"""Which device the labs compute on, and what a reader is told when it is too small."""

from __future__ import annotations

import pytest
import torch
from labkit.measure import device as devices
from labkit.measure.training import train
from labkit.networks.cats import CatNet


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
