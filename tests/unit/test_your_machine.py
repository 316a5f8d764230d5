"""Lab 1.1's experiments: each point is predicted or has a reason, and what a session starts it starts once."""

from __future__ import annotations

import dataclasses
import errno
import itertools
from contextlib import contextmanager

import fakes
import pytest

from labkit import catalogue
from labkit.experiment import Outcome, Unavailable, compare
from labkit.labs.common import measured, measured_rate
from labkit.labs.your_machine import experiments
from labkit.measure.probes import all_reduce, copies, loopback, memory, products, storage
from labkit.predict import links
from labkit.processes import HelperFailed
from labkit.timing.clock import Timing

MESSAGE, ALL_REDUCE = "a message to another process", "an all-reduce of two processes"
EXPERIMENTS = (experiments.products, experiments.reads, experiments.moves)


def with_costs(**calibration):
    """The made-up machine with other costs of some probes."""
    here = fakes.machine()
    return dataclasses.replace(here, calibrations={**here.calibrations, **calibration})


@pytest.fixture
def nothing_runs(monkeypatch):
    def never(*_, **__):
        raise AssertionError("measured")

    for module, name in ((products, "sampler"), (memory, "reader"), (copies, "sampler"), (storage, "session"),
                         (loopback, "session"), (all_reduce, "session")):
        monkeypatch.setattr(module, name, never)


# Predictions


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_point_has_a_prediction_or_a_reason(experiment, nothing_runs):
    predicted = 0
    experiment = experiment(fakes.machine())
    for point in experiment.points():
        outcome = experiment.predict(**point)
        if isinstance(outcome, Outcome):
            predicted += 1
            assert 0 < outcome.low < outcome.value < outcome.high and outcome.unit == experiment.unit
            assert all(part >= 0 for part in outcome.parts.values())
        else:
            assert outcome.reason.endswith(".")
    assert predicted


@pytest.mark.parametrize(("what", "latency", "bandwidth"), [
    (MESSAGE, 6e-5, 4e9), (ALL_REDUCE, 2e-4, 1e9), ("a read from storage, random", 8e-5, 1e9),
    ("a read from storage, in order", 8e-5, 1e9), ("a read from memory's file cache", 2e-6, 2e10)])
def test_moving_bytes_takes_latency_and_transfer(what, latency, bandwidth):
    experiment = experiments.moves(fakes.machine())
    for size in experiments.SIZES:
        outcome = experiment.predict(what=what, size=size)
        assert outcome.value == pytest.approx(latency + size / bandwidth)
        assert outcome.parts["latency"] == pytest.approx(
            links.latency(fakes.machine().calibration(experiments.MOVES[what][0]).curve(experiments.MOVES[what][1])))


def test_a_link_whose_smallest_message_was_slow_still_has_parts_that_add_up():
    slow_start = {"message": [[1, 3e-3], [2**12, 1e-3], [2**24, 2e-3]]}
    experiment = experiments.moves(with_costs(loopback=fakes.calibration(slow_start)))
    for size in experiments.SIZES:
        assert all(part >= 0 for part in experiment.predict(what=MESSAGE, size=size).parts.values())


def test_products_reach_the_rate_of_their_format_and_reads_that_of_their_place():
    experiment = experiments.products(fakes.machine())
    for dtype, factor in {"fp64": 0.5, "fp32": 1, "bf16": 2, "int8": 4}.items():
        assert experiment.predict(dtype=dtype, side=768).value == pytest.approx(fakes.RATE * factor, rel=0.05)
    experiment = experiments.reads(fakes.machine())
    assert experiment.predict(size=2**20).value == pytest.approx(fakes.NEAR, rel=0.05)
    assert experiment.predict(size=2**26).value == pytest.approx(fakes.FAR, rel=0.05)


def test_a_format_too_slow_to_be_measured_far_is_not_guessed_far():
    curves = {"fp32": fakes.tour()["products"].curve("fp32"), "fp16": [[2 * n**3, 1e-3 * n] for n in (32, 64)]}
    missing = dict.fromkeys(set(products.FORMATS) - curves.keys(), "It has none.")
    experiment = experiments.products(with_costs(products=fakes.calibration(curves, missing=missing)))
    assert experiment.predict(dtype="fp16", side=128)
    for half in (experiment.predict, experiment.measure):
        outcome = half(dtype="fp16", side=256)
        assert isinstance(outcome, Unavailable) and "fp16 is too slow" in outcome.reason and "side 64" in outcome.reason


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_a_machine_that_was_not_measured_is_refused_with_what_to_do(experiment):
    with pytest.raises(ValueError, match=r"lacks: labkit\.machine\.this\("):
        experiment(catalogue.machine("NVIDIA H100 SXM"))


def test_no_point_of_the_validation_was_calibrated():
    measured = {"storage": storage.BLOCKS, "page_cache": storage.BLOCKS, "loopback": loopback.SIZES,
                "all_reduce": all_reduce.SIZES, "copies": copies.SIZES}
    for experiment, points in experiments.validation(fakes.machine()):
        assert points
        for point in map(experiment.check, points):
            if "what" in point:
                assert point["size"] not in measured[experiments.MOVES[point["what"]][0]]
            elif "dtype" in point:
                assert all(point["side"] not in sides for sides in products.SIDES.values())
            else:
                assert point["size"] not in memory.SETS


@pytest.mark.parametrize("curve", [storage.BLOCKS, loopback.SIZES, all_reduce.SIZES, copies.SIZES])
def test_every_size_on_the_slider_lies_between_calibrated_ones(curve):
    assert curve[0] <= experiments.SIZES[0] and experiments.SIZES[-1] <= curve[-1]


# What is missing


@pytest.mark.parametrize("what", [what
                                 for what, (probe, _) in experiments.MOVES.items() if probe == "copies"])
def test_what_is_missing_cannot_be_measured_for_the_same_reason(what, nothing_runs):
    experiment = experiments.moves(fakes.machine())
    for half in (experiment.predict, experiment.measure):
        assert half(what=what, size=2**16) == Unavailable("There is no GPU.")
    experiment = experiments.products(fakes.machine())
    for half, dtype in itertools.product((experiment.predict, experiment.measure), ("tf32", "fp8")):
        assert half(dtype=dtype, side=256) == Unavailable("It has none.")


@pytest.mark.parametrize("trouble", [HelperFailed("The helper was silent."), ConnectionResetError("It hung up."),
                                     storage.NoColdReads("It lies in memory."), OSError(errno.ENOSPC, "It is full.")])
def test_what_fails_at_the_moment_is_unavailable_with_the_reason(trouble, monkeypatch):
    @contextmanager
    def session(*_):
        raise trouble
        yield

    for module in (storage, loopback, all_reduce):
        monkeypatch.setattr(module, "session", session)
    experiment = experiments.moves(fakes.machine(), budget=0.02)
    for what, (probe, _) in experiments.MOVES.items():
        if probe != "copies":
            outcome = experiment.measure(what=what, size=2**16)
            assert isinstance(outcome, Unavailable) and str(trouble) in outcome.reason


# Sessions


@pytest.fixture
def counted(quiet, monkeypatch):
    """Links that take twice their calibrated pace; the list tells what was started, asked for, and ended."""
    events, reference_seconds = [], fakes.machine().calibration("loopback").reference_seconds

    def replace(module):
        name = module.__name__.rpartition(".")[2]

        @contextmanager
        def session(state="link"):
            events.append(("start", name, state))
            try:
                yield lambda size, *pattern: events.append(("move", name, size)) or 2 * reference_seconds
            finally:
                events.append(("end", name, state))

        monkeypatch.setattr(module, "session", session)

    for module in (storage, loopback, all_reduce):
        replace(module)
    return events


def started(events):
    return [event for event in events if event[0] != "move"]


def test_without_a_session_each_point_starts_and_ends_what_it_needs(counted):
    experiment = experiments.moves(fakes.machine(), budget=0.02)
    for _ in range(2):
        assert experiment.measure(what=MESSAGE, size=2**16)
    assert started(counted) == [("start", "loopback", "link"), ("end", "loopback", "link")] * 2


def test_a_session_starts_once_what_its_points_need_and_ends_it(counted):
    experiment = experiments.moves(fakes.machine(), budget=0.02)
    points = [{"what": what, "size": size} for size in (2**13, 2**15) for what in experiments.MOVES]
    rows = compare(experiment, points).rows
    assert [bool(row.measured) for row in rows] == [bool(row.predicted) for row in rows]
    names = [("loopback", "link"), ("all_reduce", "link"), ("storage", "cold"), ("storage", "warm")]
    for moment in ("start", "end"):
        assert sorted(event[1:] for event in counted if event[0] == moment) == sorted(names)
    first_end = [event[0] for event in counted].index("end")
    assert all(event[0] == "end" for event in counted[first_end:])
    counted.clear()
    experiment.measure(what=MESSAGE, size=2**16)
    assert len(started(counted)) == 2  # the session is over


@pytest.mark.parametrize("end", [RuntimeError, KeyboardInterrupt])
def test_a_session_that_fails_ends_what_it_started(end, counted):
    experiment = experiments.moves(fakes.machine(), budget=0.02)
    with pytest.raises(end), experiment.session():
        experiment.measure(what=MESSAGE, size=2**16)
        raise end
    assert started(counted) == [("start", "loopback", "link"), ("end", "loopback", "link")]


def test_a_point_is_measured_in_turn_with_the_nearest_that_was_calibrated(counted):
    reference_seconds = fakes.machine().calibration("loopback").reference_seconds
    loopback_costs = fakes.calibration({"message": [[2**10, reference_seconds], [2**20, 5 * reference_seconds]]})
    outcome = experiments.moves(with_costs(loopback=loopback_costs), budget=0.02).measure(what=MESSAGE, size=2**13)
    assert {size for kind, _, size in counted if kind == "move"} == {2**13, 2**10}
    assert outcome.value == pytest.approx(2 * reference_seconds)  # what the clock showed
    assert outcome.speed == pytest.approx(0.5) and "ran at 0.50" in outcome.note


# What the clock showed


def test_a_measured_time_is_the_clocks_and_says_how_fast_the_machine_was():
    timing = Timing(2.0, 1.9, 2.2, samples=9, contention=0.0)
    steady, slow = measured(timing, 1.05), measured(timing, 0.5)
    assert (steady.value, steady.low, steady.high, steady.note) == (2.0, 1.9, 2.2, "")
    assert (slow.value, slow.speed) == (2.0, 0.5) and "0.50" in slow.note
    assert "40%" in measured(dataclasses.replace(timing, contention=0.4), 0.5).note


def test_a_rate_is_the_work_over_the_time_and_its_interval_turns_round():
    outcome = measured_rate(8.0, "B/s", Timing(2.0, 1.0, 4.0, samples=9, contention=0.0), 0.5)
    assert (outcome.value, outcome.low, outcome.high) == (4.0, 2.0, 8.0) and outcome.unit == "B/s"
    assert outcome.speed == 0.5
