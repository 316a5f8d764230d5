"""Own statistics say what SciPy's say."""

from __future__ import annotations

import itertools

import pytest

from labkit import stats

scipy_stats = pytest.importorskip("scipy.stats")


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


@pytest.mark.parametrize("count", [20, 50, 101, 400])
def test_the_medians_interval_holds_nineteen_in_twenty(count):
    """Of n samples, those below the median are a binomial count: the ends are its quantiles, or one further out."""
    _, low, high = stats.median(list(range(count)))
    held = scipy_stats.binom.cdf(high, count, 0.5) - scipy_stats.binom.cdf(low, count, 0.5)
    assert 0.95 <= held + 1e-9 < 0.99
