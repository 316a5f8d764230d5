"""Intervals, and the distributions that they stand on: from the standard library alone.

A test holds every number to SciPy's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist

SURE = 0.95  # how often an interval holds
Z = NormalDist().inv_cdf((1 + SURE) / 2)  # 1.96: within so many standard deviations a normal variable lies as often


def binomial_sums(count: int, share: float) -> Iterator[float]:
    """Yield for k from 0 to `count` how probable k heads or fewer are in `count` throws of a coin.

    Args:
        count: throws.
        share: of heads, above 0 and below 1.
    """
    total, heads, tails = 0.0, math.log(share), math.log1p(-share)
    for k in range(count + 1):
        ways = math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1)
        total += math.exp(ways + k * heads + (count - k) * tails)
        yield total


def median(samples: Sequence[float]) -> tuple[float, float, float]:
    """Return the median and its 95 % interval, by order statistics, which assume no distribution.

    Raises:
        ValueError: no samples.
    """
    if not samples:
        raise ValueError("There are no samples to take a median of.")
    ordered, n = sorted(samples), len(samples)
    middle = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    reach = (Z * math.sqrt(n) + 1) / 2  # of a binomial count with p = 1/2, with the correction for whole counts
    low = max(math.floor(n / 2 - reach), 0)
    return middle, ordered[low], ordered[n - 1 - low]


def student(probability: float, freedom: int) -> float:
    """Return the t that a share of Student's distribution lies below (Student 1908, doi:10.1093/biomet/6.1.1).

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


def wilson(right: int, tested: int) -> tuple[float, float, float]:
    """Return the share that was right and its 95 % interval, as fractions.

    The interval is Wilson's (1927, equation 4 of Brown, Cai and DasGupta 2001): unlike the textbook's it stays
    within 0 and 1 and holds near them.

    Raises:
        ValueError: nothing was tested, or more was right than tested.
    """
    if tested < 1 or not 0 <= right <= tested:
        raise ValueError(f"{right} right of {tested} tested is no share: test at least one.")
    share, weight = right / tested, Z**2 / tested
    centre = (share + weight / 2) / (1 + weight)
    reach = Z / (1 + weight) * math.sqrt(share * (1 - share) / tested + weight / (4 * tested))
    return share, max(0.0, min(centre - reach, share)), min(1.0, max(centre + reach, share))
