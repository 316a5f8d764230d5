"""Recorded machines: what `labkit record` found on one, as a JSON file that a reader can send.

It holds the machine and its software, and every point that was predicted and measured, with both intervals. What came
out outside of its predicted interval is a surprise, in a sentence. The course's own files lie in
`data/measured/machines`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError

from labkit import cache, doctor, effort, validate
from labkit.data import data_folder
from labkit.display import TextTable
from labkit.experiment import Comparison, Outcome, Row, Unavailable
from labkit.labs.lab import Lab
from labkit.machine import Machine
from labkit.stats import nine_in_ten
from labkit.units import percent, quantity


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Number(_Form):
    """An outcome: its value and its interval."""

    value: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat


class Point(_Form):
    """One point: what the model said, the same carried to the machine's speed meanwhile, and what the clock showed.

    `note` is what must be said beside the measurement, or why there is none.
    """

    at: str
    predicted: Number | None
    carried: Number | None
    measured: Number | None
    note: str = ""

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


def record(machine: Machine, found: Iterable[tuple[Lab, Comparison]]) -> Recorded:
    """Return a machine as it is recorded.

    Args:
        machine: this machine, calibrated.
        found: what `labkit.validate.validate` yields.
    """
    computer = doctor.examine()["computer"]
    parts = tuple(Part(lab=lab.number, experiment=each.experiment.title, unit=each.experiment.unit,
                       points=tuple(map(_point, each.rows))) for lab, each in found)
    surprises = tuple(
        f"Lab {part.lab}, {part.experiment}, {point.at}: measured {quantity(point.measured.value, part.unit)}, "
        f"predicted {quantity(point.carried.low, part.unit)} to {quantity(point.carried.high, part.unit)}."
        for part in parts for point in part.points if point.inside is False)
    software = {"python": computer["python"], "torch": computer["torch"], "system": computer["system"],
                **computer["packages"]}
    names = ("processors", "cores", "threads", "memory_bytes", "on_battery", "device")
    plain = {name: computer[name] for name in names}
    return Recorded(machine=machine.name, date=machine.date[:10], effort=effort.current(), disturbed=machine.note,
                    computer=plain, software=software, parts=parts, surprises=surprises)


def write(recorded: Recorded, path: Path) -> None:
    """Write a machine to a file, whole or not at all; raises `OSError` where it cannot be written."""
    cache.write_atomically(Path(path), recorded.model_dump_json(indent=1).encode() + b"\n")


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


def validated() -> tuple[str, ...]:
    """Return the row of the machine of `data/measured/predictions.csv`, which keeps no intervals."""
    kept = validate.recorded()
    errors = sorted(error for score in kept.scores for error in score.errors)
    return (kept.machine, kept.date, str(len(errors)), percent(median(errors), 1), percent(nine_in_ten(errors), 1), "–")


def _point(row: Row) -> Point:
    halves = row.measured, row.predicted
    note = next((half.reason for half in halves if not half), row.measured.note if row.measured else "")
    return Point(at=", ".join(f"{name} {value}" for name, value in row.point.items()), predicted=_number(row.predicted),
                 carried=_number(row.carried), measured=_number(row.measured), note=note)


def _number(outcome: Outcome | Unavailable) -> Number | None:
    return Number(value=outcome.value, low=outcome.low, high=outcome.high) if outcome else None
