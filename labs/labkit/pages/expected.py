"""What comes out of each lab: on real machines what was measured there, on those that were emulated what held."""

from __future__ import annotations

from collections.abc import Iterator

from labkit import recorded
from labkit.data import data_folder, read_csv
from labkit.display import TextTable
from labkit.labs.lab import labs
from labkit.pages import machines_tried
from labkit.units import quantity

NOTHING = "–"


def measured() -> TextTable:
    """Return from where to where each experiment's measurements lie: a column for each machine on record."""
    values: dict[str, dict[tuple[str, str, str], list[float]]] = {}
    for machine, *experiment, value in _on_record():
        values.setdefault(machine, {}).setdefault(tuple(experiment), []).append(value)
    experiments = sorted({key for column in values.values() for key in column})
    return TextTable(["lab", "experiment", *values], [
        [number, title, *(_range(column[number, title, unit], unit) if (number, title, unit) in column else NOTHING
                          for column in values.values())] for number, title, unit in experiments])


def emulated() -> TextTable:
    """Return a row for each lab: on how many of the emulated machines it ran, what held there, and for how long."""
    rows = {lab.number: [row for row in machines_tried.rows() if row["lab"] == lab.number] for lab in labs()}
    return TextTable(["lab", "emulated machines", "statements as expected", "otherwise", "seconds"], [
        [number, str(len(tried)), *_told(tried)] if tried else [number, "none yet", *[NOTHING] * 3]
        for number, tried in rows.items()])


def _on_record() -> Iterator[tuple[str, str, str, str, float]]:
    """Yield machine, lab, experiment, unit and value of every measurement of the course's and of recorded machines."""
    for row in read_csv(data_folder() / "measured" / "predictions.csv"):
        yield row["machine"], row["lab"], row["experiment"], row["unit"], float(row["measured"])
    for each in recorded.machines():
        yield from ((each.machine, part.lab, part.experiment, part.unit, point.measured.value)
                    for part in each.parts for point in part.points if point.measured)


def _told(tried: list[dict[str, str]]) -> list[str]:
    held, seconds = ([int(row[name]) for row in tried] for name in ("held", "seconds"))
    surprised = sum(bool(row["surprises"]) for row in tried)
    return [_span(held), f"on {surprised} of {len(tried)}" if surprised else "none", _span(seconds)]


def _range(values: list[float], unit: str) -> str:
    low, high = (quantity(value, unit) for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _span(values: list[int]) -> str:
    return str(min(values)) if min(values) == max(values) else f"{min(values)} to {max(values)}"
