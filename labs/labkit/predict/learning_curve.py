"""How an error falls with the number of samples: a power law above a floor.

The form is that of Hestness et al. 2017 (doi:10.48550/arXiv.1712.00409) and of the data term of Hoffmann et al. 2022
(doi:10.48550/arXiv.2203.15556); Kaplan et al. 2020 (doi:10.48550/arXiv.2001.08361) have it without a floor. It holds
for a model that is large enough for its data, and for new data that are like the old.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import linear_regression, mean, variance

import numpy as np

from labkit.inputs import above_zero, whole

_EXPONENTS = np.arange(0.02, 2.0, 0.01)  # that are tried for a curve with a floor
_DRAWS = 400  # curves that tell how sure a fit is


@dataclass(frozen=True)
class PowerLaw:
    """error = floor + scale / samples ** exponent.

    Args:
        scale: the error above the floor with one sample, in the error's unit.
        exponent: above 0; 0.5 is what averaging gives.
        floor: the error that no amount of such data takes away, from 0 up.

    Raises:
        ValueError: a number that no such curve has.
    """

    scale: float
    exponent: float
    floor: float = 0.0

    def __post_init__(self):
        above_zero(scale=self.scale, exponent=self.exponent)
        if not 0 <= self.floor < math.inf:
            raise ValueError(f"A floor is a finite number from 0 up, not {self.floor!r}.")

    def error(self, samples: float) -> float:
        """Return the error with `samples` samples."""
        above_zero(samples=samples)
        return self.floor + self.scale * samples**-self.exponent

    def steepness(self, samples: float) -> float:
        """Return the exponent that the curve seems to have at `samples` if its floor is overlooked."""
        return self.exponent * (1 - self.floor / self.error(samples))

    def samples(self, error: float) -> float:
        """Return the samples that an error takes, infinite at the floor and below."""
        return math.inf if error <= self.floor else (self.scale / (error - self.floor)) ** (1 / self.exponent)


def more_data(now: float, then: float, exponent: float, floor: float = 0.0) -> float:
    """Return how many times as many samples it takes to bring an error from `now` down to `then`.

    Args:
        now, then: errors in the same unit; `now` is above the floor.
        exponent, floor: of the curve.

    Returns:
        A factor, infinite where `then` is not above the floor.

    Raises:
        ValueError: `now` is not above the floor, or a number that no curve has.
    """
    curve = PowerLaw(1.0, exponent, floor)
    if not floor < now < math.inf:
        raise ValueError(f"An error of {now!r} is not above its floor of {floor!r}.")
    return curve.samples(then) / curve.samples(now)


def fit(samples: Sequence[float], errors: Sequence[float], floor: float = 0.0) -> PowerLaw:
    """Return the curve through measured errors: a straight line through the logarithms, by least squares.

    Args:
        samples: two different numbers or more.
        errors: at each, all above the floor.

    Raises:
        ValueError: too few points, an error that is not above the floor, or errors that do not fall.
    """
    if len(set(samples)) < 2 or min(errors) <= floor:
        raise ValueError("A curve takes two different numbers of samples or more, with errors above the floor.")
    line = linear_regression([math.log(n) for n in samples], [math.log(error - floor) for error in errors])
    if line.slope >= 0:
        raise ValueError("The errors do not fall with the number of samples.")
    return PowerLaw(math.exp(line.intercept), -line.slope, floor)


@dataclass(frozen=True)
class Fitted:
    """A curve with its floor, fitted to the errors of several seeds, and how sure it is.

    Args:
        curve: that fits best.
        others: curves fitted to the same errors, each mean moved by chance as far as seeds move it.
        spread: standard deviation of one seed's error, as a fraction of it.
    """

    curve: PowerLaw
    others: tuple[PowerLaw, ...]
    spread: float

    def interval(self, what: str) -> tuple[float, float]:
        """Return the interval that holds nineteen in twenty of the `others`: of `"floor"`, `"exponent"`, `"scale"`."""
        low, high = map(float, np.percentile([getattr(curve, what) for curve in self.others], (2.5, 97.5)))
        return min(low, getattr(self.curve, what)), max(high, getattr(self.curve, what))

    def error(self, samples: float, seeds: int) -> tuple[float, float, float]:
        """Return the error with `samples` samples, and the interval for what the mean of new seeds will show."""
        value = self.curve.error(samples)
        chance = np.random.default_rng(0).normal(1, self.spread / seeds**0.5, len(self.others))
        low, high = map(float, np.percentile([curve.error(samples) for curve in self.others] * chance, (2.5, 97.5)))
        return value, max(0.0, min(low, value)), max(high, value)


def fit_with_floor(samples: Sequence[float], errors: Sequence[Sequence[float]]) -> Fitted:
    """Return the curve through errors by least squares of their relative deviations, its floor from 0 up.

    For each exponent of a list, floor and scale are a linear fit; the exponent that deviates least is taken.

    Args:
        samples: four different numbers or more, rising.
        errors: at each, the errors of the seeds, two or more, all above 0.

    Raises:
        ValueError: fewer sizes or seeds, an error that is not above 0, or errors that do not fall.
    """
    if len(set(samples)) < 4 or len(samples) != len(errors) or min(map(len, errors)) < 2:
        raise ValueError("A curve with a floor takes four different numbers of samples or more, and the errors of two "
                         "seeds or more at each.")
    if min(map(min, errors)) <= 0:
        raise ValueError("An error of 0 cannot be fitted: test with more samples, until something is wrong.")
    means = np.array([mean(some) for some in errors])
    if means[-1] >= means[0]:
        raise ValueError("The errors do not fall with the number of samples.")
    spread = mean(variance(some) / mean(some) ** 2 for some in errors) ** 0.5
    fewest = min(map(len, errors))
    chance = np.random.default_rng(0).normal(1, spread / fewest**0.5, (_DRAWS, len(means))).clip(0.1)
    curve, *others = (_best(np.array(samples, float), some) for some in (means, *(means * chance)))
    return Fitted(curve or fit(samples, means), tuple(other or curve for other in others), spread)


def _best(samples: np.ndarray, errors: np.ndarray) -> PowerLaw | None:
    """Return the curve of one set of errors, or None where they do not fall."""
    powers = samples[:, None] ** -_EXPONENTS  # sizes by exponents
    weights = (errors**-2)[:, None]
    total, across, square = weights.sum(0), (weights * powers).sum(0), (weights * powers**2).sum(0)
    level, joint = (weights * errors[:, None]).sum(0), (weights * powers * errors[:, None]).sum(0)
    scale = (total * joint - across * level) / (total * square - across**2)
    floor = (level - scale * across) / total
    scale, floor = np.where(floor < 0, joint / square, scale), floor.clip(0)
    misses = (((floor + scale * powers) / errors[:, None] - 1) ** 2).sum(0)
    best = np.where(scale > 0, misses, np.inf).argmin()
    return PowerLaw(float(scale[best]), float(_EXPONENTS[best]), float(floor[best])) if scale[best] > 0 else None


def worth(wrong: float, classes: int, explained: float = 0.0) -> float:
    """Return how many rightly labelled samples one is worth of which a share of the labels is wrong at random.

    A label that is wrong with probability w, and then any of the other k - 1 classes, says s = 1 - w k / (k - 1) of
    what a right one says, on average. Of the variance of right labels a network explains R²; of these, s² R². The rest
    is noise to it, and the samples that it takes are the noise over the square of what is said: so a sample is worth
    s² (1 - R²) / (1 - s² R²). For two classes and R² = 0 that is the (1 - 2 w)² of Angluin and Laird 1988
    (doi:10.1023/A:1022873112823).

    Args:
        wrong: the share, 0 to 1; from (k - 1) / k on, labels say nothing.
        classes: k, two or more.
        explained: R², from 0, where next to nothing can be predicted, to below 1.
    """
    whole(classes=classes, least=2)
    if not 0 <= wrong <= 1:
        raise ValueError(f"A share of wrong labels lies between 0 and 1, not at {wrong!r}.")
    if not 0 <= explained < 1:
        raise ValueError(f"The share of variance that a network explains lies from 0 to below 1, not at {explained!r}.")
    said = max(0.0, 1 - wrong * classes / (classes - 1)) ** 2
    return said * (1 - explained) / (1 - said * explained)
