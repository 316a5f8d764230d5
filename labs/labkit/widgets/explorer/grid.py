"""Every prediction of an experiment at once, small enough to travel to the browser, which only looks values up."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.experiment import Axis, Experiment, Outcome, Point, Unavailable
from labkit.units import quantity

MOST_POINTS = 20_000
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def rounded(number: float) -> float | int:
    """Return `number` with the four significant digits that travel to the browser."""
    short = float(f"{number:.4g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short


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
        size = math.prod(len(axis.values) for axis in experiment.axes)
        if size > MOST_POINTS:
            lengths = " × ".join(f"{len(axis.values)} ({axis.label})" for axis in experiment.axes)
            raise ValueError(
                f"'{experiment.title}' has {size:,} points: {lengths}. An Explorer takes at most {MOST_POINTS:,}; "
                "give an axis fewer values."
            )
        self.experiment = experiment
        self._cells = {self.index(point): self._cell(experiment.predict(**point)) for point in experiment.points()}
        self.parts = list(dict.fromkeys(part for cell in self._cells.values() for part in cell["parts"]))
        known = [*(axis.name for axis in experiment.axes), "value", "low", "high", *(f"part:{p}" for p in self.parts)]
        for name in _PLACEHOLDER.findall(experiment.readout):
            if name not in known:
                raise ValueError(f"The readout asks for {{{name}}}. It can show: {', '.join(known)}.")

    def _cell(self, outcome: Outcome | Unavailable) -> dict:
        if not outcome:
            return {"value": None, "low": None, "high": None, "parts": {}, "text": outcome.reason}
        if outcome.unit != self.experiment.unit:
            raise ValueError(f"The prediction is in {outcome.unit!r}, the experiment in {self.experiment.unit!r}.")
        numbers = {name: rounded(getattr(outcome, name)) for name in ("value", "low", "high")}
        return {**numbers, "parts": {name: rounded(part) for name, part in outcome.parts.items()}, "text": outcome.note}

    def index(self, point: Point) -> tuple[int, ...]:
        """Return the position of `point` on every axis; raises `ValueError` for a point off the axes."""
        point = self.experiment.check(point)
        return tuple(axis.index(point[axis.name]) for axis in self.experiment.axes)

    def __getitem__(self, point: Point) -> Mapping:
        """Return `value`, `low`, `high` (None where unavailable), `parts` and `text` (the note or the reason)."""
        return self._cells[self.index(point)]

    def numbers(self, fixed: Mapping[str, Any]) -> Iterator[float]:
        """Yield every number on the curves and their bands, wherever the axes in `fixed` have the values there."""
        for point, cell in zip(self.experiment.points(), self._cells.values(), strict=True):
            if cell["value"] is not None and all(point[name] == value for name, value in fixed.items()):
                yield from (cell["low"], cell["value"], cell["high"])

    def packed(self) -> dict:
        """Return the columns that the browser reads, one entry a point, the last axis varying fastest."""
        cells = list(self._cells.values())
        columns = {name: [cell[name] for cell in cells] for name in ("value", "low", "high")}
        if columns["low"] == columns["value"] == columns["high"]:
            del columns["low"], columns["high"]
        columns["parts"] = {part: [cell["parts"].get(part, 0) for cell in cells] for part in self.parts}
        texts = list(dict.fromkeys(cell["text"] for cell in cells))
        place = {text: i for i, text in enumerate(texts)}
        return {**columns, "texts": texts, "text": [place[cell["text"]] for cell in cells]}

    def sentence(self, point: Point) -> str:
        """Return the readout at `point` and its note, or the reason why there is no prediction."""
        cell = self[point]
        if cell["value"] is None:
            return cell["text"]
        unit = self.experiment.unit
        words = {axis.name: axis_text(axis, point[axis.name]) for axis in self.experiment.axes}
        words |= {name: quantity(cell[name], unit) for name in ("value", "low", "high")}
        words |= {f"part:{part}": quantity(cell["parts"].get(part, 0), unit) for part in self.parts}
        sentence = _PLACEHOLDER.sub(lambda match: words[match[1]], self.experiment.readout)
        return f"{sentence} {cell['text']}".strip()
