"""Shared by the tests of every tier: see README.md."""

from __future__ import annotations

import gc
import os
import shutil
from contextlib import suppress
from importlib import import_module

import pytest

from labkit import cache, machine
from labkit.timing import clock


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Look for no rubbish in what the tests import, neither now nor later: it all stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """A cache folder for the tests alone: the reader's profile, guesses and data stay as they are.

    It begins with the widgets' scripts that were built before, each under a digest of what it was built from.
    """
    folder = tmp_path_factory.mktemp("cache")
    with suppress(OSError):
        shutil.copytree(cache.folder("widgets"), folder / "widgets")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLUSTER_TO_EDGE_CACHE", str(folder))
        yield


@pytest.fixture(scope="session")
def missing():
    """What a test calls that lacks something: it is skipped, and in CI (`CI` is set) it fails."""
    def missing(what: str) -> None:
        if os.environ.get("CI"):
            pytest.fail(f"{what} In CI nothing is skipped.")
        pytest.skip(what)

    return missing


@pytest.fixture
def quiet(monkeypatch):
    """A machine on which nobody else works."""
    monkeypatch.setattr(clock.Contention, "share", lambda self: 0.0)


@pytest.fixture
def probes(tmp_path, monkeypatch):
    """An empty cache, and Lab 1.1's probes, that take no time; the list holds the name of each that measured."""
    import fakes

    monkeypatch.setenv("CLUSTER_TO_EDGE_CACHE", str(tmp_path))
    monkeypatch.setattr(machine, "_known", None)
    monkeypatch.setattr(machine, "_tried", set())
    monkeypatch.setattr(machine, "_quiet", lambda: False)
    names = []
    for name, calibration in fakes.tour().items():
        module = import_module(f"labkit.measure.probes.{name}")
        monkeypatch.setattr(module, "calibrate", lambda device, name=name, calibration=calibration: names.append(name)
                            or calibration)
    return names


class HandClock:
    """A clock that is moved by hand; called, it tells the time."""

    now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def hand(monkeypatch, quiet):
    """The clock that everything is timed by, on a machine on which nobody else works."""
    clock_by_hand = HandClock()
    monkeypatch.setattr(clock, "perf_counter", clock_by_hand)
    return clock_by_hand
