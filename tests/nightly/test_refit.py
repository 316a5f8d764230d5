"""The fit of the model of scaling, which `tools/refit.py` makes."""

from __future__ import annotations

import math
import random

import pytest

from labkit.pages import published_scaling
from labkit.predict import scaling

refit = pytest.importorskip("refit")  # it needs SciPy
SCALES = (8, 16, 64, 512)
TYPICAL = scaling.Constants(fixed=-3.4, between=-4.8, stragglers=-4.5, seconds=0.6, parameters=0.16, typical=1.7,
                            spread=-0.9, rest=-4.0, rest_spread=0.0, critical=1.5, noise=-2.8, time_noise=-1.5)


def grown(times, step):
    """A series on nodes of eight whose first two scales are known."""
    return scaling.Series(accelerators=SCALES, nodes=tuple(n / 8 for n in SCALES), batch=(512,) * len(SCALES),
                          times=times, known=tuple(place < 2 for place in range(len(SCALES))), step=step)


def test_a_fit_finds_constants_that_predict_better_than_those_it_starts_from():
    rng, made = random.Random(2), []
    for _ in range(30):
        step = 10 ** rng.uniform(-1, 1)
        stack = scaling.Stack([grown((1, 1, 1, 1), step)])
        shape = scaling.step(stack, TYPICAL, math.exp(-0.6 * math.log(step) + rng.gauss(0, 0.3)))[0]
        made.append(grown(tuple(float(t) for t in shape), step))

    def miss(constants):
        return sum(abs(math.log(t / s)) for found, one in zip(scaling.predict(made, constants), made, strict=True)
                   for t, s in zip(found, one.times, strict=True))

    assert miss(refit.fit(refit.Problem(made, [1.0] * len(made)))) < 0.8 * miss(refit.START)


def test_a_fit_to_the_table_is_hardly_better_than_the_constants_on_record():
    problem = refit.problem(published_scaling.course())
    assert problem.cost(published_scaling.fitted()[""]) <= 1.02 * problem.cost(refit.fit(problem))
