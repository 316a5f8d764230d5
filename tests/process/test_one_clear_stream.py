"""Lab 3.5 by a real process: it hears on one core, the probe keeps its promise, and streams are counted."""

from __future__ import annotations

import pytest
import torch
from quiet_machine import quiet_machine

from labkit.labs.one_clear_stream import experiments as lab
from labkit.machine import Machine
from labkit.measure.instances import BATCHES, OWN, SHARED, Device
from labkit.measure.probes import hearing


@pytest.fixture(scope="module")
def calibrated():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLUSTER_TO_EDGE_EFFORT", "quick")
        yield Machine("A machine", "cpu", 8e9, calibrations={"hearing": hearing.calibrate(torch.device("cpu"))})


@quiet_machine
def test_the_probe_holds_what_it_promises(calibrated):
    calibration = calibrated.calibration("hearing")
    calibration.check(hearing.KEYS)
    assert calibration.curve(BATCHES)[-1][1] > 3 * calibration.curve(BATCHES)[0][1]


@quiet_machine
def test_hearing_takes_longer_than_the_network_alone(tmp_path):
    times = {}
    with Device() as device:
        for hears in (False, True):
            hearing.opened(device, tmp_path, 1, hears=hears)
            times[hears] = min(device.seconds(SHARED) for _ in range(5))
    assert times[True] > 1.2 * times[False]


@quiet_machine
def test_streams_are_counted_and_nothing_stays(calibrated, monkeypatch):
    monkeypatch.setenv("CLUSTER_TO_EDGE_EFFORT", "quick")
    followed = lab.followed(calibrated)
    with followed.session():
        shared, own = (followed.measure(**{**lab.START, "way": way}) for way in (SHARED, OWN))
    assert shared.unit == "streams" and shared.value > 20 and shared.speed > 0 and own.value > 10
    assert 0.3 < followed.predict(**lab.START).at_speed(shared.speed).value / shared.value < 3
