"""The idea that the course hangs on: what can be predicted anywhere and measured where the hardware exists.

An `Experiment` has axes (its sliders), a prediction for every point on them, and a measurement for the points
that this machine can run. A point that cannot be predicted or measured is `Unavailable`, with the reason.
This module depends on nothing outside the standard library but on statistics, and on how tables are written.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from numbers import Real
from statistics import median
from time import perf_counter
from typing import Any

from labkit.display import comparison_html, published_html
from labkit.stats import nine_in_ten
from labkit.units import percent

Point = Mapping[str, Any]


@dataclass(frozen=True)
class Axis:
    """One slider.

    Args:
        name: the keyword under which `predict` and `measure` receive the value.
        label: what the reader sees, without the unit.
        values: every value that the slider takes, in order; numbers rise, or all are strings (a category).
        start: where the slider starts; the first value unless given.
        unit: the unit of the values, `""` for a count or a category.
        log: whether a picture of this axis is logarithmic.

    Raises:
        ValueError: no values, values out of order, or a start that is not among them.
    """

    name: str
    label: str
    values: tuple
    start: Any = None
    unit: str = ""
    log: bool = False

    def __post_init__(self):
        object.__setattr__(self, "values", tuple(self.values))
        if not self.values:
            raise ValueError(f"The axis '{self.name}' has no values: give it at least one.")
        if not self.categorical:
            if not all(isinstance(v, Real) and math.isfinite(v) for v in self.values):
                raise ValueError(f"The axis '{self.name}' mixes numbers with something else: {self.values}.")
            if any(a >= b for a, b in itertools.pairwise(self.values)):
                raise ValueError(f"The values of the axis '{self.name}' must rise: {self.values}.")
            if self.log and self.values[0] <= 0:
                raise ValueError(f"The logarithmic axis '{self.name}' needs values above 0, not {self.values[0]}.")
        elif len(set(self.values)) < len(self.values):
            raise ValueError(f"The axis '{self.name}' names a category twice: {self.values}.")
        if self.start is None:
            object.__setattr__(self, "start", self.values[0])
        self.index(self.start)

    @property
    def categorical(self) -> bool:
        """Whether the values are names, not numbers."""
        return all(isinstance(v, str) for v in self.values)

    def index(self, value) -> int:
        """Return the position of `value` among the values.

        Raises:
            ValueError: the value is not on the axis; the message names the nearest one that is.
        """
        try:
            return self.values.index(value)
        except ValueError:
            raise ValueError(f"{self.label} cannot be {value!r}. {self._allowed(value)}") from None

    def _allowed(self, value) -> str:
        if self.categorical:
            return f"Choose one of: {', '.join(self.values)}."
        unit = f" {self.unit}" if self.unit else ""
        span = f"The slider runs from {self.values[0]:,} to {self.values[-1]:,}{unit}"
        if isinstance(value, Real) and value == value:
            inside = min(max(value, self.values[0]), self.values[-1])
            nearest = min(self.values, key=lambda v: abs(v - inside))
            return f"{span}; the nearest value on it is {nearest:,}."
        return f"{span}."


@dataclass(frozen=True)
class Outcome:
    """What one point yields.

    Args:
        value: the quantity, in `unit`.
        unit: its SI unit without prefix (`"s"`, `"B"`, `"FLOP/s"`), `"%"`, or the name of what is counted.
        low, high: the interval around it, in the same unit; the value itself where no interval is known.
        parts: what the value is made of, in the same unit; they add up to the value.
        note: one sentence that must stand beside the number ("emulated", "datasheet floor").
        speed: of a measurement: the machine's speed while it was taken, as a fraction of its calibrated speed; by
            part where parts have speeds of their own; None where nothing is known of it. The value is the clock's.

    Raises:
        ValueError: a number that is not finite, an interval that misses the value, parts that do not add up, or a
            speed that is not above 0.
    """

    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    speed: float | Mapping[str, float] | None = None

    def __post_init__(self):
        for bound in ("low", "high"):
            if getattr(self, bound) is None:
                object.__setattr__(self, bound, self.value)
        numbers = (self.low, self.value, self.high, *self.parts.values())
        if not all(math.isfinite(n) for n in numbers):
            raise ValueError(f"An outcome needs finite numbers, not {numbers}.")
        if not self.low <= self.value <= self.high:
            raise ValueError(f"The interval {self.low}–{self.high} misses the value {self.value}.")
        if self.parts and not math.isclose(sum(self.parts.values()), self.value, rel_tol=1e-6):
            raise ValueError(f"The parts add up to {sum(self.parts.values())}, not to the value {self.value}.")
        speeds = self.speed.values() if isinstance(self.speed, Mapping) else (self.speed,)
        if not all(speed is None or 0 < speed < math.inf for speed in speeds):
            raise ValueError(f"A speed is above 0, not {self.speed}.")

    def at_speed(self, speed: float | Mapping[str, float] | None) -> Outcome:
        """Return this prediction carried to another speed of the machine than the calibrated one.

        Times grow as a machine slows down; rates, and the sources or streams that it serves, fall; other quantities do
        not depend on it.

        Args:
            speed: as in `Outcome`; parts that it does not name keep theirs.
        """
        if speed is None or not (self.unit == "s" or self.unit.endswith(("/s", "sources", "streams"))):
            return self
        if isinstance(speed, Mapping):
            parts = {name: part / speed.get(name, 1.0) for name, part in self.parts.items()}
            factor = sum(parts.values()) / self.value if parts and self.value else 1.0
        else:
            factor = 1 / speed if self.unit == "s" else speed
            parts = {name: factor * part for name, part in self.parts.items()}
        return replace(self, value=factor * self.value, low=factor * self.low, high=factor * self.high, parts=parts)


@dataclass(frozen=True)
class Unavailable:
    """A point that cannot be predicted or measured here, and why. It is false, so `if outcome:` reads well."""

    reason: str

    def __bool__(self) -> bool:
        return False

    def _repr_pretty_(self, printer, cycle) -> None:
        printer.text(self.reason)


@dataclass(frozen=True)
class Published:
    """A figure that somebody else measured: shown on top of a prediction, never fitted to it.

    Args:
        point: the values of the axes that it belongs to.
        value: the figure, in the experiment's unit.
        label: the system, as its source names it.
        source: where the figure stands.
    """

    point: Point
    value: float
    label: str
    source: str


class Experiment:
    """Something that can be predicted anywhere and measured where the hardware exists.

    Args:
        title: a name for headings and for the screen reader.
        quantity: what the value is, for the axis of a picture ("Time of one step").
        unit: the unit of every outcome.
        axes: the sliders.
        predict: a pure function of one keyword per axis, returning an `Outcome` or `Unavailable`.
        measure: the same for the real thing; without it every measurement is `Unavailable`.
        readout: one sentence about a point, with `{name}` for an axis and `{value}` for the outcome.
        published: figures of others, to set beside the prediction.
        session: a context within which several points are measured, for what is dear to start for each.
    """

    def __init__(
        self,
        *,
        title: str,
        quantity: str,
        unit: str,
        axes: Iterable[Axis],
        predict: Callable[..., Outcome | Unavailable],
        measure: Callable[..., Outcome | Unavailable] | None = None,
        readout: str,
        published: Iterable[Published] = (),
        session: Callable[[], AbstractContextManager] = nullcontext,
    ):
        self.title, self.quantity, self.unit, self.readout = title, quantity, unit, readout
        self.axes, self.published = tuple(axes), tuple(published)
        self._predict, self._measure, self.session = predict, measure, session
        for figure in self.published:
            self.check(figure.point)

    def axis(self, name: str) -> Axis:
        """Return the axis called `name`; raises `ValueError` when there is none."""
        for axis in self.axes:
            if axis.name == name:
                return axis
        raise ValueError(f"There is no axis '{name}'. The axes are: {', '.join(a.name for a in self.axes)}.")

    @property
    def start(self) -> dict:
        """The point at which the sliders start."""
        return {axis.name: axis.start for axis in self.axes}

    @property
    def measurable(self) -> bool:
        """Whether the experiment has a measurement at all."""
        return self._measure is not None

    def check(self, point: Point) -> dict:
        """Return `point` in the axes' own values (128 for 128.0); raises `ValueError` where it is not on the axes."""
        missing = [a.name for a in self.axes if a.name not in point]
        if missing:
            raise ValueError(f"A point needs a value for every axis; missing: {', '.join(missing)}.")
        return {name: self.axis(name).values[self.axis(name).index(value)] for name, value in point.items()}

    def points(self) -> Iterator[dict]:
        """Yield every point of the grid; the last axis varies fastest."""
        for values in itertools.product(*(axis.values for axis in self.axes)):
            yield dict(zip((a.name for a in self.axes), values, strict=True))

    def predict(self, **point) -> Outcome | Unavailable:
        """Return the model's outcome at a point; raises `ValueError` for a point off the axes."""
        return self._predict(**self.check(point))

    def measure(self, **point) -> Outcome | Unavailable:
        """Run the real thing at a point; raises `ValueError` for a point off the axes."""
        point = self.check(point)
        if self._measure is None:
            return Unavailable(f"{self.title} can only be predicted: it has no measurement.")
        return self._measure(**point)


@dataclass(frozen=True)
class Row:
    """One point, predicted and measured."""

    point: dict
    predicted: Outcome | Unavailable
    measured: Outcome | Unavailable

    @property
    def carried(self) -> Outcome | Unavailable:
        """The prediction, carried to the speed that the machine had while the point was measured."""
        return self.predicted.at_speed(self.measured.speed) if self.predicted and self.measured else self.predicted

    @property
    def error(self) -> float | None:
        """The error of the carried prediction, as a fraction of the measurement; None where a half is missing."""
        return self._error(self.carried)

    @property
    def plain_error(self) -> float | None:
        """The error of the plain prediction: the machine's own drift since its calibration comes on top."""
        return self._error(self.predicted)

    def _error(self, predicted: Outcome | Unavailable) -> float | None:
        return _relative(predicted, self.measured.value) if self.measured else None


@dataclass(frozen=True)
class PublishedRow:
    """One point, predicted and published."""

    point: dict
    predicted: Outcome | Unavailable
    published: Published

    @property
    def error(self) -> float | None:
        """The error of the prediction, as a fraction of the published figure; None where nothing is predicted."""
        return _relative(self.predicted, self.published.value)


def _relative(predicted: Outcome | Unavailable, value: float) -> float | None:
    return abs(predicted.value - value) / abs(value) if predicted and value else None


@dataclass(frozen=True)
class _Errors:
    """Rows of an experiment, each with an `error`, and the distribution of those errors."""

    experiment: Experiment
    rows: tuple

    @property
    def errors(self) -> list[float]:
        """The errors of all points that have both halves, as fractions, ascending."""
        return sorted(row.error for row in self.rows if row.error is not None)

    @property
    def median_error(self) -> float:
        """The median of the errors; raises `ValueError` when no point has both halves."""
        return median(_some(self.errors))

    @property
    def p90_error(self) -> float:
        """The smallest error that nine tenths of the points do not exceed; raises as `median_error` does."""
        return nine_in_ten(_some(self.errors))


@dataclass(frozen=True)
class Comparison(_Errors):
    """Predictions beside measurements, and how far apart they are at today's speed; a notebook shows it as a table."""

    rows: tuple[Row, ...]

    @property
    def plain_errors(self) -> list[float]:
        """The same of the plain predictions."""
        return sorted(row.plain_error for row in self.rows if row.plain_error is not None)

    @property
    def plain_median_error(self) -> float:
        """The median error of the plain predictions; raises `ValueError` when no point has both halves."""
        return median(_some(self.plain_errors))

    def __str__(self) -> str:
        if not self.errors:
            reasons = [half.reason for row in self.rows for half in (row.predicted, row.measured) if not half]
            return f"Nothing could be compared here: {reasons[0] if reasons else 'there are no points.'}"
        return (f"The prediction is off by {percent(self.median_error)} in the median, and by "
                f"{percent(self.p90_error)} or less for nine points in ten ({percent(self.plain_median_error)} in the "
                "median if the machine's drift since its calibration is not taken into account).")

    def _repr_html_(self) -> str:
        return comparison_html(self)


@dataclass(frozen=True)
class PublishedComparison(_Errors):
    """Predictions beside what others published, and how far apart they are; a notebook shows it as a table."""

    rows: tuple[PublishedRow, ...]

    def __str__(self) -> str:
        if not self.errors:
            reasons = [row.predicted.reason for row in self.rows if not row.predicted]
            return f"Nothing could be compared: {reasons[0] if reasons else 'there are no published figures.'}"
        return (f"The prediction is off from what was published by {percent(self.median_error)} in the median, and by "
                f"{percent(self.p90_error)} or less for nine points in ten.")

    def _repr_html_(self) -> str:
        return published_html(self)


def _some(errors: list[float]) -> list[float]:
    if not errors:
        raise ValueError("No point has both halves, a prediction and a figure to hold it to: there is no error.")
    return errors


def compare(experiment: Experiment, points: Iterable[Point], seconds: float = math.inf) -> Comparison:
    """Predict every point first, then measure each, so that no prediction has seen its measurement.

    Args:
        experiment: what is compared.
        points: in the order in which they are measured.
        seconds: after which no further point is begun; those that are left have no measurement, and say so.
    """
    points = [experiment.check(point) for point in points]
    predicted = [experiment.predict(**point) for point in points]
    spent = Unavailable(f"The {seconds:.0f} s for these measurements were spent on the points before it.")
    begin = perf_counter()
    with experiment.session():
        measured = [experiment.measure(**point) if perf_counter() - begin < seconds else spent for point in points]
    _comparisons.append(Comparison(experiment, tuple(map(Row, points, predicted, measured))))
    return _comparisons[-1]


_comparisons: list[Comparison] = []


def begin() -> None:
    """Start the list of comparisons anew."""
    _comparisons.clear()


def comparisons() -> tuple[Comparison, ...]:
    """Return what this process has compared since `begin`, in order."""
    return tuple(_comparisons)


def compare_published(experiment: Experiment) -> PublishedComparison:
    """Return the experiment's prediction beside each of its published figures; nothing is measured."""
    return PublishedComparison(experiment, tuple(
        PublishedRow(point, experiment.predict(**point), figure)
        for figure in experiment.published for point in [experiment.check(figure.point)]))


def ratio(more: Outcome | Unavailable, less: Outcome | Unavailable) -> Outcome | Unavailable:
    """Return how many times `less` fits into `more`, or why that cannot be said."""
    if not (more and less):
        return less if more else more
    return Outcome(more.value / less.value, "times", low=more.low / less.high, high=more.high / less.low)
