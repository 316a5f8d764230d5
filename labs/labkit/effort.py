"""The one dial of effort for labs and calibrations: `quick`, `usual` or `long`.

*Quick* runs every cell with the least that each statement needs; the first build of the book and the tests use it.
*Usual* is what a lab promises to a reader; *long* takes about three times as long and is steadier. The environment
variable `CLUSTER_TO_EDGE_EFFORT` overrules what a notebook asks for.
"""

from __future__ import annotations

import os
from typing import TypeVar

QUICK, USUAL, LONG = LEVELS = ("quick", "usual", "long")
VARIABLE = "CLUSTER_TO_EDGE_EFFORT"
_asked = USUAL

T = TypeVar("T")


def _known(level: str, where: str) -> str:
    if level not in LEVELS:
        raise ValueError(f"{where} is {level!r}; an effort is one of {', '.join(LEVELS)}.")
    return level


def begin(level: str) -> str:
    """Set the effort of this process; return the sentence that tells the reader which holds.

    Raises:
        ValueError: no such level, here or in the environment.
    """
    global _asked
    _asked = _known(level, "The effort of this notebook")
    now = current()
    return f"Effort: {now}" + (f", as {VARIABLE} says." if now != level else ".")


def current() -> str:
    """Return the effort that holds now; raises `ValueError` where the environment names no level."""
    overruled = os.environ.get(VARIABLE, "").strip().lower()
    return _known(overruled, VARIABLE) if overruled else _asked


def pick(*, quick: T, usual: T, long: T) -> T:
    """Return the one of three values that belongs to the effort that holds now."""
    return {QUICK: quick, USUAL: usual, LONG: long}[current()]


def at_least(level: str, needed: str) -> bool:
    """Return whether `level` is as much effort as `needed`, or more; both are levels."""
    return LEVELS.index(level) >= LEVELS.index(needed)
