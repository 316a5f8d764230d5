"""Lab 1.2: counts equal to the framework's own, times that cannot be nonsense, and self-checks that are fair."""

from __future__ import annotations

import dataclasses
import itertools
import math

import fakes
import numpy as np
import pytest
import torch
from torch import nn

from labkit import catalogue
from labkit.checks import NOT_ATTEMPTED
from labkit.device import best
from labkit.experiment import Comparison, Unavailable, compare, ratio
from labkit.labs.nodes_and_synapses import LAB, experiments
from labkit.labs.nodes_and_synapses import checks as check
from labkit.machine import Machine
from labkit.measure.probes import layers as measured
from labkit.models.counters import count
from labkit.models.networks.cats import CatNet
from labkit.models.networks.dense import DenseNet
from labkit.predict import layers as predicted
from labkit.predict import roofline
from labkit.specs import network
from labkit.widgets.explorer import Explorer

NO_SIZE = [0, -1, 1.5, 2.0, math.nan, math.inf, "3", None, 1j]


# Counts


def conv(in_channels, out_channels):
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1), nn.ReLU())


CASES = {
    **{f"a neuron of {n}": ([network.dense(n, 1)], nn.Sequential(nn.Linear(n, 1), nn.ReLU()), (n,))
       for n in (1, 3, 1000)},
    **{f"a layer of {m} on {n}": ([network.dense(n, m, relu=False)], nn.Sequential(nn.Linear(n, m)), (n,))
       for n, m in ((1, 1), (7, 5), (784, 10), (1, 129))},
    **{f"{d} × {w}": (network.deep(w, d), DenseNet(w, d), (w,))
       for w, d in ((1, 1), (1, 7), (17, 3), (256, 2), (33, 32))},
    "a funnel": ([network.dense(9, 5), network.dense(5, 2)],
                 nn.Sequential(nn.Linear(9, 5), nn.ReLU(), nn.Linear(5, 2), nn.ReLU()), (9,)),
    **{f"a convolution of {s}": ([network.convolution(r, w, s)], conv(r, w), (r, s, s))
       for r, w, s in ((1, 1, 1), (3, 4, 2), (3, 5, 7), (4, 3, 31), (16, 32, 16))},
    "two convolutions of 13": ([network.convolution(3, 2, 13), network.convolution(2, 5, 7)],
                               nn.Sequential(conv(3, 2), conv(2, 5)), (3, 13, 13)),
    **{f"cats {w} of {s}": (network.cats(w, s), CatNet(w, s), (3, s, s))
       for w, s in ((1, 8), (3, 32), (16, 32), (7, 64))},
}


@pytest.mark.parametrize("batch", [1, 2, 5, 64])
@pytest.mark.parametrize("name", CASES)
def test_counts_are_the_frameworks_own(name, batch):
    layers, net, shape = CASES[name]
    assert network.counts(layers, batch) == count(net, torch.rand(batch, *shape))
    assert all(weight.grad is None for weight in net.parameters())


@pytest.mark.parametrize("size", NO_SIZE, ids=repr)
def test_what_is_no_size_is_refused_by_name(size):
    for what, call in {
        "inputs": lambda: network.dense(size, 3),
        "neurons": lambda: network.dense(3, size),
        "side": lambda: network.convolution(3, 4, size),
        "out_channels": lambda: network.convolution(3, size, 8),
        "width": lambda: network.deep(size, 2),
        "depth": lambda: network.deep(2, size),
        "batch": lambda: network.forward_flop(network.deep(2, 2), size),
    }.items():
        with pytest.raises(ValueError, match=f"{what} must be a whole number from 1 up, not"):
            call()
    for call in (network.training_flop, network.bytes_moved, network.saved_activations, network.working_set):
        with pytest.raises(ValueError, match="batch must be"):
            call(network.deep(2, 2), size)
    for net in (lambda: DenseNet(size), lambda: DenseNet(3, size)):
        with pytest.raises(ValueError, match="whole numbers from 1 up"):
            net()


def test_whole_numbers_of_other_types_are_sizes():
    assert network.dense(np.int64(3), np.int32(2)) == network.dense(3, 2)
    assert DenseNet(np.int64(4), np.int64(2))[0].weight.shape == (4, 4)


# Predicted times


def every_point():
    return itertools.product(experiments.WIDTHS, experiments.DEPTHS, experiments.BATCHES)


def models(here: Machine) -> dict:
    experiment = experiments.time(here)
    return {model: lambda w, d, b, model=model: experiment._predict(w, d, b, model).parts for model in experiments.HERE}


@pytest.mark.parametrize("model", experiments.HERE)
def test_more_of_anything_never_takes_less(model):
    seconds = models(fakes.machine())[model]
    for width, depth, batch in every_point():
        here = sum(seconds(width, depth, batch).values())
        assert here > 0 and all(part >= 0 for part in seconds(width, depth, batch).values())
        for more in ((2 * width, depth, batch), (width, 2 * depth, batch), (width, depth, 2 * batch)):
            assert sum(seconds(*more).values()) >= here * (1 - 1e-9), more


def test_the_roofline_is_a_floor_and_each_layer_is_bound_by_what_the_machine_lacks():
    for width, depth, batch in every_point():
        layers = network.deep(width, depth)
        least = predicted.datasheet(layers, batch, 1e11, 1e10)
        total = sum(least.values())
        assert total >= network.forward_flop(layers, batch) / 1e11 * (1 - 1e-9)
        assert total >= network.bytes_moved(layers, batch) / 1e10 * (1 - 1e-9)
        twice = predicted.datasheet(layers, batch, 2e11, 2e10)
        assert twice == pytest.approx({bound: part / 2 for bound, part in least.items()})
        assert predicted.datasheet(layers, batch, 1e20, 1e10)["arithmetic"] == 0
        assert predicted.datasheet(layers, batch, 1e5, 1e10)["memory traffic"] == 0
    assert roofline.bounds([]) == {"arithmetic": 0, "memory traffic": 0}
    assert roofline.bounds([(1, 2), (4, 3), (2, 2)]) == {"arithmetic": 6, "memory traffic": 2}


def test_the_roofline_is_not_above_layers_that_come_from_memory():
    """Out of the caches a network can be faster than memory allows, but not beyond them, and never than the peak."""
    seconds = models(fakes.machine())
    for width, depth, batch in every_point():
        two, alone = (seconds[model](width, depth, batch) for model in (experiments.TWO, experiments.ALONE))
        beyond = network.working_set(network.deep(width, depth), batch) >= 2**26
        if beyond or not two["memory traffic"]:
            assert sum(two.values()) <= 1.1 * sum(alone.values()), (width, depth, batch)


def test_sizes_caches_and_starts_are_what_the_instruments_found():
    """The made-up machine multiplies at one rate and starts every product after the same time."""
    products, read = fakes.tour()["products"].curve("fp32"), fakes.tour()["memory"].curve("read")
    seconds = models(fakes.machine())[experiments.CACHES]
    for width, depth, batch in every_point():
        layers, parts = network.deep(width, depth), dict(seconds(width, depth, batch))
        assert parts.pop("starting") == pytest.approx(2 * depth * products[0][1])
        within = network.working_set(layers, batch) <= fakes.CACHE
        traffic = network.bytes_moved(layers, batch) / fakes.NEAR
        assert sum(parts.values()) >= traffic * (1 - 1e-9)
        if within and parts["memory traffic"]:
            assert parts["memory traffic"] == pytest.approx(traffic)
    for flop, taken in products:  # one layer as large as a product that was measured, on a machine with infinite caches
        layer = network.Layer("dense", (1, 1), 1, 1, 1, flop)
        parts = predicted.caches([layer], 1, products, [[work, seconds * 1e-9] for work, seconds in read])
        assert parts["starting"] + parts["arithmetic"] == pytest.approx(taken + products[0][1])


def test_layers_alone_are_what_was_measured_and_wait_only_beyond_the_caches():
    calibration = fakes.layers()
    for width, batch in itertools.product(measured.WIDTHS, measured.BATCHES):
        once = dict(calibration.curve("near", width))[batch]
        assert predicted.alone(width, 1, batch, calibration) == pytest.approx(
            {"layers alone": once, "weights from afar": 0}, rel=1e-9, abs=1e-15)
        deep = predicted.alone(width, 32, batch, calibration)
        assert deep["layers alone"] == pytest.approx(32 * once)
        if 4 * 33 * width**2 + 8 * width * batch < fakes.CACHE:
            assert deep["weights from afar"] == pytest.approx(0, abs=1e-15)
        if width in measured.FAR_WIDTHS and 4 * 32 * width**2 >= 2**27:
            assert sum(deep.values()) == pytest.approx(32 * dict(calibration.curve("far", width))[batch], rel=0.01)


def test_the_way_from_the_caches_to_memory_has_a_beginning_and_an_end():
    climb = fakes.layers().group("climb")
    for width in (256, 300, 512, 1024):
        shares = [predicted.away(climb, width, 4 * width**2, 2**k) for k in range(10, 35)]
        assert shares[0] == 0 and shares[-1] == 1 and shares == sorted(shares)
    same = {256: [[1, 2e-6], [100, 2e-6]]}
    assert predicted.away(same, 256, 1, 50) == 0  # a machine that knows no difference
    disturbed = {256: [[1, 3e-6], [100, 2e-6]]}
    assert predicted.away(disturbed, 256, 1, 50) == 0


# The experiments


@pytest.fixture
def nothing_runs(monkeypatch):
    def never(*_, **__):
        raise AssertionError("measured")

    monkeypatch.setattr(measured, "seconds", never)


def test_every_point_has_a_prediction_made_of_its_parts():
    for experiment in (experiments.time(fakes.machine()), experiments.shared(fakes.machine())):
        for point in experiment.points():
            outcome = experiment.predict(**point)
            assert 0 < outcome.low <= outcome.value <= outcome.high and outcome.unit == "s"
            assert math.isclose(sum(outcome.parts.values()), outcome.value, rel_tol=1e-9)


def test_the_explorer_stays_light():
    experiment = experiments.time(fakes.machine())
    assert math.prod(len(axis.values) for axis in experiment.axes) < 3000
    Explorer(experiment, x="batch", colour="model")


def test_a_network_too_large_for_the_memory_is_not_run_and_says_how_large_it_is(nothing_runs):
    small = dataclasses.replace(fakes.machine(), memory=2**20)
    for outcome in (
        experiments.time(small).measure(width=1024, depth=2, batch=1, model=experiments.ALONE),
        experiments.shared(small).measure(width=1024, computers=1),
    ):
        assert isinstance(outcome, Unavailable)
        assert "MiB" in outcome.reason and "1 MiB here" in outcome.reason and "fewer layers" in outcome.reason


def test_an_h100_is_predicted_by_its_datasheet_and_never_measured(nothing_runs):
    experiment = experiments.time(fakes.machine())
    point = {**experiment.start, "model": experiments.SHEET}
    sheet = catalogue.machine(experiments.H100)
    layers = network.deep(point["width"], point["depth"])
    predicted_s = experiment.predict(**point)
    assert predicted_s.value >= network.forward_flop(layers, point["batch"]) / sheet.flops
    assert "datasheet" in predicted_s.note
    outcome = experiment.measure(**point)
    assert isinstance(outcome, Unavailable) and "H100" in outcome.reason


def test_a_machine_that_lacks_an_instrument_is_told_which():
    here = fakes.machine()
    for name in LAB.probes:
        lacking = dataclasses.replace(here, calibrations={k: v for k, v in here.calibrations.items() if k != name})
        with pytest.raises(ValueError, match=rf"labkit.machine.this\('{name}'\)"):
            experiments.time(lacking)
    with pytest.raises(ValueError, match="which the profile of NVIDIA H100 SXM lacks"):
        experiments.time(catalogue.machine(experiments.H100))


@pytest.mark.parametrize(("axis", "label"), [("width", "Neurons in a layer"), ("depth", "Layers"),
                                             ("batch", "Batch size")])
@pytest.mark.parametrize("value", [0, -1, 1.5, math.nan, 10**9, "64", None])
def test_a_value_off_the_slider_is_refused_with_its_range(axis, label, value, nothing_runs):
    experiment = experiments.time(fakes.machine())
    for half in (experiment.predict, experiment.measure):
        with pytest.raises(ValueError, match=f"{label} cannot be .* runs from"):
            half(**{**experiment.start, axis: value})


def test_twice_the_neurons_is_more_work_and_twice_the_computers_are_more_hands():
    experiment = experiments.shared(fakes.machine())
    for width, computers in itertools.product((64, 128, 256, 512, 1024), (1, 2, 8, 32)):
        once = experiment.predict(width=width, computers=computers)
        work = ratio(experiment.predict(width=2 * width, computers=computers), once)
        hands = ratio(experiment.predict(width=width, computers=2 * computers), once)
        assert 1 <= work.value <= 4.3 and 0.5 * (1 - 1e-9) <= hands.value < 1
    assert not ratio(Unavailable("no"), once) and not ratio(once, Unavailable("no"))


def test_validation_measures_nothing_that_was_calibrated():
    [(experiment, points)] = experiments.validation(fakes.machine())
    assert len(points) >= 24 and len({tuple(point.values()) for point in points}) == len(points)
    for point in points:
        experiment.check(point)
        assert point["width"] not in measured.WIDTHS and point["depth"] > 1
        assert point["batch"] not in measured.BATCHES[1:]
        assert network.forward_flop(network.deep(point["width"], point["depth"]), point["batch"]) < 5e9


def test_a_network_can_be_run_for_real_and_every_model_meets_the_same_measurement():
    experiment = experiments.time(fakes.machine(), budget=0.05)
    points = [{"width": 64, "depth": 2, "batch": batch, "model": experiments.TWO} for batch in (4, 16.0)]
    compared = experiments.by_model(compare(experiment, points))
    assert tuple(compared) == experiments.HERE
    times = [[row.measured.value for row in each.rows] for each in compared.values()]
    assert times[0] == times[1] == times[2] and min(times[0]) > 0
    assert [row.point["model"] for each in compared.values() for row in each.rows] == [
        model for model in experiments.HERE for _ in points]
    assert all(isinstance(each, Comparison) and len(each.errors) == 2 for each in compared.values())


def test_the_calibration_finds_what_it_promises(monkeypatch):
    """On few and small layers."""
    for name, small in {"WIDTHS": (16, 32), "FAR_WIDTHS": (32,), "BATCHES": (1, 4), "SETS": (2**20, 2**21),
                        "_BUDGET": 0.01, "KEYS": (("near", 16), ("near", 32), ("far", 32), ("climb", 32))}.items():
        monkeypatch.setattr(measured, name, small)
    calibration = measured.calibrate(best())
    calibration.check(measured.KEYS)
    assert [batch for batch, _ in calibration.curve("near", 16)] == [1, 4]
    assert [weights for weights, _ in calibration.curve("climb", 32)] == [4 * 32**2, 2**20, 2**21]


# The self-checks of Lab 1.2

NONSENSE = ["12", "", [], [1], (1, 2, 3), {}, object(), math.nan, 1j, b"", lambda: 1, ((1, 2), (3,)), ((0, 1), (1, 0))]


@pytest.mark.parametrize("sizes", [[3, 1], [7, 5, 2], [784, 300, 100, 10]])
def test_the_parameters_are_those_of_the_network(sizes):
    net = nn.Sequential(*(nn.Linear(read, neurons) for read, neurons in itertools.pairwise(sizes)))
    right = sum(p.numel() for p in net.parameters())
    assert check.parameters(right, sizes).ok is True
    assert check.parameters(right - sum(sizes[1:]), sizes).ok is False  # the biases forgotten
    assert "bias" in check.parameters(0, sizes).why


@pytest.mark.parametrize("width", [64, 1024])
@pytest.mark.parametrize("bandwidth", [2e8, 2e9, 2e10])
def test_the_batch_that_keeps_the_arithmetic_busy_is_what_the_definition_says(width, bandwidth):
    slow = fakes.calibration({"read": [[2**28, 2**28 / bandwidth]]})
    here = dataclasses.replace(fakes.machine(), calibrations={**fakes.machine().calibrations, "memory": slow})
    two = {batch: experiments.time(here).predict(width=width, depth=1, batch=batch, model=experiments.TWO).parts
           for batch in experiments.BATCHES}
    right = next((batch for batch, parts in two.items() if not parts["memory traffic"]), 0)
    assert check.busy_batch(right, here, width).ok is True
    wrong = [batch for batch in experiments.BATCHES if batch not in (right / 2, right, 2 * right)]
    assert not any(check.busy_batch(batch, here, width) for batch in wrong)


def test_a_batch_that_is_not_on_the_slider_is_told_so():
    verdict = check.busy_batch(100, fakes.machine(), 1024)
    assert verdict.ok is False and "it must be one of 0, 1, 2" in verdict.why


def test_three_times_the_neurons_want_nine_times_the_computers():
    assert check.computers(9, times=3).ok is True and check.computers(9.0, times=3).ok is True
    assert check.computers(3, times=3).ok is False and check.computers(27, times=3).ok is False
    assert "synapses" in check.computers(3, times=3).why


def test_two_networks_of_one_count_and_two_times():
    here = fakes.machine()
    for right in (((64, 32), (256, 2)), [[256, 2], [64, 32]], ((np.int64(128), 32), (512, 2))):
        assert check.same_count(right, here).ok is True, right
    for wrong in (((256, 2), (256, 2)),  # the same network
                  ((64, 32), (64, 1)),  # another count
                  ((2048, 2), (1024, 8)),  # nearly the same time
                  ((64, 32),), ((64, 32), (256, 2), (256, 2)), ((1.5, 2), (3, 4))):
        assert check.same_count(wrong, here).ok is False, wrong
        assert "Half the width with four times the depth" in check.same_count(wrong, here).why


def asked():
    here = fakes.machine()
    return [lambda answer: check.parameters(answer, [3, 2]), lambda answer: check.busy_batch(answer, here, 1024),
            lambda answer: check.computers(answer, 3), lambda answer: check.same_count(answer, here)]


@pytest.mark.parametrize("answer", NONSENSE, ids=lambda answer: type(answer).__name__)
def test_nonsense_is_refused_and_breaks_nothing(answer):
    for ask in asked():
        assert ask(answer).ok is False


def test_no_answer_is_neither_right_nor_wrong():
    for ask in asked():
        assert ask(None).state == NOT_ATTEMPTED
