"""The least effort; no process is left; and what several modules need, made once: pictures, a network that has learned.
"""

from __future__ import annotations

from contextlib import contextmanager

import psutil
import pytest
import torch

from labkit import device as devices
from labkit import effort
from labkit.models.datasets import cats
from labkit.models.networks.cats import CatNet
from labkit.models.training import train
from labkit.timing import drift

LONG = ("test_surviving_failures", "test_distributed")


def pytest_collection_modifyitems(items):
    """Begin with the modules that take longest, so that no worker is left with one of them at the end."""
    items.sort(key=lambda item: item.path.stem not in LONG)


@pytest.fixture(scope="session", autouse=True)
def least_effort():
    """Nothing is measured a second time because of neighbours: the other tests are some."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(effort.VARIABLE, effort.QUICK)
        patch.setattr(drift, "_TRIES", 1)
        yield


@contextmanager
def ending():
    """See that what is started inside has ended by the end of the block."""
    before = set(psutil.Process().children(recursive=True))
    yield
    assert set(psutil.Process().children(recursive=True)) <= before


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left_of_a_module():
    with ending():
        yield


@pytest.fixture(autouse=True)
def nothing_is_left_of_a_test():
    with ending():
        yield


@pytest.fixture(scope="session")
def pictures():
    return cats.draw(6_000, seed=2)


@pytest.fixture(scope="session")
def unseen():
    return cats.draw(1_500, seed=3)


@pytest.fixture(scope="session")
def lesson(pictures):
    """A network that has learned, and the run in which it did."""
    torch.manual_seed(0)
    network = CatNet(8)
    with devices.threads(1):
        return network, train(network, pictures.images, pictures.labels, epochs=5, batch=16, device=torch.device("cpu"))
