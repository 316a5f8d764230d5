"""Recorded machines: what `labkit record` found on one, read from the JSON file that a reader sent.

It holds the machine and its software, and every point that was predicted and measured, with both intervals. What came
out outside of its predicted interval is a surprise, in a sentence. The course's own files lie in
`data/measured/machines`; `labkit.recording` writes one.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from statistics import median
from typing import Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError, model_validator

from labkit.data import data_folder
from labkit.display import TextTable
from labkit.experiment import Experiment, Published
from labkit.stats import nine_in_ten
from labkit.units import percent


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Number(_Form):
    """An outcome: its value and its interval."""

    value: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat

    @model_validator(mode="after")
    def _ordered(self):
        if not self.low <= self.value <= self.high:
            raise ValueError(f"{self.value:g} does not lie between its ends, {self.low:g} and {self.high:g}")
        return self


class Point(_Form):
    """One point: what the model said, the same carried to the machine's speed meanwhile, and what the clock showed.

    `at` has a value for each axis. `note` is what must be said beside the measurement, or why there is none.
    """

    at: dict[str, bool | int | float | str]
    predicted: Number | None
    carried: Number | None
    measured: Number | None
    note: str = ""

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.at.items())

    @property
    def error(self) -> float | None:
        """The error of the carried prediction, as a fraction of the measurement."""
        if not (self.carried and self.measured and self.measured.value):
            return None
        return abs(self.carried.value - self.measured.value) / abs(self.measured.value)

    @property
    def inside(self) -> bool | None:
        """Whether the measurement lies in the carried prediction's interval."""
        if not (self.carried and self.measured):
            return None
        return self.carried.low <= self.measured.value <= self.carried.high


class Part(_Form):
    """One experiment."""

    lab: str
    experiment: str
    unit: str
    points: tuple[Point, ...]


class Recorded(_Form):
    """One machine, on one day."""

    form: Literal[1] = 1
    machine: str
    date: str
    effort: Literal["quick", "usual", "long"]
    disturbed: str
    computer: dict[str, str | int | float | bool | None]
    software: dict[str, str | None]
    parts: tuple[Part, ...]
    surprises: tuple[str, ...]

    @property
    def points(self) -> list[Point]:
        """All points that were predicted and measured."""
        return [point for part in self.parts for point in part.points if point.error is not None]


def read(path: Path) -> Recorded:
    """Return the machine of a file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds nothing that `labkit record` wrote; the message names the first field that is wrong.
    """
    try:
        return Recorded.model_validate_json(Path(path).read_bytes())
    except ValidationError as refusal:
        first = refusal.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        name = Path(path).name
        raise ValueError(f"{name} is no machine that labkit record wrote: {place}: {first['msg']}.") from None


@cache
def machines(folder: Path | None = None) -> tuple[Recorded, ...]:
    """Return the machines of a folder, the course's own unless given, the latest first; raises as `read`."""
    folder = folder or data_folder() / "measured" / "machines"
    return tuple(sorted(map(read, folder.glob("*.json")), key=lambda each: each.date, reverse=True))


HEADS = ("machine", "on", "points", "median error", "90th percentile", "in the interval")


def rows(these: Iterable[Recorded]) -> list[tuple[str, ...]]:
    """Return a row of texts for each machine, under `HEADS`."""
    found = []
    for each in these:
        if errors := sorted(point.error for point in each.points):
            inside = sum(point.inside for point in each.points) / len(errors)
            found.append((each.machine, each.date, str(len(errors)), percent(median(errors), 1),
                          percent(nine_in_ten(errors), 1), percent(inside)))
        else:
            found.append((each.machine, each.date, "0", "–", "–", "–"))
    return found


def table(these: Iterable[Recorded]) -> TextTable:
    """Return the machines as a table."""
    return TextTable(HEADS, rows(these))


def figures(experiment: Experiment, folder: Path | None = None) -> list[Published]:
    """Return what machines measured of an experiment, as figures to show on top of its predictions.

    A point that the experiment no longer has is left out.

    Args:
        folder: as in `machines`.
    """
    found = []
    for machine in machines(folder):
        for part in machine.parts:
            if (part.experiment, part.unit) == (experiment.title, experiment.unit):
                found += [Published(dict(point.at), point.measured.value, f"measured on {machine.machine}",
                                    f"labkit record, {machine.date}")
                          for point in part.points if point.measured and _there(experiment, point.at)]
    return found


def _there(experiment: Experiment, point: dict) -> bool:
    return point.keys() == experiment.start.keys() and all(
        value in experiment.axis(name).values for name, value in point.items())
