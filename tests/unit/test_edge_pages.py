"""The predictions of Chapter 4's pages: streams on one device, weights at a distance."""

from __future__ import annotations

import bisect
import itertools
import math
import random

import pytest

from labkit import catalogue
from labkit.experiment import Unavailable
from labkit.labs.distance_to_memory import at_scale
from labkit.pages import camera_streams
from labkit.predict import memory_ladder as ladder
from labkit.predict import streams as predicted
from labkit.widgets.explorer import Explorer

NO_NUMBER = [0, -1, math.nan, math.inf]


# Streams


def played(latency, rate, period, count, seed):
    """Play `count` cameras of random phase against one device that batches; return the longest time to an answer."""
    rng, now, longest = random.Random(seed), 0.0, 0.0
    phases = [rng.uniform(0, period) for _ in range(count)]
    arrivals = sorted(phase + k * period for phase in phases for k in range(40))
    while arrivals:
        now = max(now, arrivals[0])
        waiting = bisect.bisect_right(arrivals, now)
        batch, arrivals = arrivals[:waiting], arrivals[waiting:]
        now += predicted.batch_seconds(latency, rate, len(batch))
        longest = max(longest, now - batch[0])
    return longest


@pytest.mark.parametrize("latency, rate, limit", [(1e-3, 2500, 0.02), (5e-3, 250, 0.05), (2e-3, 400, 0.011)])
def test_no_answer_is_late_when_one_set_of_weights_serves_as_many_streams_as_predicted(latency, rate, limit):
    most = predicted.shared(latency, rate, limit)
    assert most > 1
    for period, seed in itertools.product((limit, 3 * limit), range(30)):
        assert played(latency, rate, period, most, seed) <= limit * (1 + 1e-9)


def test_with_many_more_streams_some_answer_is_late():
    latency, rate, limit = 5e-3, 250, 0.05
    most = predicted.shared(latency, rate, limit)
    assert any(played(latency, rate, limit, 2 * most, seed) > limit for seed in range(5))


def test_a_single_stream_waits_for_nobody():
    assert predicted.shared(9e-3, 1000, 1e-2) == 1  # two starts would not fit
    assert predicted.shared(1.1e-2, 1000, 1e-2) == 0


def test_streams_rise_with_the_limit_and_the_rate_and_own_weights_never_serve_more():
    rng = random.Random(4)
    for _ in range(500):
        rate, limit = 10 ** rng.uniform(1, 5), 10 ** rng.uniform(-3, 0)
        latency = rng.uniform(1, 8) / rate
        here = predicted.shared(latency, rate, limit)
        assert here <= predicted.shared(latency, rate, 1.5 * limit)
        assert here <= predicted.shared(latency, 1.5 * rate, limit) + 1  # its start is a larger part of the latency
        assert predicted.separate(latency, limit) == math.floor(limit / latency * (1 + 1e-9))
    assert predicted.separate(0.01, 0.1) == 10
    assert predicted.held(24e9, 25.6e6) == 937


@pytest.mark.parametrize("number", NO_NUMBER, ids=repr)
def test_what_is_no_amount_is_refused_by_name(number):
    for name, count in {
        "latency": lambda: predicted.shared(number, 1, 1), "rate": lambda: predicted.batch_seconds(1, number, 1),
        "limit": lambda: predicted.separate(1, number), "memory": lambda: predicted.held(number, 1),
        "weights": lambda: predicted.held(1, number),
    }.items():
        with pytest.raises(ValueError, match=f"{name} must be"):
            count()
    with pytest.raises(ValueError, match="one sample or more"):
        predicted.batch_seconds(1, 1, 0)


def test_two_published_numbers_predict_the_third_within_the_band():
    found = camera_streams.published()
    assert len(found.errors) >= 25
    assert found.median_error < 0.15 and found.p90_error <= camera_streams.BAND
    assert max(found.errors) > camera_streams.BAND / 2  # the band is not wider than it has to be


def test_every_point_of_the_streams_is_a_whole_number_or_a_reason():
    experiment = camera_streams.count()
    for point in experiment.points():
        outcome = experiment.predict(**point)
        if outcome:
            assert outcome.value >= 1 and outcome.value == int(outcome.value) and outcome.note
        else:
            assert isinstance(outcome, Unavailable) and outcome.reason


def test_memory_binds_where_many_copies_are_asked_for():
    experiment = camera_streams.count()
    point = {"rate": 1, "deadline": 1.0, "device": "L4", "network": camera_streams.RESNET}
    own, one = (experiment.predict(weights=weights, **point) for weights in (camera_streams.OWN, camera_streams.ONE))
    assert own.value == predicted.held(24e9, camera_streams.WEIGHTS[camera_streams.RESNET])
    assert "Memory binds" in own.note
    assert one.value > 10 * own.value


def test_every_device_is_in_the_tables_and_what_nobody_published_is_said():
    systems = {row["system"] for row in catalogue.table("mlperf-inference")}
    for system, sheet in camera_streams.DEVICES.values():
        assert system in systems
        assert sheet is None or catalogue.machine(sheet).memory
    point = {"rate": 10, "deadline": 0.1, "device": "Jetson Orin NX", "weights": camera_streams.ONE}
    assert "No round of MLPerf" in camera_streams.count().predict(network=camera_streams.RETINANET, **point).reason


# The ladder


def test_the_wait_is_the_latency_and_the_bytes_and_shared_by_the_answers():
    assert ladder.waiting(1e6, 1e9, 1e-3, 1) == {"waiting for the first byte": 1e-3, "moving the weights": 1e-3}
    assert sum(ladder.waiting(1e6, 1e9, 1e-3, 8).values()) == pytest.approx(2e-3 / 8)
    assert ladder.most(3e-3, 1e9, 1e-3) == pytest.approx(2e6) and ladder.most(1e-3, 1e9, 2e-3) == 0


@pytest.mark.parametrize("arguments", [(0, 1, 0, 1), (1, 0, 0, 1), (1, 1, -1, 1), (1, 1, 0, 0), (math.nan, 1, 0, 1),
                                       (1, math.inf, 0, 1), (1, 1, math.nan, 1)], ids=repr)
def test_a_place_that_cannot_be_is_refused(arguments):
    with pytest.raises(ValueError, match="Waiting needs"):
        ladder.waiting(*arguments)


def test_every_rung_has_its_speed_from_the_catalogue():
    for rung in at_scale.RUNGS:
        bandwidth, latency = at_scale.speed(rung)
        assert bandwidth > 1e8 and 0 <= latency < 0.01


def test_the_share_of_a_promise_that_is_reached_is_what_was_measured():
    links = {row["name"]: row["bytes_per_s"] for row in catalogue.table("links")}
    for measured, promised in (("PCIe 5 x16, host to GPU (H200)", "PCIe 5 x16"),
                               ("NVLink 4, one GPU to another (8 × H200)", "NVLink 4 (H100, H200)")):
        assert links[measured] / links[promised] == pytest.approx(at_scale.REACHED, abs=0.005)


@pytest.mark.parametrize("experiment, x", [(camera_streams.count, "rate"), (at_scale.wait, "size"),
                                           (at_scale.worth, "rate")])
def test_the_pages_explorers_stay_light(experiment, x):
    widget = Explorer(experiment(), x=x)
    assert sum(1 for _ in experiment().points()) < 3000
    assert widget.text()
