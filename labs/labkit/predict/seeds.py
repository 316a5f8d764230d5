"""What some trainings with different seeds say about all others: an interval, and how many more would say enough.

Student's t distribution: the mean of few numbers wanders more than a bell curve says, because their spread is known
from them alone (Student 1908, doi:10.1093/biomet/6.1.1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, mean, stdev

_SURE, _POWER = 0.95, 0.8  # of an interval; and how often a difference that is there should be found
_MOST = 100_000  # seeds


def quantile(probability: float, freedom: int) -> float:
    """Return the t that a share of Student's distribution lies below.

    Args:
        probability: the share, above 0.5 and below 1.
        freedom: degrees of freedom, 1 or more: one less than the numbers.

    Raises:
        ValueError: a share or degrees outside that.
    """
    if not 0.5 < probability < 1 or freedom < 1:
        raise ValueError(f"A quantile needs a share between 0.5 and 1 and 1 degree of freedom, not {probability} and "
                         f"{freedom}.")
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < 2 * probability - 1 else (low, middle)
    return math.sqrt(freedom) * math.tan(low)


def _within(angle: float, freedom: int) -> float:
    """Return the share of Student's distribution within ±t, for t = √freedom · tan(angle).

    The finite sums of Abramowitz and Stegun (1964), 26.7.3 and 26.7.4.
    """
    cosine, odd = math.cos(angle), freedom % 2
    term = total = cosine if odd else 1.0
    for step in range(2 + odd, freedom - 1, 2):
        term *= cosine**2 * (step - 1) / step
        total += term
    if freedom == 1:
        return 2 * angle / math.pi
    return 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean of some numbers, two at least, and its 95 % interval; raises `ValueError` for fewer."""
    if len(values) < 2:
        raise ValueError(f"An interval needs two numbers or more, not {len(values)}.")
    reach = quantile((1 + _SURE) / 2, len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return mean(values), mean(values) - reach, mean(values) + reach


def visible(deviation: float, seeds: int) -> float:
    """Return the difference of a mean from zero that is found in four cases of five, at 95 %.

    Args:
        deviation: standard deviation of a single number.
        seeds: how many there are, two or more.
    """
    freedom = seeds - 1
    return (quantile((1 + _SURE) / 2, freedom) + quantile(_POWER, freedom)) * deviation / math.sqrt(seeds)


def needed(deviation: float, difference: float) -> int:
    """Return how many seeds make a difference visible.

    Raises:
        ValueError: a difference that is not above 0, or a deviation below 0.
    """
    if not difference > 0 or not deviation >= 0:
        raise ValueError(f"A difference is above 0 and a deviation not below, not {difference} and {deviation}.")
    bell = NormalDist()
    least = ((bell.inv_cdf((1 + _SURE) / 2) + bell.inv_cdf(_POWER)) * deviation / difference) ** 2
    seeds = max(2, math.floor(min(least, _MOST)))
    while seeds < _MOST and visible(deviation, seeds) > difference:
        seeds += 1
    return seeds
