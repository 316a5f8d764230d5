"""The predictions: counts equal to the framework's own, and times that cannot be nonsense."""

from __future__ import annotations

import dataclasses
import itertools
import math
import random

import fakes
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from labkit import catalogue
from labkit.device import best
from labkit.experiment import Outcome, Unavailable, compare
from labkit.labs.cats import experiments
from labkit.measure import step_time as measured
from labkit.models.networks.cats import CatNet
from labkit.predict import links, roofline, step
from labkit.predict.operators import interpolate, layer_time
from labkit.specs import network
from labkit.specs.calibration import best_rate
from labkit.stats import wilson
from labkit.units import quantity

no_count = pytest.mark.skipif(best().type == "mps", reason="Apple's GPU keeps no count of its peak memory")


# Counts


@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("batch", [1, 3, 128])
@pytest.mark.parametrize("width", [1, 4, 7, 16, 64])
def test_counts_are_the_frameworks_own(width, batch, size):
    with torch.device("meta"):  # shapes are counted, and nothing is computed
        net, pictures = CatNet(width, size), torch.rand(batch, 3, size, size)
    assert network.parameters(network.cats(width, size)) == sum(p.numel() for p in net.parameters())
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        net(pictures)
    assert network.forward_flop(network.cats(width, size), batch) == forward.get_total_flops()
    with FlopCounterMode(display=False) as both:
        net(pictures).sum().backward()
    assert network.training_flop(network.cats(width, size), batch) == both.get_total_flops()


@no_count
@pytest.mark.parametrize("mode", step.MODES)
@pytest.mark.parametrize(("width", "batch"), [(4, 64), (16, 128), (64, 64), (32, 512), (8, 1024)])
def test_predicted_memory_is_within_a_twentieth_of_the_allocators_count(mode, width, batch):
    predicted = sum(step.memory(mode, width, batch).values())
    assert predicted == pytest.approx(measured.peak_memory(mode, width, batch), rel=0.05)


def test_memory_grows_with_batch_and_width_and_training_needs_more():
    for mode, width, batch in itertools.product(step.MODES, experiments.WIDTHS, experiments.BATCHES):
        here = sum(step.memory(mode, width, batch).values())
        assert all(part > 0 for part in step.memory(mode, width, batch).values())
        assert here < sum(step.memory(mode, width, 2 * batch).values())
        assert here < sum(step.memory(mode, 2 * width, batch).values())
    for width, batch in itertools.product(experiments.WIDTHS, experiments.BATCHES):
        inference, training = (sum(step.memory(mode, width, batch).values()) for mode in step.MODES)
        assert inference < training


# Times on a calibrated machine


def curves(rng):
    """Make a rising curve of two to six points."""
    works = itertools.accumulate(rng.uniform(1, 50) for _ in range(rng.randint(2, 6)))
    times = itertools.accumulate(rng.uniform(1e-6, 1e-3) for _ in range(6))
    return [[work, seconds] for work, seconds in zip(works, times, strict=False)]


def test_a_curve_goes_through_its_points_rises_and_is_never_negative():
    rng = random.Random(5)
    for _ in range(300):
        curve = curves(rng)
        for work, seconds in curve:
            assert interpolate(curve, work) == pytest.approx(seconds, rel=1e-12)
        works = sorted(10 ** rng.uniform(-2, 5) for _ in range(50))
        times = [interpolate(curve, work) for work in works]
        assert min(times) > 0
        assert all(a <= b * (1 + 1e-12) for a, b in itertools.pairwise(times))


def test_a_curve_is_flat_below_its_points_and_proportional_above():
    curve = [[2, 1e-3], [8, 2e-3]]
    assert interpolate(curve, 1) == interpolate(curve, 0) == interpolate(curve, 2) == 1e-3
    assert interpolate(curve, 80) == pytest.approx(2e-2)
    assert interpolate(curve, 4) == pytest.approx(math.sqrt(2) * 1e-3)  # the middle, on logarithmic scales
    assert interpolate([[5, 1e-3]], 10) == pytest.approx(2e-3)
    with pytest.raises(ValueError, match="calibrate the machine again"):
        interpolate([], 1)


def test_an_operation_hits_measured_channels_and_lies_between_them_elsewhere():
    measured_curves = fakes.operators().group("infer", "conv16")
    for channels, curve in measured_curves.items():
        for batch, seconds in curve:
            assert layer_time(measured_curves, int(channels), batch) == pytest.approx(seconds, rel=1e-12)
    for channels, batch in itertools.product(range(4, 65), (1, 7, 512, 2000)):
        here = layer_time(measured_curves, channels, batch)
        assert layer_time(measured_curves, 4, batch) <= here * (1 + 1e-12)
        assert here <= layer_time(measured_curves, min(channels + 1, 64), batch) * (1 + 1e-12)
    assert layer_time(measured_curves, 1, 8) == layer_time(measured_curves, 4, 8)
    assert layer_time(measured_curves, 999, 8) == layer_time(measured_curves, 64, 8)


def test_the_order_of_the_channels_in_a_profile_does_not_matter():
    measured_curves = fakes.operators().group("infer", "conv8")
    shuffled = dict(reversed(measured_curves.items()))
    assert list(shuffled) != list(measured_curves)
    assert all(layer_time(shuffled, c, 3) == layer_time(measured_curves, c, 3) for c in (8, 20, 64, 128))


def test_the_parts_of_a_step_add_up_and_are_not_negative():
    for passes in (3.0, 0.5):  # also where noise made training look cheaper than inference
        calibration = fakes.operators(passes)
        for width, batch in itertools.product(experiments.WIDTHS, experiments.BATCHES):
            inference, training = (step.seconds(calibration, mode, width, batch) for mode in step.MODES)
            assert set(inference) == {"forward"} and set(training) == {"forward", "backward", "optimiser"}
            assert all(part >= 0 for part in (*inference.values(), *training.values()))
            update = interpolate(calibration.curve("optimiser"), network.parameters(network.cats(width)))
            assert sum(training.values()) == pytest.approx(passes * inference["forward"] + update)


# Links


def test_a_link_goes_through_its_points_and_never_falls():
    rng = random.Random(6)
    for _ in range(300):
        curve = curves(rng)
        for size, seconds in curve:
            assert links.seconds(curve, size) == pytest.approx(seconds, rel=1e-12)
        noisy = [[size, seconds * rng.uniform(0.5, 2)] for size, seconds in curve]
        sizes = sorted(10 ** rng.uniform(-2, 5) for _ in range(50))
        times = [links.seconds(noisy, size) for size in sizes]
        assert min(times) > 0
        assert all(a <= b * (1 + 1e-12) for a, b in itertools.pairwise(times))


@pytest.mark.parametrize(("latency", "bandwidth"), [(1e-6, 1e11), (6e-5, 4e9), (2e-2, 1e6), (0.0, 1e9)])
def test_an_ideal_link_is_predicted_exactly_between_its_points(latency, bandwidth):
    rng = random.Random(7)
    smallest, largest = 16, 2**24
    curve = fakes.link(latency, bandwidth, (smallest, *sorted(rng.sample(range(17, largest), 5)), largest))
    for size in (smallest, 17, 1000, *rng.sample(range(smallest, largest), 50), largest):
        assert links.seconds(curve, size) == pytest.approx(latency + size / bandwidth, rel=1e-9)
    assert links.seconds(curve, 0) == links.seconds(curve, 1) == links.latency(curve) == curve[0][1]
    assert links.seconds(curve, 10 * largest) == pytest.approx(10 * curve[-1][1])


def test_latency_bandwidth_and_where_they_are_worth_as_much():
    curve = fakes.link(1e-4, 1e9, [4**k for k in range(16)])
    assert links.latency(curve) == pytest.approx(1e-4, rel=1e-4)
    assert best_rate(curve) == pytest.approx(1e9, rel=1e-3)
    half = links.half_size(curve)
    assert half == pytest.approx(1e5, rel=1e-3)
    assert half / links.seconds(curve, half) == pytest.approx(best_rate(curve) / 2, rel=1e-3)
    with pytest.raises(ValueError, match="calibrate the machine again"):
        links.seconds([], 1)


# The roofline


def test_a_roofline_is_the_slower_of_its_two_limits():
    rng = random.Random(8)
    for _ in range(300):
        flop, moved, flops, bandwidth = (10 ** rng.uniform(0, 15) for _ in range(4))
        seconds = roofline.seconds(flop, moved, flops, bandwidth)
        assert seconds >= flop / flops and seconds >= moved / bandwidth
        assert seconds in (flop / flops, moved / bandwidth)
        assert roofline.attainable(flop / moved, flops, bandwidth) == pytest.approx(flop / seconds)
        assert roofline.seconds(flop, moved, 2 * flops, 2 * bandwidth) == pytest.approx(seconds / 2)
    assert roofline.seconds(0, 0, 1, 1) == 0


def test_the_limits_meet_at_the_ridge():
    flops, bandwidth = 3e12, 2e11
    ridge = roofline.ridge(flops, bandwidth)
    assert ridge == 15
    assert roofline.attainable(ridge, flops, bandwidth) == roofline.attainable(2 * ridge, flops, bandwidth) == flops
    assert roofline.attainable(ridge / 2, flops, bandwidth) == flops / 2


def test_work_is_counted_where_it_is_bound():
    pieces = [(10.0, 1.0), (1.0, 12.0), (5.0, 5.0)]
    assert roofline.bounds(pieces) == {"arithmetic": 15.0, "memory traffic": 12.0}
    assert roofline.bounds([]) == {"arithmetic": 0, "memory traffic": 0}


@pytest.mark.parametrize("wrong", [(-1, 1, 1, 1), (1, -1, 1, 1), (1, 1, 0, 1), (1, 1, 1, 0), (1, 1, -1, 1)])
def test_amounts_and_peaks_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="amounts from 0 and peaks above 0"):
        roofline.seconds(*wrong)


# Times on a machine of the catalogue


def test_no_floor_is_below_its_arithmetic_or_its_traffic():
    sheets = [sheet for sheet in catalogue.machines().values() if sheet.flops and sheet.bandwidth]
    for sheet, width, batch in itertools.product(sheets, experiments.WIDTHS, experiments.BATCHES):
        inference, training = (sum(step.floor(sheet.flops, sheet.bandwidth, mode, width, batch).values())
                               for mode in step.MODES)
        assert inference >= network.forward_flop(network.cats(width), batch) / sheet.flops * (1 - 1e-9)
        assert training >= network.training_flop(network.cats(width), batch) / sheet.flops * (1 - 1e-9)
        weights, pictures = network.FLOAT * network.parameters(network.cats(width)), network.FLOAT * batch * 3 * 32**2
        assert inference >= (weights + pictures) / sheet.bandwidth * (1 - 1e-9)
        assert training >= (7 * weights + pictures) / sheet.bandwidth * (1 - 1e-9)
        assert training >= inference


def test_twice_the_machine_halves_the_floor():
    for mode, width, batch in itertools.product(step.MODES, (4, 64), (1, 1024)):
        once, twice = step.floor(1e13, 1e12, mode, width, batch), step.floor(2e13, 2e12, mode, width, batch)
        assert twice == pytest.approx({bound: seconds / 2 for bound, seconds in once.items()})


def test_each_layer_is_bound_by_what_the_machine_lacks():
    assert step.floor(1e8, 1e15, "inference", 16, 64)["memory traffic"] == 0
    assert step.floor(1e18, 1e8, "inference", 16, 64)["arithmetic"] == 0


# The experiments


@pytest.fixture
def nothing_runs(monkeypatch):
    def never(*_, **__):
        raise AssertionError("measured")

    monkeypatch.setattr(measured, "seconds", never)
    monkeypatch.setattr(measured, "peak_memory", never)


def test_a_point_too_large_for_the_memory_is_not_run_and_says_how_large_it_is(nothing_runs):
    small = dataclasses.replace(fakes.machine(), memory=20 * 2**20)
    point = {"batch": 1024, "width": 64, "mode": "training step"}
    needed = quantity(sum(step.memory("training step", 64, 1024).values()), "B")
    for outcome in (experiments.time(small).measure(where=experiments.THIS, **point),
                    experiments.memory(small).measure(**point)):
        assert isinstance(outcome, Unavailable)
        assert needed in outcome.reason and "20 MiB" in outcome.reason and "smaller batch" in outcome.reason


@pytest.mark.parametrize("where", experiments.CATALOGUE)
def test_another_machine_is_predicted_with_a_floor_and_never_measured(where, nothing_runs):
    experiment = experiments.time(fakes.machine())
    for mode in step.MODES:
        point = {"batch": 1024, "width": 16, "mode": mode, "where": where}
        assert "datasheet" in experiment.predict(**point).note
        outcome = experiment.measure(**point)
        assert isinstance(outcome, Unavailable) and where in outcome.reason


def test_eight_devices_cannot_share_seven_pictures():
    experiment = experiments.time(fakes.machine())
    point = {"width": 16, "mode": "training step", "where": "8 × NVIDIA H100"}
    for batch in (1, 2, 4):
        outcome = experiment.predict(batch=batch, **point)
        assert isinstance(outcome, Unavailable) and "8 pictures or more" in outcome.reason
    assert experiment.predict(batch=8, **point)


@pytest.mark.parametrize("batch", [0, -1, 1.5, 100, 2048, "128", None, math.nan, 10**9])
def test_a_batch_off_the_slider_is_refused_with_its_range(batch, nothing_runs):
    for experiment in (experiments.time(fakes.machine()), experiments.memory(fakes.machine())):
        point = {**experiment.start, "batch": batch}
        for half in (experiment.predict, experiment.measure):
            with pytest.raises(ValueError, match=r"Batch size cannot be .* from 1 to 1,024 pictures"):
                half(**point)


def test_every_point_has_a_prediction_or_a_reason():
    for experiment in (experiments.time(fakes.machine()), experiments.memory(fakes.machine())):
        for point in experiment.points():
            outcome = experiment.predict(**point)
            if isinstance(outcome, Outcome):
                assert 0 < outcome.low <= outcome.value <= outcome.high and outcome.unit == experiment.unit
                assert all(part >= 0 for part in outcome.parts.values())
            else:
                assert outcome.reason


@no_count
def test_a_point_can_be_run_for_real():
    """Also a batch given as 4.0, which the framework would refuse."""
    here = fakes.machine()
    for mode in step.MODES:
        timed = experiments.time(here, budget=0.1).measure(batch=4.0, width=4, mode=mode, where=experiments.THIS)
        assert 0 < timed.low <= timed.value <= timed.high
    memory = experiments.memory(here)
    compared = compare(memory, [{"batch": 256, "width": width, "mode": m} for width in (8, 16) for m in step.MODES])
    assert len(compared.errors) == 4
    assert compared.errors[-1] <= 0.05


# Generalisation


def test_a_share_lies_in_its_interval_and_the_interval_between_nought_and_one():
    for tested in (1, 2, 10, 100, 5000):
        for right in {0, 1, tested // 3, tested - 1, tested}:
            share, low, high = wilson(right, tested)
            assert share == right / tested
            assert 0 <= low <= share <= high <= 1
            assert low < high
            mirrored = wilson(tested - right, tested)
            assert mirrored[1:] == pytest.approx((1 - high, 1 - low))


def test_known_intervals_and_more_tests_make_them_narrower():
    assert wilson(95, 100) == pytest.approx((0.95, 0.8882, 0.9785), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0, 0, 0.2775), abs=1e-4)
    widths = [high - low for _, low, high in (wilson(9 * n, 10 * n) for n in (1, 10, 100, 1000))]
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize(("right", "tested"), [(0, 0), (1, 0), (-1, 10), (11, 10), (0, -5)])
def test_a_share_of_nothing_is_refused(right, tested):
    with pytest.raises(ValueError, match="test at least one"):
        wilson(right, tested)
