"""Fits the constants of `labkit.predict.scaling` to the course's table of published scaling, and writes them.

    python tools/refit.py

Besides the fit to all of the table, there is one for each collection, MLPerf benchmark and submitter, without it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np
from scipy.optimize import least_squares

from labkit import cache
from labkit.pages.published_scaling import CONSTANTS, course
from labkit.predict.scaling import NAMES, Constants, Series, Stack, logarithms
from labkit.published import Training

# What the fit starts from and is drawn to, weakly: overheads of some per cent of a step, and seconds and parameters
# that count in full and not at all. Then how far each may go from there before that costs anything to speak of.
START = Constants(fixed=-3.2, between=-3.0, stragglers=-4.0, seconds=0.7, parameters=0.2, typical=0.0,
                  spread=0.0, rest=-4.0, rest_spread=0.5, critical=1.5, noise=-3.0, time_noise=-2.0)
REACH = np.array([2, 2, 2, 0.5, 0.5, 2, 1, 2, 1, 1, 1, 1])
SMALL = 0.03  # errors far below it are all alike; far above it, they count by their size and not by its square
DRAWN = 0.002  # how much the start counts beside the mean error
ONE_SCALE = 0.3  # what a series calibrated on one scale counts, beside 1 for two scales


class Problem:
    """What a fit makes small: the mean error over the runs that the series do not know.

    Every series counts by its weight, however many runs it has. An error counts as in SciPy's `soft_l1`, times its
    weight; how far the constants are from `START` counts by the square.
    """

    def __init__(self, series: Sequence[Series], weights: Sequence[float]):
        kinds = [[place for place, one in enumerate(series) if one.whole is whole] for whole in (False, True)]
        self._stacks = [Stack([series[place] for place in places]) for places in kinds if places]
        counts = [np.array(weights)[places] for places in kinds if places]
        asked = [stack.there & ~stack.known for stack in self._stacks]
        weight = _flat([runs * (count / np.maximum(runs.sum(1), 1))[:, None]
                        for runs, count in zip(asked, counts, strict=True)])
        self._weight = weight / weight.sum()

    def residuals(self, vector: np.ndarray) -> np.ndarray:
        """Return the errors of every run in logarithms, and how far the constants are from the start."""
        missed = _flat([logarithms(stack, vector) - stack.log_times for stack in self._stacks])
        return np.concatenate([missed / SMALL, (vector - START.vector) / REACH])

    def loss(self, squares: np.ndarray) -> np.ndarray:
        """Return the loss of squared residuals with its first two derivatives, as SciPy asks for it."""
        many = len(self._weight)
        runs, drawn = 1 + squares[:many], squares[many:]
        found = np.empty((3, len(squares)))
        found[:, :many] = 2 * SMALL * self._weight * [runs**0.5 - 1, runs**-0.5 / 2, -(runs**-1.5) / 4]
        found[:, many:] = 2 * DRAWN * np.stack([drawn, np.ones_like(drawn), np.zeros_like(drawn)])
        return found

    def cost(self, constants: Constants) -> float:
        """Return what is made small."""
        return float(self.loss(self.residuals(constants.vector) ** 2)[0].sum() / 2)


def fit(problem: Problem) -> Constants:
    """Return the constants with the least cost: some half a minute for all of the table."""
    found = least_squares(problem.residuals, START.vector, loss=problem.loss, ftol=1e-5, max_nfev=30)
    return Constants(*(float(value) for value in found.x))


def _flat(tables: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.asarray(table, float).ravel() for table in tables])


def problem(trainings: Sequence[Training]) -> Problem:
    """Return what predicts some series best, calibrated on two scales and, with less weight, on one."""
    series = [training.series(scales) for scales in (2, 1) for training in trainings]
    return Problem(series, [1.0] * len(trainings) + [ONE_SCALE] * len(trainings))


def refit() -> str:
    """Return the text of the file of constants, fitted anew: half an hour."""
    found = {"": fit(problem(course()))}
    for group in (lambda one: one.origin, lambda one: one.submitter):
        for name in dict.fromkeys(group(training) for training in course()):
            if name not in found:
                found[name] = fit(problem([one for one in course() if group(one) != name]))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["left_out", *NAMES])
    table.writerows([name, *(f"{value:.4f}" for value in constants.vector)] for name, constants in found.items())
    return text.getvalue()


if __name__ == "__main__":
    cache.write_atomically(CONSTANTS, refit().encode())
