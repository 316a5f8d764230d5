"""Lab 4.2 by real processes: pictures are answered on one core, instances weigh what they weigh, and nothing stays."""

from __future__ import annotations

import sys
from time import monotonic, sleep

import fakes
import numpy as np
import psutil
import pytest
import torch
from another_python import another_python
from quiet_machine import quiet_machine

from labkit.experiment import Unavailable
from labkit.labs.hundreds_of_instances import experiments as lab
from labkit.machine import Machine
from labkit.measure import instances
from labkit.measure.instances import BATCHES, OWN, PROCESSES, SHARED, THREADS, Device, schedule
from labkit.measure.probes import instances as probe
from labkit.measure.probes import sessions
from labkit.processes import HelperFailed


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    return {width: sessions.file("fp32", width, folder) for width in probe.WIDTHS}


@pytest.mark.parametrize("way", [BATCHES, SHARED, OWN, THREADS, PROCESSES])
def test_every_way_answers_few_sources(networks, way):
    with Device(3 if way == PROCESSES else 1) as device:
        device.open(networks[8], 4 if way in (OWN, THREADS) else 1)
        plan = schedule(4, 0.05, 0.5, deadline=0.1)
        answers, used = device.serve(way, plan, 0.1, 8)
    assert len(answers) == 40 and (answers > 0).all() and np.isfinite(answers).mean() > 0.5
    assert 0 < used < 0.05


def test_a_device_takes_one_core_where_the_system_lets_it(networks):
    with Device() as device:
        process = psutil.Process(device._helpers[0].id)
        if hasattr(process, "cpu_affinity") and sys.platform == "linux":
            assert len(process.cpu_affinity()) == 1


def test_further_instances_weigh_more(networks):
    with Device() as device:
        one, _ = device.open(networks[64])
        many, threads = device.open(networks[64], 9, 8)
    foot = instances.footprint()
    assert many - one > 8 * 1.5e6 and 0 <= threads < 8 * 2**20  # its weights have 1.5 MB
    assert foot.networks[64] > 5 * foot.networks[8] and foot.process > 2 * foot.networks[64]


def test_what_cannot_be_opened_is_an_error_and_nothing_stays(tmp_path):
    with pytest.raises(HelperFailed, match="no such file"), Device() as device:
        device.open(tmp_path / "nothing.onnx")


def test_a_core_that_ends_is_a_reason(networks, monkeypatch):
    monkeypatch.setattr(instances, "STARTING_S", 0.001)  # too little to start in
    machine = Machine("A machine", "cpu", 8e9, calibrations={"instances": fakes.instances()})
    outcome = lab.in_time(machine, Unavailable("No.")).measure(**lab.START)
    assert isinstance(outcome, Unavailable) and "silent" in outcome.reason


def test_a_core_ends_with_its_parent():
    code = ("from labkit.measure.instances import Device; import os; device = Device(); "
            "print(device._helpers[0].id, flush=True); os._exit(1)")
    said, _ = another_python(code).communicate(timeout=60)
    child, patience = int(said), monotonic() + 10
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert monotonic() < patience
        sleep(0.05)


@pytest.fixture(scope="module")
def calibrated():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLUSTER_TO_EDGE_EFFORT", "quick")
        calibration = probe.calibrate(torch.device("cpu"))
        yield Machine("A machine", "cpu", 8e9, calibrations={"instances": calibration})


@quiet_machine
def test_the_probe_holds_what_it_promises(calibrated):
    calibration = calibrated.calibration("instances")
    calibration.check(probe.KEYS)
    assert not calibration.missing
    for width in probe.WIDTHS:
        batches = calibration.curve(BATCHES, width)
        assert batches[-1][1] > 3 * batches[0][1]
    assert calibration.curve(OWN, 64)[0][1] > calibration.curve(OWN, 8)[0][1]


@quiet_machine
def test_points_are_measured(calibrated, monkeypatch):
    monkeypatch.setenv("CLUSTER_TO_EDGE_EFFORT", "quick")
    foot = Unavailable("Not weighed.")
    served, late = lab.in_time(calibrated, foot), lab.late(calibrated, foot)
    with served.session():
        shared, batches = (served.measure(**{**lab.START, "way": way, "width": 8}) for way in (SHARED, BATCHES))
        processes = served.measure(**{**lab.START, "way": PROCESSES, "rate": 200})
    assert batches.value > shared.value > 100 and shared.speed > 0
    assert processes.value >= 1 or "most" in processes.reason
    few, many = (late.measure(sources=sources, active=100, way=SHARED, width=64) for sources in (20, 10_000))
    assert few.value < 50 < many.value


def test_memory_is_that_of_all_instances():
    memory = lab.memory(fakes.machine(calibrations={"instances": fakes.instances()}), instances.footprint())
    one, more = (memory.measure(instances=count, way=OWN, width=64) for count in (1, 10))
    assert more.value - one.value > 9 * 1.5e6
