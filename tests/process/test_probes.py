"""The probes of Lab 1.1: each runs for real and measures what it names, in times that grow with the work."""

from __future__ import annotations

from importlib import import_module

import pytest
import torch
from quiet_machine import quiet_machine

from labkit import device as devices
from labkit import machine
from labkit.labs.your_machine import LAB
from labkit.measure.probes import all_reduce, loopback, memory, products, storage


@pytest.fixture
def small(quiet, tmp_path, monkeypatch):
    """Probes that measure little and quickly."""
    monkeypatch.setenv("CLUSTER_TO_EDGE_CACHE", str(tmp_path))
    monkeypatch.setattr(products, "SIDES", dict.fromkeys(products.SIDES, (32, 64, 128)))
    monkeypatch.setattr(products, "SECONDS", 1)
    monkeypatch.setattr(memory, "SETS", (2**14, 2**18, 2**22))
    monkeypatch.setattr(memory, "LARGEST", dict.fromkeys(memory.LARGEST, 2**22))
    monkeypatch.setattr(storage, "FILE", 2**24)
    monkeypatch.setattr(storage, "BLOCKS", (2**12, 2**14, 2**16, 2**18, 2**20))
    monkeypatch.setattr(loopback, "SIZES", tuple(4**k for k in range(11)))
    for module in (memory, storage, loopback, all_reduce):
        monkeypatch.setattr(module, "_BUDGET", 0.05)
    for module in (loopback, all_reduce):
        monkeypatch.setattr(module, "_BLOCK_S", 0.01)


def grows(curve) -> bool:
    """Whether the last point, which has 64 times the work of the first or more, takes longer."""
    return len(curve) == 1 or curve[-1][1] > curve[0][1]


@pytest.mark.parametrize("name", LAB.probes)
@quiet_machine
def test_each_measures_what_it_names_in_times_that_grow_with_the_work(name, small, tmp_path):
    probe = import_module(f"labkit.measure.probes.{name}")
    threads = torch.get_num_threads()
    calibration = probe.calibrate(devices.best())
    calibration.check(probe.KEYS)
    assert all(grows(curve) for curve in calibration.curves.values()), calibration
    assert all(reason.endswith(".") for reason in calibration.missing.values())
    assert probe.SECONDS > 0
    assert torch.get_num_threads() <= threads
    kept = machine.Machine("A machine", "cpu", 2**30, calibrations={name: calibration})
    machine.save(kept, tmp_path / "kept.json")
    assert machine.load(tmp_path / "kept.json") == kept
