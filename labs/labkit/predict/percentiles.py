"""Percentiles, and how sure one can be of them.

Of n independent samples, as many lie below the true percentile as heads fall in n throws of a coin that shows heads
with its share. So the ends of an interval are samples, chosen by the binomial distribution, however the times are
distributed (Hahn and Meeker 1991, chapter 5, doi:10.1002/9780470316771).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real

from labkit.stats import SURE, binomial_sums


class TooFew(ValueError):
    """Too few samples for a percentile; `needed` says how many would do."""

    def __init__(self, percentile: float, there: int, needed: int):
        super().__init__(f"{there:,} samples carry no p{percentile:g}: {needed:,} are needed until the slowest of them "
                         f"lies above it in {SURE:.0%} of all cases. Take more, or ask for a lower percentile.")
        self.needed = needed


def needed(percentile: float, sure: float = SURE) -> int:
    """Return how many samples a percentile needs.

    A sample lies below the percentile with its share q, so all n do with qⁿ: then nothing bounds the percentile from
    above. That must happen in no more than 1 - `sure` of all cases. A low percentile needs a sample below it, likewise.

    Raises:
        ValueError: a percentile that is not above 0 and below 100, or a certainty that is not between 0 and 1.
    """
    share = _share(percentile)
    if not 0 < sure < 1:
        raise ValueError(f"A certainty lies between 0 and 1, not at {sure!r}.")
    return math.ceil(math.log1p(-sure) / math.log(max(share, 1 - share)))


def percentile(samples: Sequence[float], percentile: float) -> tuple[float, float, float]:
    """Return a percentile of some samples, and the ends of its interval, each of which holds in 95 cases of 100.

    Args:
        samples: in any order.
        percentile: above 0 and below 100; 99.9 for the time that one answer in a thousand exceeds.

    Raises:
        TooFew: the samples are fewer than `needed` says.
        ValueError: a percentile outside its range.
    """
    share, count = _share(percentile), len(samples)
    if count < needed(percentile):
        raise TooFew(percentile, count, needed(percentile))
    ordered = sorted(samples)
    below = list(binomial_sums(count, share))
    low = max((k for k in range(count) if below[k] <= 1 - SURE), default=0)
    high = min((k for k in range(count) if below[k] >= SURE), default=count - 1)
    middle = min(max(math.ceil(share * count) - 1, 0), count - 1)
    return ordered[middle], ordered[min(low, middle)], ordered[max(high, middle)]


def _share(percentile: float) -> float:
    if isinstance(percentile, bool) or not isinstance(percentile, Real) or not 0 < percentile < 100:
        raise ValueError(f"A percentile lies above 0 and below 100, not at {percentile!r}: the fastest and the slowest "
                         "of all answers to come are not to be had from samples.")
    return percentile / 100
