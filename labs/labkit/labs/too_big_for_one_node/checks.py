"""The self-checks of Lab 2.7, *Too big for one node*."""

from __future__ import annotations

import math

from labkit.checks import Verdict, number, on_slider
from labkit.experiment import Experiment
from labkit.labs.too_big_for_one_node import planner


def fewest(answer: float | None, parameters: float, each: float, memory: float) -> Verdict:
    """Check the fewest accelerators whose memory the states of a model fit.

    Args:
        answer: how many.
        parameters: of the model.
        each: bytes that training keeps for a parameter.
        memory: bytes of an accelerator.
    """
    return number(answer, math.ceil(parameters * each / memory), tolerance=0, hint=(
        "Multiply the parameters by the bytes for each, divide by the memory of one, and round up: there is no half "
        "accelerator."))


def times_the_bytes(answer: float | None, gathers: int) -> Verdict:
    """Check how many times the bytes of an all-reduce some all-gathers and one reduce-scatter send, by rings."""
    return number(answer, (gathers + 1) / 2, tolerance=0.01, hint=(
        "In a ring an all-reduce is a reduce-scatter and an all-gather. How many such halves are there?"))


def share_of_activations(answer: float | None, memory: Experiment, **point) -> Verdict:
    """Check the share, in %, that activations have in what a process holds at a point."""
    held = memory.predict(**point)
    return number(answer, 100 * held.parts["activations"] / held.value, tolerance=0.05, hint=(
        "Set the sliders to this point and read the bars: the part called activations, over the whole."))


def fits(answer: float | None, **point) -> Verdict:
    """Check the fewest accelerators on the slider with which a point of the planner fits an H100."""
    fewest_there = planner.least(**point)
    return on_slider(answer, planner.ACCELERATORS, lambda count: count == fewest_there,
                     right="the states shrink with every copy that shares them, the activations do not.",
                     hint="Step the accelerators up until the sentence says that it fits, and take that number.")
