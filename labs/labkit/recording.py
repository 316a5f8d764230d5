"""The recording of a machine: what `labkit record` writes, and what the course itself has on record."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import median

from labkit import cache, doctor, effort, validate
from labkit.experiment import Comparison, Outcome, Row, Unavailable
from labkit.labs.lab import Lab
from labkit.machine import Machine
from labkit.recorded import Number, Part, Point, Recorded
from labkit.stats import nine_in_ten
from labkit.units import percent, quantity


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
        f"Lab {part.lab}, {part.experiment}, {point}: measured {quantity(point.measured.value, part.unit)}, "
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


def validated() -> tuple[str, ...]:
    """Return the row of the machine of `data/measured/predictions.csv`, which keeps no intervals."""
    kept = validate.recorded()
    errors = sorted(error for score in kept.scores for error in score.errors)
    return (kept.machine, kept.date, str(len(errors)), percent(median(errors), 1), percent(nine_in_ten(errors), 1), "–")


def _point(row: Row) -> Point:
    halves = row.measured, row.predicted
    note = next((half.reason for half in halves if not half), row.measured.note if row.measured else "")
    return Point(at=row.point, predicted=_number(row.predicted), carried=_number(row.carried),
                 measured=_number(row.measured), note=note)


def _number(outcome: Outcome | Unavailable) -> Number | None:
    return Number(value=outcome.value, low=outcome.low, high=outcome.high) if outcome else None
