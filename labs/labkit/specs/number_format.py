"""Number formats by their bits: what they can tell apart.

A binary floating-point number is a sign, an exponent of e bits and a fraction of m bits (IEEE 754). Formats with
infinities give the largest exponent to them; fp8 with four bits of exponent has none and keeps it (Micikevicius et
al. 2022, arXiv:2209.05433, table 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

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
