"""The self-checks of Lab 1.2, *Nodes and synapses*."""

from __future__ import annotations

from itertools import pairwise

from labkit.checks import Verdict, holds, number, on_slider
from labkit.labs.common import memory_bandwidth, product_rates
from labkit.labs.nodes_and_synapses.experiments import BATCHES
from labkit.machine import Machine
from labkit.predict import layers as predicted
from labkit.specs import network

SLACK = 1.03  # a reading off a curve may be this far off
AS_MANY = 0.02  # "as many parameters": within this fraction
TIMES = 2  # "at least twice as long"


def parameters(answer: int | None, sizes: list[int]) -> Verdict:
    """Check the number of parameters of dense layers: `sizes` are the numbers read, and the neurons of each layer."""
    layers = [network.dense(inputs, neurons) for inputs, neurons in pairwise(sizes)]
    return number(answer, network.parameters(layers), tolerance=0, hint=(
        "Every neuron has a weight for each number that it reads, and one bias. Count layer by layer; each reads what "
        "the one before it wrote."))


def busy_batch(answer: int | None, machine: Machine, width: int) -> Verdict:
    """Check the smallest batch at which two numbers say that a layer is bound by its arithmetic; 0 if there is none."""
    flops, bandwidth = product_rates(machine)["fp32"], memory_bandwidth(machine)

    def waits(batch, slack):
        return not predicted.datasheet(network.deep(width, 1), batch, flops * slack, bandwidth)["arithmetic"]

    def fits(batch):
        below = [smaller for smaller in BATCHES if smaller < (batch or BATCHES[-1] + 1)]
        return all(waits(smaller, SLACK) for smaller in below) and (not batch or not waits(batch, 1 / SLACK))

    right = "there the arithmetic begins to take longer than the bytes."
    return on_slider(answer, (0, *BATCHES), fits, right=right, hint=(
        "Choose 'two numbers' and one layer, and look at the breakdown: take the smallest batch at which all of the "
        "time is arithmetic, or 0 if there is none."))


def computers(answer: float | None, times: int) -> Verdict:
    """Check how many computers make up for `times` as many neurons in every layer."""
    return number(answer, times**2, tolerance=0, hint=(
        "Every neuron of a layer reads all of the layer before. So how many times as many synapses are there, and how "
        "many computers share them?"))


def same_count(answer, machine: Machine) -> Verdict:
    """Check two networks, (width, depth) each, that have as many parameters and take very different times."""

    def good(given):
        (counts, times) = zip(*(_count_and_time(machine, *pair) for pair in given), strict=True)
        first, second = counts
        return abs(first - second) <= AS_MANY * max(counts) and max(times) >= TIMES / SLACK * min(times), (
            f"{first:,} and {second:,} parameters; {max(times) / min(times):.1f} times as long.")

    expected = f"two pairs of width and depth, equal in parameters within {AS_MANY:.0%}, {TIMES} times apart in time"
    return holds(answer, good, expected=expected, right="the count was the same, the time was not.", hint=(
        f"Answer with two pairs, ((width, depth), (width, depth)), whose parameters differ by at most {AS_MANY:.0%}, "
        f"and of which one takes at least {TIMES} times as long. Half the width with four times the depth keeps the "
        "count: every layer has a start of its own."))


def _count_and_time(machine, width, depth) -> tuple[int, float]:
    layers = network.deep(width, depth)
    return network.parameters(layers), sum(predicted.alone(width, depth, 1, machine.calibration("layers")).values())
