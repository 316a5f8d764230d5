"""What some trainings with different seeds say about all others: an interval, and how many more would say enough.

Student's t distribution: the mean of few numbers wanders more than a bell curve says, because their spread is known
from them alone (Student 1908, doi:10.1093/biomet/6.1.1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, mean, stdev

from labkit.stats import SURE, student

_POWER = 0.8  # how often a difference that is there should be found
_MOST = 100_000  # seeds


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean of some numbers, two at least, and its 95 % interval; raises `ValueError` for fewer."""
    if len(values) < 2:
        raise ValueError(f"An interval needs two numbers or more, not {len(values)}.")
    reach = student((1 + SURE) / 2, len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return mean(values), mean(values) - reach, mean(values) + reach


def visible(deviation: float, seeds: int) -> float:
    """Return the difference of a mean from zero that is found in four cases of five, at 95 %.

    Args:
        deviation: standard deviation of a single number.
        seeds: how many there are, two or more.
    """
    freedom = seeds - 1
    return (student((1 + SURE) / 2, freedom) + student(_POWER, freedom)) * deviation / math.sqrt(seeds)


def needed(deviation: float, difference: float) -> int:
    """Return how many seeds make a difference visible.

    Raises:
        ValueError: a difference that is not above 0, or a deviation below 0.
    """
    if not difference > 0 or not deviation >= 0:
        raise ValueError(f"A difference is above 0 and a deviation not below, not {difference} and {deviation}.")
    bell = NormalDist()
    least = ((bell.inv_cdf((1 + SURE) / 2) + bell.inv_cdf(_POWER)) * deviation / difference) ** 2
    seeds = max(2, math.floor(min(least, _MOST)))
    while seeds < _MOST and visible(deviation, seeds) > difference:
        seeds += 1
    return seeds
