"""Number formats by their bits: what they can tell apart, and what gets lost on the way into them.

A binary floating-point number is a sign, an exponent of e bits and a fraction of m bits (IEEE 754). Formats with
infinities give the largest exponent to them; fp8 with four bits of exponent has none and keeps it (Micikevicius et
al. 2022, arXiv:2209.05433, table 1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from statistics import NormalDist

from labkit.inputs import above_zero

MOST = {"exponent": 11, "fraction": 52}  # bits of fp64
LEAST = {"exponent": 2, "fraction": 1}


@dataclass(frozen=True)
class Format:
    """A floating-point format.

    Args:
        exponent, fraction: its bits of each; a sign comes on top. The fraction is also called mantissa.
        finite: whether all exponents are for numbers, so that there is no infinity, and one pattern for “no number”.

    Raises:
        ValueError: an exponent outside 2 to 11 bits, or a fraction outside 1 to 52.
    """

    exponent: int
    fraction: int
    finite: bool = False

    def __post_init__(self):
        for part, most in MOST.items():
            bits = getattr(self, part)
            if not isinstance(bits, Integral) or isinstance(bits, bool) or not LEAST[part] <= bits <= most:
                raise ValueError(f"A format's {part} has a whole number of bits from {LEAST[part]} to {most}, "
                                 f"not {bits!r}.")

    @property
    def bits(self) -> int:
        """All bits of a number."""
        return 1 + self.exponent + self.fraction

    @property
    def step(self) -> float:
        """The distance from 1 to the next number."""
        return 2.0**-self.fraction

    @property
    def power(self) -> int:
        """The exponent of the largest number."""
        return 2 ** (self.exponent - 1) - (0 if self.finite else 1)

    @property
    def largest(self) -> float:
        """The largest number."""
        return (2 - self.step * (2 if self.finite else 1)) * 2.0**self.power

    @property
    def smallest(self) -> float:
        """The smallest number above 0 that has all its bits of fraction."""
        return 2.0 ** (2 - 2 ** (self.exponent - 1))

    @property
    def least(self) -> float:
        """The smallest number above 0 of all, with a single bit of fraction left."""
        return self.smallest * self.step

    @property
    def least_update(self) -> float:
        """The share of a weight that an update must exceed, for the rounded sum to differ from the weight.

        It is half a step beside a power of two; just below the next power, half of that is enough.
        """
        return self.step / 2


FORMATS = {
    "fp64": Format(11, 52),
    "fp32": Format(8, 23),
    "tf32": Format(8, 10),
    "bf16": Format(8, 7),
    "fp16": Format(5, 10),
    "fp8 E5M2": Format(5, 2),
    "fp8 E4M3": Format(4, 3, finite=True),
}


def named(name: str) -> Format:
    """Return a format by its name; raises `ValueError` where there is none, with the names that there are."""
    if name not in FORMATS:
        raise ValueError(f"There is no number format {name!r} here. There are {', '.join(FORMATS)}, and "
                         "Format(exponent, fraction) makes others.")
    return FORMATS[name]


def lost(form: Format, median: float, spread: float, scale: float = 1.0) -> dict[str, float]:
    """Return the shares of numbers that a format loses, where their logarithms are spread like a bell.

    A number of at most half the least one becomes zero; what is beyond the largest becomes infinite, or the largest.

    Args:
        form: the format.
        median: of the numbers' magnitudes.
        spread: standard deviation of the magnitudes' logarithm to base 2: in octaves.
        scale: by what all are multiplied beforehand.

    Raises:
        ValueError: a median, a spread or a scale that is not above 0 or not finite.
    """
    above_zero(median=median, spread=spread, scale=scale)
    bell = NormalDist(math.log2(median) + math.log2(scale), spread)
    return {"too small": bell.cdf(math.log2(form.least) - 1), "too large": 1 - bell.cdf(math.log2(form.largest))}


def flushed(magnitudes: Mapping[int, float], form: Format, scale: float = 1.0) -> float:
    """Return which share of counted numbers becomes zero in a format.

    Args:
        magnitudes: how many there are by power of two, rounded down: at -3 those from 1/8 to below 1/4.
        form: the format.
        scale: by what all are multiplied beforehand; a power of two.

    Raises:
        ValueError: no numbers, or a scale that is not above 0 or not finite.
    """
    total = sum(magnitudes.values())
    if not total > 0 or not 0 < scale < math.inf:
        raise ValueError(f"There must be numbers, and a scale above 0, not {total} and {scale}.")
    return sum(count for power, count in magnitudes.items() if 2.0**power * scale < form.least / 2) / total


def rounded_away(changes: Mapping[int, float], form: Format) -> float:
    """Return which share of counted updates is too small to change a weight that is kept in a format.

    Args:
        changes: how many updates there are by their size as a fraction of the weight, as in `flushed`.
        form: the format.

    Raises:
        ValueError: no updates.
    """
    total = sum(changes.values())
    if not total > 0:
        raise ValueError("There are no updates to round away.")
    return sum(count for power, count in changes.items() if 2.0**power < form.least_update) / total
