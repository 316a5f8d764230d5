"""What gets lost on the way into a number format: numbers too small, too large, and updates rounded away."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist

from labkit.inputs import above_zero
from labkit.specs.number_format import Format


def lost(number_format: Format, median: float, spread: float, scale: float = 1.0) -> dict[str, float]:
    """Return the shares of numbers that a format loses, where their logarithms are spread like a bell.

    A number of at most half the least one becomes zero; what is beyond the largest becomes infinite, or the largest.

    Args:
        number_format: the format.
        median: of the numbers' magnitudes.
        spread: standard deviation of the magnitudes' logarithm to base 2: in octaves.
        scale: by what all are multiplied beforehand.

    Raises:
        ValueError: a median, a spread or a scale that is not above 0 or not finite.
    """
    above_zero(median=median, spread=spread, scale=scale)
    bell = NormalDist(math.log2(median) + math.log2(scale), spread)
    return {"too small": bell.cdf(math.log2(number_format.least) - 1),
            "too large": 1 - bell.cdf(math.log2(number_format.largest))}


def flushed(magnitudes: Mapping[int, float], number_format: Format, scale: float = 1.0) -> float:
    """Return which share of counted numbers becomes zero in a format.

    Args:
        magnitudes: how many there are by power of two, rounded down: at -3 those from 1/8 to below 1/4.
        number_format: the format.
        scale: by what all are multiplied beforehand; a power of two.

    Raises:
        ValueError: no numbers, or a scale that is not above 0 or not finite.
    """
    total = sum(magnitudes.values())
    if not total > 0 or not 0 < scale < math.inf:
        raise ValueError(f"There must be numbers, and a scale above 0, not {total} and {scale}.")
    return sum(count for power, count in magnitudes.items() if 2.0**power * scale < number_format.least / 2) / total


def rounded_away(changes: Mapping[int, float], number_format: Format) -> float:
    """Return which share of counted updates is too small to change a weight that is kept in a format.

    Args:
        changes: how many updates there are by their size as a fraction of the weight, as in `flushed`.
        number_format: the format.

    Raises:
        ValueError: no updates.
    """
    total = sum(changes.values())
    if not total > 0:
        raise ValueError("There are no updates to round away.")
    return sum(count for power, count in changes.items() if 2.0**power < number_format.least_update) / total
