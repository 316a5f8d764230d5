"""Published scaling: samples to converge, the model of scaling, and the page's numbers."""

from __future__ import annotations

import math
import random

import pytest
from labkit.predict import convergence

NO_NUMBER = [0, -1, math.nan, math.inf]
BATCHES = (16, 64, 256, 1024, 4096)


# Samples to converge


def test_a_critical_batch_needs_twice_the_samples_of_the_least_and_twice_the_steps_of_the_fewest():
    assert convergence.samples(3000, 1e6, 3000) == pytest.approx(2e6)
    fewest = convergence.steps(3000 * 1e9, 1e6, 3000)
    assert convergence.steps(3000, 1e6, 3000) == pytest.approx(2 * fewest)
    assert convergence.samples(4096, 7, math.inf) == 7


@pytest.mark.parametrize("critical", [5, 300, 20_000, math.inf])
def test_a_fit_recovers_what_made_the_points_though_one_of_them_is_odd(critical):
    points = [(batch, convergence.samples(batch, 1e6, critical)) for batch in BATCHES]
    assert convergence.fit(points) == (pytest.approx(1e6, rel=1e-3), pytest.approx(critical, rel=1e-3))
    points[2] = (points[2][0], 1.4 * points[2][1])
    assert convergence.fit(points) == (pytest.approx(1e6, rel=1e-3), pytest.approx(critical, rel=1e-3))


def test_noise_moves_a_fit_a_little():
    rng = random.Random(7)
    points = [(batch, convergence.samples(batch, 1e6, 500) * rng.gauss(1, 0.02)) for batch in BATCHES for _ in range(5)]
    least, critical = convergence.fit(points)
    assert least == pytest.approx(1e6, rel=0.1) and critical == pytest.approx(500, rel=0.2)


def test_samples_that_fall_with_the_batch_show_no_critical_batch():
    assert convergence.fit([(16, 100), (64, 90), (256, 80)])[1] == math.inf


@pytest.mark.parametrize("number", NO_NUMBER)
def test_what_is_no_batch_and_no_count_is_refused(number):
    with pytest.raises(ValueError, match="'batch'"):
        convergence.samples(number, 1, 1)
    with pytest.raises(ValueError, match="'least'"):
        convergence.steps(1, number, 1)
    with pytest.raises(ValueError, match="'samples'"):
        convergence.fit([(1, 2), (2, number)])
    if number != math.inf:
        with pytest.raises(ValueError, match="'critical'"):
            convergence.samples(1, 1, number)


def test_one_batch_tells_nothing_of_the_next():
    with pytest.raises(ValueError, match=r"two batches or more"):
        convergence.fit([(16, 100), (16, 110)])
