"""What every prediction checks of its numbers."""

from __future__ import annotations

import math


def above_zero(**numbers: float) -> None:
    """Raise `ValueError` with the name of a number that is not finite and above 0."""
    for name, number in numbers.items():
        if not 0 < number < math.inf:
            raise ValueError(f"'{name}' must be a finite number above 0, not {number!r}.")
