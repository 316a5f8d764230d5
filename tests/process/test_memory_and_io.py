"""Lab 3.4 on real files: the probe keeps its promise, points are measured, and nothing stays on the disk."""

from __future__ import annotations

import fakes
import pytest
import torch

from labkit import cache
from labkit.experiment import Unavailable
from labkit.labs.memory_and_io import experiments as lab
from labkit.labs.memory_and_io import measuring
from labkit.measure.probes import weights as probe
from labkit.serving import model_store as store


@pytest.fixture(scope="module")
def here():
    return fakes.machine(calibrations={"weights": probe.calibrate(torch.device("cpu"))})


def left():
    return list(cache.folder("models").rglob("*"))


def test_the_probe_holds_what_it_promises_and_leaves_nothing(here):
    calibration = here.calibration("weights")
    calibration.check(probe.KEYS)
    assert not left()
    for way in (probe.MAPPED_WARM, probe.READ_WARM):
        curve = calibration.curve("fetch", way)
        assert curve[-1][1] > curve[0][1]


def test_points_are_measured_in_every_way_and_leave_nothing(here):
    answers = lab.answers(here, budget=0.02)
    for way in lab.WAYS:
        outcome = answers.measure(way=way, size=2, batch=1)
        assert outcome or (isinstance(outcome, Unavailable) and way in probe.COLD)
    assert not left()


def test_requests_miss_as_often_as_they_are_counted(here):
    asked = lab.requests(here)
    run = asked.run(models=12, share=50, skew=0.8, size=1)
    assert run.missed == pytest.approx(100 - run.hits.value, abs=12)
    assert len(run.seconds) >= 300 and run.mean.low <= run.mean.value <= run.mean.high
    assert not left()


def test_a_cold_answer_tells_the_speed_of_the_drive_apart_from_the_processors(here):
    answers = lab.answers(here, budget=0.02)
    warm = answers.measure(way=probe.READ_WARM, size=2, batch=1)
    assert warm.speed.keys() == {measuring.ANSWERING}
    cold = answers.measure(way=probe.READ_COLD, size=2, batch=1)
    assert not cold or cold.speed.keys() == {measuring.ANSWERING, measuring.FETCHING}


def test_a_folder_that_cannot_be_written_is_said(here, monkeypatch):
    def refused(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "write", refused)
    outcome = lab.requests(here).mean.measure(**lab.MANY)
    assert outcome == Unavailable("The models cannot be written or read: No space left on device.")
    assert "No space left" in probe.calibrate(torch.device("cpu")).reason("answer", 1)
