"""Every prediction of an experiment at once, small enough to travel to the browser, which only looks values up.

A grid is a set of columns. A column keeps only the axes along which it differs: what computing takes does not depend on
the link, so that there is one number of it for all links. Values are not sent where they are the sum of their parts,
and an interval is sent as its ratios to the value, which are often the same everywhere.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from labkit.experiment import Axis, Experiment, Outcome, Point
from labkit.units import quantity

MOST_POINTS = 20_000
_DIGITS = 5  # significant ones travel; a reader sees three
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def axis_text(axis: Axis, value) -> str:
    """Return a value of an axis as people read it, as in "64 pictures"."""
    return value if axis.categorical else quantity(value, axis.unit)


class Grid:
    """The predictions at every point of an experiment.

    Args:
        experiment: whose predictions to evaluate; each is called once.

    Raises:
        ValueError: more than `MOST_POINTS` points, a prediction in another unit than the experiment's, or a readout
            that asks for something unknown.
    """

    def __init__(self, experiment: Experiment):
        self.experiment, self._shape = experiment, [len(axis.values) for axis in experiment.axes]
        size = math.prod(self._shape)
        if size > MOST_POINTS:
            lengths = " × ".join(f"{len(axis.values)} ({axis.label})" for axis in experiment.axes)
            raise ValueError(
                f"'{experiment.title}' has {size:,} points: {lengths}. An Explorer takes at most {MOST_POINTS:,}; "
                "give an axis fewer values."
            )
        outcomes = [experiment.predict(**point) for point in experiment.points()]
        predicted = [outcome for outcome in outcomes if outcome]
        for outcome in predicted:
            if outcome.unit != experiment.unit:
                raise ValueError(f"The prediction is in {outcome.unit!r}, the experiment in {experiment.unit!r}.")

        def column(number: Callable[[Outcome], float]) -> np.ndarray:
            return _column([number(outcome) if outcome else None for outcome in outcomes], self._shape)

        texts = ["", *(outcome.note if outcome else outcome.reason for outcome in outcomes)]
        self._texts = list(dict.fromkeys(texts))
        place = {text: i for i, text in enumerate(self._texts)}
        self._reason = _column([0 if outcome else place[outcome.reason] for outcome in outcomes], self._shape)
        self._note = column(lambda outcome: place[outcome.note])
        names = dict.fromkeys(name for outcome in predicted for name in outcome.parts)
        self._parts = {name: column(lambda outcome, name=name: outcome.parts.get(name, 0)) for name in names}
        self._summed = bool(predicted) and all(outcome.parts for outcome in predicted)
        self._value = reduce(add, self._parts.values()) if self._summed else column(lambda outcome: outcome.value)
        self._scaled = all(outcome.value for outcome in predicted)
        self._ratios = {name: column(lambda outcome, name=name: getattr(outcome, name)
                                     / (outcome.value if self._scaled else 1)) for name in ("low", "high")}
        self._bounds = {name: ratio * (self._value if self._scaled else 1) for name, ratio in self._ratios.items()}
        if predicted:  # else no point has a readout
            self._check_readout()

    def _check_readout(self) -> None:
        known = [*(axis.name for axis in self.experiment.axes), "value", "low", "high"]
        known += [f"part:{name}" for name in self._parts]
        for name in _PLACEHOLDER.findall(self.experiment.readout):
            if name not in known:
                raise ValueError(f"The readout asks for {{{name}}}. It can show: {', '.join(known)}.")

    def index(self, point: Point) -> tuple[int, ...]:
        """Return the position of `point` on every axis; raises `ValueError` for a point off the axes."""
        point = self.experiment.check(point)
        return tuple(axis.index(point[axis.name]) for axis in self.experiment.axes)

    def __getitem__(self, point: Point) -> Mapping:
        """Return `value`, `low`, `high` (None where unavailable), `parts` and `text` (the note or the reason)."""
        index = self.index(point)

        def at(column: np.ndarray) -> float:
            return column[tuple(i if length > 1 else 0 for i, length in zip(index, column.shape, strict=True))].item()

        if reason := at(self._reason):
            return {"value": None, "low": None, "high": None, "parts": {}, "text": self._texts[int(reason)]}
        numbers = {name: at(column) for name, column in {"value": self._value, **self._bounds}.items()}
        parts = {name: at(part) for name, part in self._parts.items()}
        return {**numbers, "parts": parts, "text": self._texts[int(at(self._note))]}

    def numbers(self, fixed: Mapping[str, Any]) -> Iterator[float]:
        """Yield every number on the curves and their bands, wherever the axes in `fixed` have the values there."""
        where = tuple(axis.index(fixed[axis.name]) if axis.name in fixed else slice(None)
                      for axis in self.experiment.axes)
        there = np.broadcast_to(self._reason == 0, self._shape)[where]
        for column in (self._value, *self._bounds.values()):
            yield from np.broadcast_to(column, self._shape)[where][there].tolist()

    def packed(self) -> dict:
        """Return the columns that the browser reads, each as `strides` along the axes and `values`.

        `reason` and `note` are places in `texts`; where the reason is 0, there is a prediction. Without a `value`, it
        is the sum of the `parts`. Without `low` and `high`, there is no interval; where `scaled`, they are ratios to
        the value.
        """
        columns = {"reason": self._reason, "note": self._note}
        if not self._summed:
            columns["value"] = self._value
        if any((bound != self._value).any() for bound in self._bounds.values()):
            columns |= self._ratios
        return {
            **{name: _packed(column) for name, column in columns.items()},
            "parts": {name: _packed(part) for name, part in self._parts.items()},
            "scaled": self._scaled,
            "texts": self._texts,
        }

    def sentence(self, point: Point) -> str:
        """Return the readout at `point` and its note, or the reason why there is no prediction."""
        cell = self[point]
        if cell["value"] is None:
            return cell["text"]
        unit = self.experiment.unit
        words = {axis.name: axis_text(axis, point[axis.name]) for axis in self.experiment.axes}
        words |= {name: quantity(cell[name], unit) for name in ("value", "low", "high")}
        words |= {f"part:{name}": quantity(part, unit) for name, part in cell["parts"].items()}
        sentence = _PLACEHOLDER.sub(lambda match: words[match[1]], self.experiment.readout)
        return f"{sentence} {cell['text']}".strip()


def _column(numbers: Sequence[float | None], shape: Sequence[int]) -> np.ndarray:
    """Return `numbers`, rounded, as an array of length 1 along every axis of `shape` on which they do not depend.

    Args:
        numbers: one for each point, the last axis varying fastest; None where any will do.
        shape: the length of every axis.
    """
    table = np.array([float(f"{number or 0:.{_DIGITS}g}") for number in numbers]).reshape(shape)
    given = np.array([number is not None for number in numbers]).reshape(shape)
    for axis in range(len(shape)):
        least = np.min(table, axis=axis, keepdims=True, where=given, initial=math.inf)
        most = np.max(table, axis=axis, keepdims=True, where=given, initial=-math.inf)
        if (least >= most).all():
            given = given.any(axis=axis, keepdims=True)
            table = np.where(given, most, 0)
    return table


def _packed(column: np.ndarray) -> dict:
    strides = [math.prod(column.shape[k + 1:]) if length > 1 else 0 for k, length in enumerate(column.shape)]
    return {"strides": strides, "values": [_short(number) for number in column.ravel().tolist()]}


def _short(number: float) -> float | int:
    """Return a whole number as such, so that JSON has no `.0`."""
    return int(number) if number.is_integer() and abs(number) < 1e15 else number
