"""Own statistics say what SciPy's say."""

from __future__ import annotations

import itertools
import math
import random
import statistics

import pytest

from labkit import stats

scipy_stats = pytest.importorskip("scipy.stats")
NO_PERCENTILE = [0, 100, -1, 100.1, math.nan, math.inf, "99", None, True]


def test_students_quantile():
    for probability, freedom in itertools.product((0.6, 0.8, 0.9, 0.975, 0.995), (1, 2, 3, 4, 7, 10, 29, 30, 200)):
        assert stats.student(probability, freedom) == pytest.approx(scipy_stats.t.ppf(probability, freedom), rel=1e-9)


@pytest.mark.parametrize("count", [1, 2, 7, 100, 3000])
@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.99])
def test_binomial_sums(count, share):
    sums = list(stats.binomial_sums(count, share))
    assert len(sums) == count + 1 and sums[-1] == pytest.approx(1)
    assert sums == pytest.approx(scipy_stats.binom.cdf(range(count + 1), count, share).tolist(), abs=1e-9)


def test_wilsons_interval():
    for right, tested in ((0, 1), (1, 1), (0, 50), (7, 10), (500, 1000), (999, 1000)):
        share, low, high = stats.wilson(right, tested)
        theirs = scipy_stats.binomtest(right, tested).proportion_ci(0.95, "wilson")
        assert share == right / tested
        assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_z_is_the_normal_quantile():
    assert pytest.approx(scipy_stats.norm.ppf(0.975)) == stats.Z


def test_the_medians_interval_holds_the_median_and_stays_within_the_samples():
    rng = random.Random(1)
    for n in (1, 2, 3, 7, 10, 99, 100):
        samples = [rng.expovariate(1) for _ in range(n)]
        middle, low, high = stats.median(samples)
        assert min(samples) <= low <= middle <= high <= max(samples)
        assert sum(s <= middle for s in samples) >= n / 2 <= sum(s >= middle for s in samples)
    with pytest.raises(ValueError, match="no samples"):
        stats.median([])


def test_four_times_the_samples_halve_the_medians_interval():
    samples = [scipy_stats.norm.ppf((place + 0.5) / 1600) for place in range(1600)]
    widths = [high - low for _, low, high in (stats.median(samples[::step]) for step in (64, 16, 4))]
    for wide, narrow in itertools.pairwise(widths):
        assert 0.4 < narrow / wide < 0.6


@pytest.mark.parametrize("count", [10, 20, 31, 50, 100, 101, 400])
def test_the_medians_interval_holds_nineteen_in_twenty(count):
    """Of n samples, those below the median are a binomial count: the ends are its quantiles, or one further out."""
    _, low, high = stats.median(list(range(count)))
    held = scipy_stats.binom.cdf(high, count, 0.5) - scipy_stats.binom.cdf(low, count, 0.5)
    assert 0.95 <= held + 1e-9 < 0.99


# Percentiles


def test_a_nearest_rank_is_a_number_that_occurred():
    for percent, rank in ((0, 1), (1, 2), (50, 100), (90, 180), (99, 198), (99.5, 199), (99.9, 200), (100, 200)):
        assert stats.nearest_rank(range(1, 201), percent) == rank
    assert stats.nine_in_ten([1, 2, 3]) == 3 and stats.nine_in_ten(range(10)) == 8


@pytest.mark.parametrize("percentile", [0.1, 10, 50, 90, 99, 99.9, 99.99])
def test_a_percentile_needs_samples_until_all_can_miss_it_in_one_case_of_twenty(percentile):
    share, needed = max(percentile, 100 - percentile) / 100, stats.samples_needed(percentile)
    assert share**needed <= 0.05 < share ** (needed - 1)


def test_a_p99_9_needs_2995_samples():
    assert stats.samples_needed(99.9) == 2_995
    assert stats.samples_needed(99.9, sure=0.99) > stats.samples_needed(99.9)


def test_too_few_samples_are_refused_with_the_number_that_is_needed():
    with pytest.raises(stats.TooFew, match=r"299 are needed") as refused:
        stats.percentile([1.0] * 298, 99)
    assert refused.value.needed == 299
    assert stats.percentile(list(range(299)), 99)[2] == 298
    with pytest.raises(stats.TooFew):
        stats.percentile([], 50)


@pytest.mark.parametrize("percentile", NO_PERCENTILE, ids=repr)
def test_what_is_no_percentile_is_refused(percentile):
    for ask in (stats.samples_needed, lambda p: stats.percentile([1.0] * 100, p)):
        with pytest.raises(ValueError, match="above 0 and below 100"):
            ask(percentile)


@pytest.mark.parametrize("sure", [0, 1, -0.5, 2, math.nan])
def test_what_is_no_certainty_is_refused(sure):
    with pytest.raises(ValueError, match="between 0 and 1"):
        stats.samples_needed(99, sure)


@pytest.mark.parametrize(("percentile", "count"), [(50, 40), (90, 100), (99, 400), (10, 60)])
def test_each_end_of_a_percentiles_interval_holds_in_95_cases_of_100_and_no_further_one_is_taken(percentile, count):
    """Of n samples, those below the true percentile are a binomial count."""
    _, low, high = stats.percentile(list(range(count)), percentile)
    below = scipy_stats.binom(count, percentile / 100).cdf
    assert below(low) <= 0.05 < below(low + 1)
    assert below(high - 1) < 0.95 <= below(high)


def test_an_interval_lies_around_its_value_whatever_the_order_and_narrows_with_more_samples():
    chance = random.Random(1)
    samples = [chance.lognormvariate(0, 1) for _ in range(8_000)]
    for percentile in (1, 50, 90, 99, 99.9):
        value, low, high = stats.percentile(samples, percentile)
        assert low <= value <= high
        assert stats.percentile(sorted(samples, reverse=True), percentile) == (value, low, high)
        assert 100 * sum(s <= value for s in samples) >= percentile * len(samples)
    widths = [stats.percentile(samples[:count], 90) for count in (100, 8_000)]
    assert widths[1][2] - widths[1][1] < widths[0][2] - widths[0][1]


def test_nine_in_ten_of_further_publishers_lie_within_reach():
    """Publishers drawn at random, each with figures that hardly differ: what one adds is known from the others only."""
    rng, inside = random.Random(3), 0
    for _ in range(400):
        groups = [[math.exp(rng.gauss(center, 0.05)) for _ in range(4)] for center in
                  (rng.gauss(0, 0.4) for _ in range(6))]
        *known, new = groups
        mean = statistics.geometric_mean([statistics.geometric_mean(group) for group in known])
        factor = stats.reach(stats.further([known]), len(known))
        inside += sum(mean / factor <= figure <= mean * factor for figure in new) / len(new)
    assert 0.86 < inside / 400 < 0.95


def test_how_publishers_differ_needs_two_of_a_kind():
    assert stats.further([[[1.0], [math.e]], [[5.0]]]) == pytest.approx((math.sqrt(0.5), 1))
    with pytest.raises(ValueError, match="two of one family"):
        stats.further([[[1.0, 2.0]], [[3.0]]])
