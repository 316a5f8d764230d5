"""The self-checks of Lab 2.1, *Compute and precision*."""

from __future__ import annotations

import math
from statistics import mean
from typing import TYPE_CHECKING

from labkit.checks import SLACK, Verdict, holds, number, on_slider
from labkit.labs.common import most_threads
from labkit.labs.compute_and_precision.experiments import BATCHES
from labkit.machine import Machine
from labkit.predict import precision
from labkit.specs.number_format import Format, named

if TYPE_CHECKING:
    from labkit.models.datasets.cats import Pictures
    from labkit.models.seed_sweep import Recipe

_HELPS = 1.5  # times as fast: what exercise 3 asks for
_BITS, _LOST, _SEEDS = 7, 3.0, 2  # exercise 4: bits of a number, points that may be lost in the mean, trainings


def largest(answer: float | None, name: str) -> Verdict:
    """Check the largest number of a format."""
    number_format = named(name)
    return number(answer, number_format.largest, tolerance=1e-3, hint=(
        f"{name} has {number_format.exponent} bits of exponent and {number_format.fraction} of fraction. "
        "The largest exponent is kept "
        "for infinities; the one below it, with a fraction of all ones, makes the largest number."))


def fraction(answer: int | None, change: float) -> Verdict:
    """Check the fewest bits of a fraction with which a weight of 1 still feels an update of some share of it."""
    fewest = next(bits for bits in range(1, 53) if Format(8, bits).least_update < change)
    return number(answer, fewest, tolerance=0, hint=(
        "The next number after 1 is a step of 2 to the power of minus the bits away. What is less than half of a step "
        "is rounded away."))


def helpful_batch(answer: int | None, machine: Machine, width: int) -> Verdict:
    """Check the smallest batch from which all threads make a step in fp32 at least 1.5 times as fast; 0 for none."""
    calibration, most = machine.calibration("precision"), most_threads(machine)
    gains = {}
    for batch in BATCHES:
        one, every = (sum(precision.on_threads(calibration, "fp32", width, batch, n, most).values()) for n in (1, most))
        gains[batch] = one / every

    def fits(batch):
        below = [gain for smaller, gain in gains.items() if smaller < (batch or math.inf)]
        return all(gain < _HELPS * SLACK for gain in below) and (not batch or gains[batch] >= _HELPS / SLACK)

    right = f"below it, the threads do not reach a factor of {_HELPS:g}."
    return on_slider(answer, (0, *BATCHES), fits, right=right, hint=(
        "For each batch divide the time on 1 thread by the time on all of them; take the smallest batch at which that "
        f"is {_HELPS:g} or more, or 0 if there is none."))


def narrow(answer: Recipe | None, pictures: Pictures, unseen: Pictures, full: list[float]) -> Verdict:
    """Check a recipe for training in numbers of 7 bits at most that costs few points.

    Args:
        answer: the recipe.
        pictures, unseen: as in the lab.
        full: what fp32 reached on them, by seed.
    """
    from labkit.models.seed_sweep import sweep_seeds

    def fits(recipe):
        formats = recipe.number_format, recipe.gradients or recipe.number_format
        if not all(isinstance(number_format, Format) for number_format in formats):
            raise ValueError("its formats must be emulated: Format(exponent, fraction)")
        found = sweep_seeds({"yours": recipe}, _SEEDS, pictures, unseen)["yours"]
        lost = 100 * (mean(full[:_SEEDS]) - mean(found))
        return all(each.bits <= _BITS for each in formats) and lost <= _LOST, (
            f"{max(each.bits for each in formats)} bits: {lost:+.1f} points lost against fp32.")

    expected = f"a recipe with {_BITS} bits or fewer that loses {_LOST:g} points or less"
    return holds(answer, fits, expected=expected, right="hardly anything was lost.", hint=(
        f"A sign, exponent and fraction of {_BITS} bits together at most, and not more than {_LOST:g} points lost: "
        "share the bits between the two, scale the loss, and keep the master weights in fp32."))
