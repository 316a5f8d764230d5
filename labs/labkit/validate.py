"""`labkit validate`: every experiment's prediction against this machine's measurement.

Each lab offers `validation(machine)`: its experiments, with points that its calibration did not run. The table says how
far the predictions were off, in the median and for nine points in ten, beside the goals of the lab: carried to the
speed that the machine had while it was measured, and plain.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from labkit import cache
from labkit.data import data_folder, read_csv
from labkit.experiment import Comparison, compare
from labkit.labs.lab import Goal, Lab, labs
from labkit.machine import Machine, this
from labkit.progress import report
from labkit.stats import nine_in_ten

_COLUMNS = ("machine", "date", "lab", "experiment", "point", "predicted", "carried", "measured", "unit")


@dataclass(frozen=True)
class Score:
    """How far the predictions of one experiment were off.

    Args:
        lab: the lab's number.
        title: of the experiment.
        goal: what its errors are held to.
        errors: of every measured point at the machine's speed meanwhile, as fractions, ascending.
        plain_errors: the same of the plain predictions.
        unavailable: how many points could not be run.
        reason: why none could, where none could.
    """

    lab: str
    title: str
    goal: Goal
    errors: tuple[float, ...]
    plain_errors: tuple[float, ...]
    unavailable: int = 0
    reason: str = ""

    @property
    def median(self) -> float:
        """The median error, as a fraction."""
        return median(self.errors)

    @property
    def p90(self) -> float:
        """The smallest error that nine tenths of the points do not exceed, as a fraction."""
        return nine_in_ten(self.errors)

    @property
    def plain_median(self) -> float:
        """The median error of the plain predictions, as a fraction."""
        return median(self.plain_errors)

    @property
    def plain_p90(self) -> float:
        """The plain error that nine tenths of the points do not exceed, as a fraction."""
        return nine_in_ten(self.plain_errors)

    @property
    def reached(self) -> bool | None:
        """Whether the errors at today's speed are within the goal; None where nothing could be measured."""
        return self.median <= self.goal.median and self.p90 <= self.goal.p90 if self.errors else None

    @property
    def plain_reached(self) -> bool | None:
        """Whether the plain errors are within the goal; None where nothing could be measured."""
        if not self.plain_errors:
            return None
        return self.plain_median <= self.goal.plain_median and self.plain_p90 <= self.goal.plain_p90


def by_number() -> dict[str, Lab]:
    """Return every lab of the course by its number."""
    return {lab.number: lab for lab in labs()}


def chosen(numbers: Sequence[str]) -> list[Lab]:
    """Return the labs with some numbers, all for none; raises `ValueError` for a number that no lab has."""
    known = by_number()
    for number in numbers:
        if number not in known:
            raise ValueError(f"There is no lab '{number}' to validate. There are {', '.join(known)}.")
    return [known[number] for number in dict.fromkeys(numbers)] or list(known.values())


def validate(machine: Machine, these: Sequence[Lab]) -> Iterator[tuple[Lab, Comparison]]:
    """Yield the lab and the comparison of every experiment of some labs, as soon as it is measured.

    Args:
        machine: this machine, with what the labs' probes find on it.
        these: the labs.
    """
    for done, lab in enumerate(these):
        report(done / len(these), f"Validating lab {lab.number}")
        for experiment, points in lab.part("experiments").validation(machine):
            yield lab, compare(experiment, points)


def calibrated(these: Sequence[Lab], again: bool = False) -> Machine:
    """Return this machine with all that the predictions of some labs need."""
    return this(*dict.fromkeys(probe for lab in these for probe in lab.probes), again=again)


def score(lab: Lab, comparison: Comparison) -> Score:
    """Return the score of a comparison that `validate` yielded."""
    title = comparison.experiment.title
    reasons = [side.reason for row in comparison.rows for side in (row.predicted, row.measured) if not side]
    errors = tuple(comparison.errors)
    return Score(lab.number, title, lab.goal_of(title), errors, tuple(comparison.plain_errors),
                 len(comparison.rows) - len(errors), reasons[0] if reasons and not errors else "")


HEADING = f"{'':<49} {'at today speed':>15} {'plain':>15}\n" \
          f"{'lab':<4} {'experiment':<44} {'median':>7} {'p90':>7} {'median':>7} {'p90':>7}   goals"


def line(score: Score) -> str:
    """Return a score as a line of the table that `HEADING` opens."""
    start = f"{score.lab:<4} {score.title:<44}"
    if score.reached is None:
        return f"{start} not measurable here: {score.reason}"
    left = f", {score.unavailable} unavailable" if score.unavailable else ""
    goal, words = score.goal, {True: "reached", False: "missed"}
    return (f"{start} {score.median:>7.1%} {score.p90:>7.1%} {score.plain_median:>7.1%} {score.plain_p90:>7.1%}   "
            f"{goal.median:.0%} and {goal.p90:.0%}: {words[score.reached]}; "
            f"{goal.plain_median:.0%} and {goal.plain_p90:.0%}: {words[score.plain_reached]} "
            f"({len(score.errors)} points{left})")


def record(comparisons: Sequence[tuple[Lab, Comparison]], machine: Machine, path: Path) -> None:
    """Write every predicted and measured point of what `validate` yielded to a CSV file, whole or not at all.

    What the file holds of other labs of the same machine stays.

    Raises:
        OSError: the file cannot be read or written.
        ValueError: there is another file, which is no record.
    """
    numbers, path = {lab.number for lab, _ in comparisons}, Path(path)
    rows = [row for row in (_rows(path) if path.exists() else ())
            if row["machine"] == machine.name and row["lab"] not in numbers]
    for lab, comparison in comparisons:
        for row in comparison.rows:
            if row.error is not None:
                point = ", ".join(f"{name} {value}" for name, value in row.point.items())
                outcomes = (row.predicted, row.carried, row.measured)
                values = [machine.name, machine.date[:10], lab.number, comparison.experiment.title, point,
                          *(f"{outcome.value:.4g}" for outcome in outcomes), comparison.experiment.unit]
                rows.append(dict(zip(_COLUMNS, values, strict=True)))
    text = io.StringIO()
    table = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(sorted(rows, key=lambda row: row["lab"]))
    cache.write_atomically(path, text.getvalue().encode())


def _rows(path: Path) -> list[dict[str, str]]:
    rows = read_csv(path)
    if any(tuple(row) != _COLUMNS for row in rows):
        raise ValueError(f"{path.name} is not a record of predictions, which labkit validate --record writes.")
    return rows


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
    rows, known = _rows(path), by_number()
    try:
        errors = {}
        for row in rows:
            carried, predicted, measured = (float(row[name]) for name in ("carried", "predicted", "measured"))
            errors.setdefault((row["lab"], row["experiment"]), []).append(
                [abs(value - measured) / abs(measured) for value in (carried, predicted)])
        scores = tuple(Score(number, title, known[number].goal_of(title) if number in known else Goal(),
                             *(tuple(sorted(column)) for column in zip(*pairs, strict=True)))
                       for (number, title), pairs in errors.items())
        return Record(rows[0]["machine"], max(row["date"] for row in rows), scores)
    except (IndexError, TypeError, ValueError, ZeroDivisionError) as trouble:
        raise ValueError(f"{path.name} is not a record of predictions, or empty.") from trouble
