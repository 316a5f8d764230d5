"""What is checked of a number before anything is done with it, in the same words everywhere."""

from __future__ import annotations

import math
from numbers import Integral, Real


def above_zero(*, most: float = math.inf, **numbers: object) -> None:
    """Raise `ValueError` with the name of a number that is not finite and above 0, or that is above `most`."""
    for name, number in numbers.items():
        real = isinstance(number, Real) and not isinstance(number, bool)
        if not real or not 0 < number <= most or number == math.inf:
            bound = "" if most == math.inf else f" and at most {most:g}"
            raise ValueError(f"{name} must be a finite number above 0{bound}, not {number!r}.")


def whole(*, least: int = 1, **numbers: object) -> None:
    """Raise `ValueError` with the name of a number that is not whole, or below `least`; True and False are none."""
    for name, number in numbers.items():
        if not isinstance(number, Integral) or isinstance(number, bool) or number < least:
            raise ValueError(f"{name} must be a whole number from {least} up, not {number!r}.")
