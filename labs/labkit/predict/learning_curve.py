"""How an error falls with the number of samples: a power law above a floor.

The form is that of Hestness et al. 2017 (doi:10.48550/arXiv.1712.00409) and of the data term of Hoffmann et al. 2022
(doi:10.48550/arXiv.2203.15556); Kaplan et al. 2020 (doi:10.48550/arXiv.2001.08361) have it without a floor. It holds
for a model that is large enough for its data, and for new data that are like the old.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import linear_regression

from labkit.inputs import above_zero


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
