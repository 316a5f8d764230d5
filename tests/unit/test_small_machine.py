"""Lab 4.1: a limit that holds, a process that is always ended, and files in fewer bits that still know a cat."""

from __future__ import annotations

import itertools
import math
import statistics
import sys

import fakes
import numpy as np
import onnx
import pytest
import torch
from torch import nn

from labkit.checks import NOT_HERE, SLACK
from labkit.experiment import Outcome, Unavailable
from labkit.labs.a_smaller_machine import checks as check
from labkit.labs.a_smaller_machine import experiments as small
from labkit.labs.a_smaller_machine import held_out
from labkit.measure import limited_jobs, limits
from labkit.measure.probes import sessions
from labkit.models.datasets import cats
from labkit.models.networks.cats import CatNet, as_input
from labkit.models.networks.quantised import Quantised, affine, rounded
from labkit.predict import boards
from labkit.predict import small_machine as predicted
from labkit.runtimes import onnx_export, onnx_session
from labkit.specs.execution import ONNX_FORMATS
from labkit.widgets.explorer import Explorer

MIB = 2**20
HEADER = 6144  # bytes of a file at most that are names and structure: the same for every width
HERE = {"dtype": "fp32", "device": small.THIS}


@pytest.fixture(scope="module")
def pictures():
    return cats.draw(6_000, seed=2)


# Files


@pytest.mark.parametrize("width", small.WIDTHS)
def test_sizes_are_those_of_the_formula_but_for_a_header(width, pictures, tmp_path):
    for dtype in ONNX_FORMATS:
        path = onnx_export.in_format(dtype, CatNet(width), tmp_path / "cats.onnx", pictures.images[:8].numpy())
        numbers = predicted.file(dtype, width)
        assert 0 <= path.stat().st_size - sum(numbers.values()) <= HEADER
        assert numbers["weights"] == predicted.file("fp32", width)["weights"] // (4 if dtype != "fp32" else 1)


def test_a_file_answers_as_the_network_does(tmp_path):
    for width in (1, 7, 16):
        network = CatNet(width)
        opened = onnx_session.Network(onnx_export.write(network, tmp_path / "cats.onnx"))
        for batch in (1, 5):
            x = torch.rand(batch, 3, 32, 32) * 2 - 1
            assert torch.allclose(torch.from_numpy(opened(x.numpy())), network(x), atol=1e-5)


def test_bytes_become_the_floats_that_the_network_learned_from(pictures):
    some = pictures.images[:20]
    assert np.array_equal(onnx_session.as_input(some.numpy()), as_input(some).numpy())


# Files that are none


def test_what_is_no_file_is_refused_in_words(tmp_path):
    for path in (tmp_path, tmp_path / "missing.onnx"):
        with pytest.raises(onnx_session.Unusable, match="no such file"):
            onnx_session.Network(path)


@pytest.mark.parametrize("weight", [math.nan, math.inf])
def test_weights_that_are_no_numbers_are_refused(weight, tmp_path):
    network = CatNet(4)
    with torch.no_grad():
        network[2].weight[0, 0, 0, 0] = weight
        network[0].bias.fill_(1.0)
    with pytest.raises(onnx_session.Unusable, match="no number"):
        onnx_session.Network(onnx_export.write(network, tmp_path / "cats.onnx"))


def test_another_network_is_refused(tmp_path):
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["x"], ["y"])], "g",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 8])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 8])])
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "other.onnx")
    with pytest.raises(onnx_session.Unusable, match="not a network of this course"):
        onnx_session.Network(tmp_path / "other.onnx")


def test_where_time_goes_is_the_mean_of_the_runs_after_the_first(monkeypatch):
    class Recorded:
        """A network whose first run takes a hundred times as long."""

        def __init__(self, path, profile):
            self.record = []

        def __call__(self, pictures):
            entry = {"cat": "Node", "name": "1_kernel_time", "args": {"op_name": "Conv"}}
            self.record.append(entry | {"dur": 1_000 if self.record else 100_000})

        def end_record(self):
            return self.record

    monkeypatch.setattr(onnx_session, "Network", Recorded)
    for runs in (1, 4):
        assert onnx_session.where_time_goes("any", runs=runs) == pytest.approx({"Conv": 1e-3})


@pytest.mark.parametrize("layer", [nn.MaxPool2d(2), nn.Dropout(), nn.Sigmoid(), nn.LSTM(3, 3),
                                   nn.Conv2d(4, 4, 3, bias=False)])
def test_a_layer_that_cannot_be_written_is_named(layer, tmp_path):
    with pytest.raises(onnx_session.Unusable, match=rf"{type(layer).__name__} .*torch\.onnx\.export"):
        onnx_export.write(nn.Sequential(*list(CatNet(4))[:2], layer), tmp_path / "cats.onnx")
    assert not (tmp_path / "cats.onnx").exists()


def test_a_network_for_pictures_of_another_size_is_refused(tmp_path):
    with pytest.raises(onnx_session.Unusable, match="32 × 32"):
        onnx_export.write(CatNet(4, size=64), tmp_path / "cats.onnx")


# Fewer bits


def test_rounding_keeps_to_the_levels_and_passes_the_gradient():
    weight = torch.randn(5, 3, 3, 3, requires_grad=True)
    for bits in range(2, 9):
        levels = rounded(weight, bits) / (weight.detach().flatten(1).abs().amax(1) / (2 ** (bits - 1) - 1))[
            :, None, None, None]
        assert torch.allclose(levels, levels.round(), atol=1e-3)
        assert levels.abs().max() <= 2 ** (bits - 1) - 1 + 1e-3
    rounded(weight, 4).sum().backward()
    assert torch.equal(weight.grad, torch.ones_like(weight))
    errors = [float((rounded(weight, bits) - weight).detach().abs().max()) for bits in range(2, 9)]
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0, 3), (-2, 0), (0.5, 2), (-3, -1), (0, 0)])
def test_a_scale_covers_its_range_and_zero(low, high):
    scale, zero = affine(low, high)
    assert scale > 0 and -128 <= zero <= 127
    assert scale * (-128 - zero) <= min(low, 0) + scale and scale * (127 - zero) >= max(high, 0) - scale


@pytest.mark.parametrize("bits", [1, 0, 9, -1, 2.5, math.nan, "8", None])
def test_a_number_of_bits_that_is_none_is_refused(bits):
    with pytest.raises(ValueError, match="can have 2 to 8 bits"):
        Quantised(CatNet(4), bits=bits)
    with pytest.raises(ValueError, match="activations can have"):
        Quantised(CatNet(4), activations=bits)


# The limit


@pytest.mark.parametrize(("platform", "name"), [("darwin", "macOS"), ("win32", "Windows"), ("freebsd14", "freebsd14")])
def test_where_nothing_can_limit_the_lab_says_so(platform, name, monkeypatch):
    monkeypatch.setattr(sys, "platform", platform)
    assert not limits.backend() and limits.backend().reason.startswith(name)
    limited_jobs.need.cache_clear()
    try:
        memory = small.memory(limited_jobs.need("train"), limited_jobs.need("infer"))
        for outcome in (memory.predict(**memory.start), memory.measure(**memory.start)):
            assert not outcome and name in outcome.reason
        ended = limited_jobs.train(cats.draw(4), 4, 1)
        assert not ended and name in small.words(ended) and name in small.peak(ended).reason
        assert name in limited_jobs.enough("train", 2**29).reason
    finally:
        limited_jobs.need.cache_clear()


def test_a_folder_that_limits_nothing_is_no_group(tmp_path):
    with pytest.raises(OSError, match="does not limit memory"):
        limits.Group(tmp_path, 2, 2**28)
    assert not list(tmp_path.iterdir())


# Predictions


def test_more_pictures_or_channels_never_take_less():
    times, memory = small.time(fakes.machine()), small.memory(200 * MIB, 30 * MIB)
    for dtype, width in itertools.product(ONNX_FORMATS, small.WIDTHS):
        found = [times.predict(batch=b, width=width, dtype=dtype, device=small.THIS).value for b in small.BATCHES]
        assert found == sorted(found)
    for job, batch in itertools.product(("train", "infer"), small.TRAINING_BATCHES):
        found = [memory.predict(batch=batch, width=width, job=job) for width in small.WIDTHS]
        assert [f.value for f in found] == sorted(f.value for f in found)
        assert all(f.parts["interpreter and libraries"] == (200 if job == "train" else 30) * MIB for f in found)


def test_every_point_is_predicted_or_says_why_not_and_the_explorer_stays_light():
    accuracy = {("fp32", 16): Outcome(98.0, "%", low=97.0, high=99.0)}
    times = small.time(fakes.machine(), accuracy)
    outcomes = {tuple(point.values()): times.predict(**point) for point in times.points()}
    assert len(outcomes) < 3_000
    for (_, width, dtype, device), outcome in outcomes.items():
        assert outcome or outcome.reason
        assert bool(outcome) == (device == small.THIS or (
            device != small.ONE_RESULT and dtype != "int8 dynamic" and (dtype == "int8 static" or "M7" in device)))
        assert ("98.0 % right" in getattr(outcome, "note", "")) == (
            device == small.THIS and (dtype, width) == ("fp32", 16))
    Explorer(times, x="batch", colour="dtype")
    assert not times.measure(batch=1, width=16, dtype="fp32", device="Cortex-M4 at 120 MHz")


@pytest.mark.parametrize("width", [0, -4, 10, 1000, 16.5, math.nan, "16", None])
def test_a_width_off_the_slider_is_refused_with_the_nearest(width):
    with pytest.raises(ValueError, match=r"Width of the network cannot be .*runs from 4 to 64 channels"):
        small.time(fakes.machine()).predict(batch=1, width=width, **HERE)


def test_a_machine_without_the_instrument_is_refused():
    with pytest.raises(ValueError, match="sessions"):
        small.time(fakes.machine(calibrations={}))


@pytest.mark.parametrize("dtype", ["int4", "", None])
def test_a_format_that_is_none_is_refused(dtype):
    with pytest.raises(ValueError, match="no format"):
        predicted.file(dtype, 16)


def test_the_largest_batch_is_the_last_that_fits():
    memory = small.memory(200 * MIB, 30 * MIB)
    for limit in (199, 205, 300, 512, 5000):
        batch = small.largest(memory, 64, limit * MIB)
        fits = {b for b in small.TRAINING_BATCHES
                if memory.predict(batch=b, width=64, job="train").value <= limit * MIB}
        assert batch == max(fits, default=None)


def test_points_to_validate_were_not_calibrated(monkeypatch):
    monkeypatch.setattr(limited_jobs, "need", lambda job: 100 * MIB)
    (times, points), (memory, jobs) = small.validation(fakes.machine())
    assert len(points) >= 24 and {p["dtype"] for p in points} == set(ONNX_FORMATS)
    assert not any(p["width"] in sessions.WIDTHS and p["batch"] in sessions.BATCHES for p in points)
    assert {j["job"] for j in jobs} == {"train", "infer"} and not any(j["batch"] == 1 == j["width"] for j in jobs)
    for experiment, chosen in ((times, points), (memory, jobs)):
        assert all(experiment.predict(**point) for point in chosen)


# Boards


def test_operations_of_the_published_networks_are_those_that_are_known():
    """12.5, 7.5, 2.7 and 0.26 million multiplications and additions: two operations each."""
    known = {"image classification": 12.5, "visual wake words": 7.49, "keyword spotting": 2.66,
             "anomaly detection": 0.264}
    assert {task: round(n / 2e6, 3) for task, n in boards.OPERATIONS.items()} == pytest.approx(known, rel=2e-3)


def test_a_board_predicts_a_network_from_another_by_operations():
    assert boards.seconds(0.1, boards.OPERATIONS[boards.CLOSEST]) == pytest.approx(0.1)
    assert boards.seconds(0.1, 10, of=20) == 0.05
    for nonsense in ((0, 1, 1), (-1, 1, 1), (1, 0, 1), (1, 1, 0), (math.nan, 1, 1)):
        with pytest.raises(ValueError, match="above 0"):
            boards.seconds(*nonsense)


def test_boards_that_keep_the_rate_are_predicted_exactly_by_operations():
    steady = [{task: n / rate for task, n in boards.OPERATIONS.items()} for rate in (1e7, 3e8)]
    assert all(ratio == pytest.approx(1) for ratios in boards.by_operations(steady).values() for ratio in ratios)
    for odd in steady:
        odd["keyword spotting"] *= 3  # the software is bad at it everywhere
    assert boards.by_operations(steady)["keyword spotting"] == pytest.approx([3, 3])


def a_board(name="a", software="one", clock=100e6, core="M4", dtype="int8", rate=1e8, odd=1.0):
    seconds = {task: (odd if task == "keyword spotting" else 1) * n / rate for task, n in boards.OPERATIONS.items()}
    return boards.Board(name, core, software, dtype, clock, seconds)


def test_a_board_is_predicted_from_others_and_never_from_itself():
    asked, cousin = a_board(odd=3), a_board("b", clock=200e6, rate=2e8, odd=3)
    strange, floats = a_board("c", software="two"), a_board("b", dtype="float")
    known = [asked, cousin, strange, floats]
    assert boards.others(asked, known) == [cousin, strange] and boards.others(asked, known, "software") == [cousin]
    from_cousin = boards.from_closest(asked, [cousin])
    assert from_cousin["keyword spotting"] == pytest.approx(asked.seconds["keyword spotting"])
    assert boards.CLOSEST not in from_cousin and boards.from_closest(asked, []) == {}
    assert boards.by_clock(asked, [cousin]) == pytest.approx(asked.seconds)
    assert boards.by_clock(a_board(clock=None), [cousin]) == {} and boards.by_clock(asked, [a_board(clock=None)]) == {}
    even = boards.same_layers(strange)
    assert even == pytest.approx({task: strange.seconds[task] for task in boards.SEPARABLE})


def test_the_published_boards_bear_out_what_the_lab_says():
    far = small.by_operations()
    assert all(len(ratios) >= 10 and boards.error(ratios) > 0.3 for ratios in far.values())
    missed = {way: statistics.median(held_out.errors(way, held_out.known())) for way in held_out.WAYS}
    operations, layers, strange, software, core, cousin = missed.values()
    assert max(software, cousin) < layers < 0.1 < core < 0.2 < 0.3 < operations and strange < 0.2
    newer = {way: held_out.errors(way, held_out.newer()) for way in held_out.WAYS}
    assert statistics.median(newer["its ResNet-8, and boards with the same software"]) < 0.1
    unheard_of, _ = held_out.newer()
    assert statistics.median(held_out.errors("its ResNet-8, and boards with other software", [unheard_of])) > 0.4
    assert all(max(watts) < 1.15 * min(watts) for watts in held_out.powers().values())
    assert "mW" in str(held_out.power_table()) and "%" in str(held_out.board_table())
    low, high = small.spread()
    convolutions = far["keyword spotting"] + far["visual wake words"]
    assert sum(low <= ratio <= high for ratio in convolutions) >= 0.9 * len(convolutions)
    for label, key in small.BOARDS.items():
        assert boards.CLOSEST in small.times()[(*key, "int8")], label
    kinds = {kind for kind, _, _ in small.published()}
    assert kinds == {"microcontrollers", "Raspberry Pi 4", "Jetson Orin"}


# Exercises


def test_file_size():
    right = 24 * 27 + 48 * 216 + 96 * 432 + 3 * 1536 + 4 * (24 + 48 + 96 + 3)
    assert check.file_size(right, 24).ok is True
    assert check.file_size(4 * right, 24).ok is False and check.file_size(None, 24).ok is None
    assert "one byte" in check.file_size(4 * right, 24).why


def test_faster_from():
    times = small.time(fakes.machine())
    gains = {w: times.predict(batch=1, width=w, **HERE).value
             / times.predict(batch=1, width=w, dtype="int8 static", device=small.THIS).value for w in small.WIDTHS}
    first = next(w for w in small.WIDTHS if gains[w] > SLACK)
    assert check.faster_from(first, times).ok is True
    losing = [w for w in small.WIDTHS if gains[w] < 1 / SLACK]
    for wrong in (0, 64, *losing, 10, "16", math.nan, -1):
        assert check.faster_from(wrong, times).ok is False
    assert check.faster_from(None, times).ok is None


def test_largest_batch():
    memory = small.memory(200 * MIB, 30 * MIB)
    right = small.largest(memory, 32, 400 * MIB)
    assert check.largest_batch(right, memory, 32, 400 * MIB).ok is True
    assert check.largest_batch(2 * right, memory, 32, 400 * MIB).ok is False
    assert check.largest_batch(0, memory, 32, 100 * MIB).ok is True
    nothing = Unavailable("Windows has none.")
    asked = check.largest_batch(8, small.memory(nothing, nothing), 32, 400 * MIB)
    assert asked.state == NOT_HERE and asked.why == "Windows has none."


