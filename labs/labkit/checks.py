"""Self-checks for exercises: they accept any right answer on any machine, and say what is wrong with a wrong one.

An answer of `None` means that the reader has not answered yet; a check then says so and nothing fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral, Real

SLACK = 1.05  # two times this near to each other are the same
NOT_YET = "No answer yet: put yours where it says None and run the cell again."


def number(answer, expected: float, *, tolerance: float, hint: str) -> bool | None:
    """Check a number against `expected`, within `tolerance` as a fraction of it; print and return the verdict."""
    if answer is None:
        print(NOT_YET)
        return None
    if isinstance(answer, bool) or not isinstance(answer, Real) or answer != answer:
        return _say(False, f"{answer!r} is not a number.")
    shown = f"{answer:,}" if isinstance(answer, Integral) else f"{float(answer):,.4g}"
    if abs(answer - expected) <= tolerance * abs(expected):
        return _say(True, f"{shown} it is.")
    side = "too large" if answer > expected else "too small"
    return _say(False, f"{shown} is {side}. {hint}")


def holds(answer, condition: Callable[[object], bool], *, right: str, hint: str) -> bool | None:
    """Check an answer by a condition; print and return the verdict."""
    if answer is None:
        print(NOT_YET)
        return None
    try:
        good = bool(condition(answer))
    except Exception as trouble:  # whatever a reader's object does when it is used: the answer is wrong, not the cell
        return _say(False, f"{answer!r} cannot be checked ({trouble}). {hint}")
    return _say(good, right if good else hint)


def pays_from(answer: float | None, gains: Mapping[float, float], *, right: str, hint: str) -> bool | None:
    """Check the least value on a slider from which something pays; 0 for none.

    Args:
        answer: the value.
        gains: by value, how many times as good it is; above 1 it pays.
        right, hint: as in `holds`.
    """
    def fits(value):
        if value == 0:
            return max(gains.values()) <= SLACK
        if value not in gains:
            raise ValueError(f"the slider has {', '.join(f'{known:g}' for known in gains)}")
        return gains[value] >= 1 / SLACK and all(gain <= SLACK for less, gain in gains.items() if less < value)

    return holds(answer, fits, right=right, hint=hint)


def _say(good: bool, text: str) -> bool:
    print(("Right: " if good else "Not yet: ") + text)
    return good
