"""Self-checks for exercises: they accept any right answer on any machine, and say what is wrong with a wrong one.

A check returns a `Verdict`, which a notebook shows in words and a grader reads. An answer of `None` means that the
reader has not answered yet: that is a state of its own, and nothing fails.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real

SLACK = 1.05  # two times this near to each other are the same
RIGHT, WRONG, NOT_ATTEMPTED, NOT_HERE = "right", "wrong", "not attempted", "not possible here"
NOT_YET = "No answer yet: put yours where it says None and run the cell again."
_WORDS = {RIGHT: "Right: ", WRONG: "Not yet: ", NOT_ATTEMPTED: "", NOT_HERE: ""}


@dataclass(frozen=True)
class Verdict:
    """How an answer was judged. It is true where the answer is right.

    Args:
        state: `RIGHT`, `WRONG`, `NOT_ATTEMPTED`, or `NOT_HERE` where this machine cannot ask the question.
        why: what follows from a right answer, what to try after a wrong one, or why nothing was judged.
        given: the answer, as it can be shown.
        expected: which answers are right, for a grader: the reader is shown the rest.
        found: what came out when the answer was tried.
    """

    state: str
    why: str
    given: str = ""
    expected: str = ""
    found: str = ""

    @property
    def ok(self) -> bool | None:
        """Whether the answer is right; None where there is none, or nothing to judge it by."""
        return {RIGHT: True, WRONG: False}.get(self.state)

    def __bool__(self) -> bool:
        return self.state == RIGHT

    def __str__(self) -> str:
        said = _WORDS[self.state] + self.why
        return f"{self.found}\n{said}" if self.found else said

    def _repr_pretty_(self, printer, cycle) -> None:
        printer.text(str(self))


def number(answer, expected: float, *, tolerance: float, hint: str) -> Verdict:
    """Judge a number by `expected`, within `tolerance` as a fraction of it."""
    margin = tolerance * abs(expected)
    right = _number(expected) if not margin else f"{_number(expected - margin)} to {_number(expected + margin)}"
    if answer is None:
        return Verdict(NOT_ATTEMPTED, NOT_YET, expected=right)
    if isinstance(answer, bool) or not isinstance(answer, Real) or answer != answer:
        return Verdict(WRONG, f"{_shown(answer)} is not a number.", _shown(answer), right)
    if abs(answer - expected) <= margin:
        return Verdict(RIGHT, f"{_number(answer)} it is.", _number(answer), right)
    side = "too large" if answer > expected else "too small"
    return Verdict(WRONG, f"{_number(answer)} is {side}. {hint}", _number(answer), right)


def holds(answer, condition: Callable[[object], bool | tuple[bool, str]], *, expected: str, right: str,
          hint: str) -> Verdict:
    """Judge an answer by a condition.

    Args:
        answer: of any type.
        condition: whether an answer is right, or that and a sentence on what came out when it was tried.
        expected: which answers are right, in words.
        right, hint: what the reader is told of a right answer, and of a wrong one.
    """
    if answer is None:
        return Verdict(NOT_ATTEMPTED, NOT_YET, expected=expected)
    given = _number(answer) if isinstance(answer, Real) and not isinstance(answer, bool) else _shown(answer)
    try:
        outcome = condition(answer)
        good, found = outcome if isinstance(outcome, tuple) else (outcome, "")
        state = RIGHT if good else WRONG
    except Exception as trouble:  # whatever a reader's object does when it is used: the answer is wrong, not the cell
        return Verdict(WRONG, f"{given} cannot be checked ({trouble}). {hint}", given, expected)
    return Verdict(state, right if state == RIGHT else hint, given, expected, found)


def on_slider(answer, values: Sequence, fits: Callable[[object], bool], *, right: str, hint: str) -> Verdict:
    """Judge a choice among values, of which every one that fits is right.

    Args:
        answer: one of the values.
        values: what can be chosen; 0 among them stands for none.
        fits: whether one of them is right.
        right, hint: as in `holds`.
    """
    def condition(value):
        if isinstance(value, bool) or value not in values:
            raise ValueError(f"it must be one of {', '.join(map(_number, values))}")
        return fits(value)

    return holds(answer, condition, expected=" or ".join(_number(value) for value in values if fits(value)),
                 right=right, hint=hint)


def pays_from(answer, gains: Mapping[float, float], *, right: str, hint: str) -> Verdict:
    """Judge the least value on a slider from which something pays; 0 for none.

    Args:
        answer: the value.
        gains: by value, how many times as good it is; above 1 it pays.
        right, hint: as in `holds`.
    """
    def fits(value):
        if value == 0:
            return max(gains.values()) <= SLACK
        return gains[value] >= 1 / SLACK and all(gain <= SLACK for less, gain in gains.items() if less < value)

    return on_slider(answer, tuple(dict.fromkeys((0, *gains))), fits, right=right, hint=hint)


def not_here(reason: str) -> Verdict:
    """Return the verdict on an exercise that this machine cannot ask."""
    return Verdict(NOT_HERE, reason)


def _number(value) -> str:
    if isinstance(value, Integral):
        return f"{value:,}"
    if not isinstance(value, Real):
        return str(value)
    return f"{float(value):,.0f}" if 1e4 <= abs(value) < 1e15 else f"{float(value):,.4g}"


def _shown(answer) -> str:
    return reprlib.repr(answer)
