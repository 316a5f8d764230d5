"""`labkit validate`: every experiment's prediction against this machine's measurement.

Each lab family offers `validation(machine)`: its experiments, with points that its calibration did not run. The table
says how far the predictions were off, in the median and for nine points in ten, beside the goal of the course. Times
are at the pace of the calibration; *by clock* is the median without that, so that the machine's own wandering shows.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from statistics import median

from labkit import cache
from labkit.experiment import Comparison, compare, nine_in_ten
from labkit.machine import Machine, data_folder, this
from labkit.progress import report

# The module of labkit.experiments behind each lab, and its goal: median and 90th percentile, as fractions.
# An experiment with a goal of its own is there by its title.
LABS = {"1.1": "tour", "1.2": "layers", "1.3": "step", "2.1": "precision", "2.2": "more_nodes", "3.1": "latency",
        "3.2": "throughput", "3.3": "serving", "4.1": "small_machine", "4.4": "offload"}
GOALS = {**dict.fromkeys(LABS, (0.15, 0.30)), "1.1": (0.10, 0.20), "1.2": (0.10, 0.20), "2.1": (0.10, 0.20),
         "2.2": (0.10, 0.20), "Answers from 90 to 150 % of the capacity": (0.30, 0.60)}


_COLUMNS = ("machine", "date", "lab", "experiment", "point", "predicted", "measured", "by_clock", "unit")


@dataclass(frozen=True)
class Score:
    """How far the predictions of one experiment were off.

    Args:
        lab: a key of `LABS`.
        title: of the experiment.
        errors: of every measured point at the pace of the calibration, as fractions, ascending.
        by_clock: the same by the clock.
        unavailable: how many points could not be run.
        reason: why none could, where none could.
    """

    lab: str
    title: str
    errors: tuple[float, ...]
    by_clock: tuple[float, ...]
    unavailable: int = 0
    reason: str = ""

    @property
    def goal(self) -> tuple[float, float]:
        """The goal for the median and for the 90th percentile, as fractions."""
        return GOALS.get(self.title, GOALS[self.lab])

    @property
    def median(self) -> float:
        """The median error, as a fraction."""
        return median(self.errors)

    @property
    def p90(self) -> float:
        """The smallest error that nine tenths of the points do not exceed, as a fraction."""
        return nine_in_ten(self.errors)

    @property
    def clock(self) -> float:
        """The median error by the clock, as a fraction."""
        return median(self.by_clock)

    @property
    def reached(self) -> bool | None:
        """Whether the errors are within the goal; None where nothing could be measured."""
        return self.median <= self.goal[0] and self.p90 <= self.goal[1] if self.errors else None


def instruments(lab: str) -> tuple[str, ...]:
    """Return the instruments that a lab's predictions need.

    Raises:
        ValueError: no such lab.
    """
    if lab not in LABS:
        raise ValueError(f"There is no lab '{lab}' to validate. There are {', '.join(LABS)}.")
    return import_module(f"labkit.experiments.{LABS[lab]}").NEEDS


def validate(machine: Machine, labs=tuple(LABS)) -> Iterator[tuple[str, Comparison]]:
    """Yield the lab and the comparison of every experiment of some labs, as soon as it is measured.

    Args:
        machine: this machine, with what `instruments` names.
        labs: keys of `LABS`.
    """
    for done, lab in enumerate(labs):
        report(done / len(labs), f"Validating lab {lab}")
        for experiment, points in import_module(f"labkit.experiments.{LABS[lab]}").validation(machine):
            yield lab, compare(experiment, points)


def calibrated(labs=tuple(LABS), again: bool = False) -> Machine:
    """Return this machine with all that the predictions of some labs need."""
    return this(*dict.fromkeys(name for lab in labs for name in instruments(lab)), again=again)


def score(lab: str, comparison: Comparison) -> Score:
    """Return the score of a comparison that `validate` yielded."""
    rows = [row for row in comparison.rows if row.error is not None]
    reasons = [side.reason for row in comparison.rows for side in (row.predicted, row.measured) if not side]
    return Score(lab, comparison.experiment.title, tuple(comparison.errors),
                 tuple(sorted(row.clock_error for row in rows)), len(comparison.rows) - len(rows),
                 reasons[0] if reasons and not rows else "")


HEADING = f"{'lab':<4} {'experiment':<44} {'median':>7} {'p90':>7} {'by clock':>9}   goal"


def line(found: Score) -> str:
    """Return a score as a line of the table that `HEADING` opens."""
    start = f"{found.lab:<4} {found.title:<44}"
    if found.reached is None:
        return f"{start} not measurable here: {found.reason}"
    left = f", {found.unavailable} unavailable" if found.unavailable else ""
    return (f"{start} {found.median:>7.1%} {found.p90:>7.1%} {found.clock:>9.1%}   "
            f"{found.goal[0]:.0%} and {found.goal[1]:.0%}: {'reached' if found.reached else 'missed'} "
            f"({len(found.errors)} points{left})")


def record(found: Sequence[tuple[str, Comparison]], machine: Machine, path: Path) -> None:
    """Write every predicted and measured point of what `validate` yielded to a CSV file, whole or not at all.

    What the file holds of other labs of the same machine stays.

    Raises:
        OSError: the file cannot be read or written.
        ValueError: there is another file, which is no record.
    """
    labs, path = {lab for lab, _ in found}, Path(path)
    rows = [row for row in (_rows(path) if path.exists() else ())
            if row["machine"] == machine.name and row["lab"] not in labs]
    for lab, comparison in found:
        for row in comparison.rows:
            if row.error is not None:
                point = ", ".join(f"{name} {value}" for name, value in row.point.items())
                clock = row.measured.value if row.measured.clock is None else row.measured.clock
                values = [f"{number:.4g}" for number in (row.predicted.value, row.measured.value, clock)]
                values = [machine.name, machine.date[:10], lab, comparison.experiment.title, point, *values,
                          comparison.experiment.unit]
                rows.append(dict(zip(_COLUMNS, values, strict=True)))
    text = io.StringIO()
    table = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(sorted(rows, key=lambda row: row["lab"]))
    cache.write_atomically(path, text.getvalue().encode())


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        if tuple(table.fieldnames or ()) != _COLUMNS:
            raise ValueError(f"{path.name} is not a record of predictions, which labkit validate --record writes.")
        return list(table)


@dataclass(frozen=True)
class Record:
    """What `record` wrote: the machine's name, the date of its last calibration, and a score for each experiment."""

    machine: str
    date: str
    scores: tuple[Score, ...]


def recorded(path: Path | None = None) -> Record:
    """Return what is on record in a file; in the course's own, `data/measured/predictions.csv`, unless given.

    Raises:
        OSError: there is no such file.
        ValueError: it holds nothing that `record` wrote.
    """
    path = path or data_folder() / "measured" / "predictions.csv"
    rows = _rows(path)
    try:
        errors = {}
        for row in rows:
            predicted, *measured = (float(row[name]) for name in ("predicted", "measured", "by_clock"))
            errors.setdefault((row["lab"], row["experiment"]), []).append(
                [abs(predicted - value) / abs(value) for value in measured])
        scores = tuple(Score(*key, *(tuple(sorted(column)) for column in zip(*found, strict=True)))
                       for key, found in errors.items())
        return Record(rows[0]["machine"], max(row["date"] for row in rows), scores)
    except (IndexError, TypeError, ValueError, ZeroDivisionError) as trouble:
        raise ValueError(f"{path.name} is not a record of predictions, or empty.") from trouble
