"""How many samples training needs to reach its target, by the global batch: throughput is not time to accuracy.

A small batch points roughly downhill, and twice the batch points so much better that half the steps are enough. Past a
critical batch the direction is as good as it gets, and more samples a step are wasted (McCandlish, Kaplan and Amodei
2018, arXiv:1812.06162, equation 2.11, with the samples E = B S and with E_min, S_min = E_min / B_crit):

    samples = least (1 + batch / critical)

A batch at the critical size needs twice the samples of a very small one, and twice the steps of a very large one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from labkit.inputs import above_zero


def samples(batch: float, least: float, critical: float) -> float:
    """Return the samples that training needs.

    Args:
        batch: samples a step, over all nodes together.
        least: samples that a very small batch needs.
        critical: the batch that needs twice as many; infinite where the batch does not matter.

    Raises:
        ValueError: a number that is not above 0, or not finite (only `critical` may be infinite).
    """
    above_zero(batch=batch, least=least)
    if not critical > 0:
        raise ValueError(f"critical must be a number above 0, not {critical!r}.")
    return least * (1 + batch / critical)


def steps(batch: float, least: float, critical: float) -> float:
    """Return the steps that training needs; arguments as above."""
    return samples(batch, least, critical) / batch


def fit(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return `least` and `critical` of measured `(batch, samples)`; `critical` is infinite where nothing grows.

    Least absolute deviations of the logarithms: one odd run among several does not move the curve. A critical batch
    far above the largest batch that was tried is no more than a sign that it lies above; the same goes for far below
    the smallest.

    Raises:
        ValueError: fewer than two different batches, or a number that is not finite and above 0.
    """
    points = [(float(batch), float(count)) for batch, count in points]
    for batch, count in points:
        above_zero(batch=batch, samples=count)
    batches = [batch for batch, _ in points]
    if len(set(batches)) < 2:
        raise ValueError(f"A critical batch needs runs at two batches or more, not at {sorted(set(batches))}.")

    def least(critical: float) -> float:
        return math.exp(median(math.log(count / (1 + batch / critical)) for batch, count in points))

    def miss(critical: float) -> float:
        start = least(critical)
        return sum(abs(math.log(count / samples(batch, start, critical))) for batch, count in points)

    low, high = math.log(min(batches) / 100), math.log(max(batches) * 1000)
    best = math.inf
    for _ in range(5):  # a grid, then four finer ones about the best: 1e-6 of the logarithm in the end
        grid = [low + (high - low) * step / 60 for step in range(61)]
        best = min([best, *(math.exp(place) for place in reversed(grid))], key=miss)
        if best == math.inf:
            break
        reach = 1.5 * (high - low) / 60
        low, high = math.log(best) - reach, math.log(best) + reach
    return least(best), best
