"""Fits the constants of `labkit.predict.scaling` to published series, by robust least squares."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labkit.predict.scaling import Constants, Series, Stack, logarithms

# What the fit starts from and is drawn to, weakly: overheads of some per cent of a step, and seconds and parameters
# that count in full and not at all. Then how far each may go from there before that costs anything to speak of.
START = Constants(fixed=-3.2, between=-3.0, stragglers=-4.0, seconds=0.7, parameters=0.2, typical=0.0,
                  spread=0.0, rest=-4.0, rest_spread=0.5, critical=1.5, noise=-3.0, time_noise=-2.0)
_REACH = np.array([2, 2, 2, 0.5, 0.5, 2, 1, 2, 1, 1, 1, 1])
_SMALL = 0.03  # errors far below it are all alike; far above it, they count by their size and not by its square
_DRAWN = 0.002  # how much the start counts beside the mean error
_ROUNDS = 12


def fit(series: Sequence[Series], weights: Sequence[float]) -> Constants:
    """Return the constants with the least mean error over the runs that the series do not know.

    Every series counts by its weight, however many runs it has. Gauss and Newton's method with weights that make of
    squares absolute values (Holland and Welsch 1977, doi:10.1080/03610927708827533), damped as by Levenberg and
    Marquardt; derivatives by differences.
    """
    kinds = [[place for place, one in enumerate(series) if one.whole is whole] for whole in (False, True)]
    stacks = [Stack([series[place] for place in places]) for places in kinds if places]
    counts = np.concatenate([np.array(weights)[places] for places in kinds if places])
    asked = [stack.there & ~stack.known for stack in stacks]
    per_run = counts / np.maximum(np.concatenate([runs.sum(1) for runs in asked]), 1)
    weight = _flat([runs.astype(float) for runs in asked]) * np.repeat(per_run, [
        runs.shape[1] for runs in asked for _ in runs])
    weight /= weight.sum()
    origin = START.vector

    def miss(vector: np.ndarray) -> np.ndarray:
        return _flat([logarithms(stack, vector) - stack.log_times for stack in stacks])

    def cost(missed: np.ndarray, vector: np.ndarray) -> float:
        return float(weight @ np.sqrt(missed**2 + _SMALL**2) + _DRAWN * (((vector - origin) / _REACH) ** 2).sum())

    vector, damping = START.vector, 0.01
    missed = miss(vector)
    least = cost(missed, vector)
    for _ in range(_ROUNDS):
        slope = np.stack([(miss(vector + nudge) - missed) / 0.05 for nudge in 0.05 * np.eye(len(vector))], axis=1)
        strong = weight / np.sqrt(missed**2 + _SMALL**2)
        curve = slope.T @ (strong[:, None] * slope) + 2 * _DRAWN * np.diag(_REACH**-2.0)
        down = slope.T @ (strong * missed) + 2 * _DRAWN * (vector - origin) / _REACH**2
        for _ in range(5):
            change = np.clip(-np.linalg.solve(curve + damping * np.diag(np.diag(curve)), down), -1, 1)
            there = miss(vector + change)
            found = cost(there, vector + change)
            if found < least:
                break
            damping *= 5
        else:
            break
        gain, vector, missed, least, damping = least - found, vector + change, there, found, max(damping / 5, 1e-4)
        if gain < 1e-5:
            break
    return Constants(*(float(value) for value in vector))


def _flat(tables: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([table.ravel() for table in tables])
