"""Intervals, and the distributions that they stand on: from the standard library alone.

A test holds every number to SciPy's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from numbers import Real
from statistics import NormalDist, fmean

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


def nearest_rank(ascending: Sequence[float], percent: float) -> float:
    """Return the smallest of some ascending numbers, one at least, that so many per cent of them do not exceed."""
    return ascending[max(math.ceil(percent * len(ascending) / 100) - 1, 0)]


def nine_in_ten(ascending: Sequence[float]) -> float:
    """Return the smallest of some ascending numbers, one at least, that nine tenths of them do not exceed."""
    return nearest_rank(ascending, 90)


class TooFew(ValueError):
    """Too few samples for a percentile; `needed` says how many would do."""

    def __init__(self, percentile: float, there: int, needed: int):
        super().__init__(f"{there:,} samples carry no p{percentile:g}: {needed:,} are needed until the slowest of them "
                         f"lies above it in {SURE:.0%} of all cases. Take more, or ask for a lower percentile.")
        self.needed = needed


def samples_needed(percentile: float, sure: float = SURE) -> int:
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

    Of n independent samples, as many lie below the true percentile as heads fall in n throws of a coin that shows heads
    with its share. So the ends of the interval are samples, chosen by the binomial distribution, however the samples
    are distributed (Hahn and Meeker 1991, chapter 5, doi:10.1002/9780470316771).

    Args:
        samples: in any order.
        percentile: above 0 and below 100; 99.9 for the time that one answer in a thousand exceeds.

    Raises:
        TooFew: the samples are fewer than `samples_needed` says.
        ValueError: a percentile outside its range.
    """
    share, count = _share(percentile), len(samples)
    if count < samples_needed(percentile):
        raise TooFew(percentile, count, samples_needed(percentile))
    ordered = sorted(samples)
    value, below = nearest_rank(ordered, percentile), list(binomial_sums(count, share))
    low = max((k for k in range(count) if below[k] <= 1 - SURE), default=0)
    high = min((k for k in range(count) if below[k] >= SURE), default=count - 1)
    return value, min(ordered[low], value), max(ordered[high], value)


def _share(percentile: float) -> float:
    if isinstance(percentile, bool) or not isinstance(percentile, Real) or not 0 < percentile < 100:
        raise ValueError(f"A percentile lies above 0 and below 100, not at {percentile!r}: the fastest and the slowest "
                         "of all answers to come are not to be had from samples.")
    return percentile / 100


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


def further(families: Iterable[Iterable[Sequence[float]]]) -> tuple[float, int]:
    """Return by how much the logarithm of a further publisher's figure differs: standard deviation, degrees of freedom.

    Figures of one publisher are no independent witnesses, so a publisher counts as one: the variance between the means
    of publishers, and to it the variance within them. Both are pooled over families.

    Args:
        families: figures above 0 that differ by who published them only, by publisher.

    Raises:
        ValueError: no family has two publishers.
    """
    logs = [[[math.log(figure) for figure in group] for group in family] for family in families]
    freedom = sum(len(family) - 1 for family in logs)
    if freedom < 1:
        raise ValueError("How publishers differ is seen from two of one family at least.")
    means = [[fmean(group) for group in family] for family in logs]
    between = sum((mean - fmean(family)) ** 2 for family in means for mean in family) / freedom
    groups = [group for family in logs for group in family]
    inside = sum(len(group) - 1 for group in groups)
    within = sum((log - fmean(group)) ** 2 for group in groups for log in group) / inside if inside else 0.0
    return math.sqrt(between + within), freedom


def reach(spread: tuple[float, int], known: int) -> float:
    """Return the factor within which nine of ten further figures lie around the mean of `known` ones.

    If their logarithms are spread like a bell.

    Args:
        spread: standard deviation of the logarithms and its degrees of freedom, as of `further`.
        known: how many independent figures the mean is of.
    """
    deviation, freedom = spread
    return math.exp(student(0.95, freedom) * deviation * math.sqrt(1 + 1 / known))


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
