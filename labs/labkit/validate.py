"""`labkit validate`: every experiment's prediction against this machine's measurement.

Each lab family offers `validation(machine)`: its experiments, with points that its calibration did not run. The table
says how far the predictions were off, in the median and for nine points in ten, beside the goal of the course. Times
are at the pace of the calibration; *by clock* is the median without that, so that the machine's own wandering shows.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from labkit import cache
from labkit.experiment import Comparison, compare
from labkit.machine import Machine, this
from labkit.progress import report

# The module of labkit.experiments behind each lab, and its goal: median and 90th percentile, as fractions.
LABS = {"1.1": "tour", "1.2": "layers", "1.3": "step", "4.1": "small_machine", "4.4": "offload"}
GOALS = {"1.1": (0.10, 0.20), "1.2": (0.10, 0.20), "1.3": (0.15, 0.30), "4.1": (0.15, 0.30), "4.4": (0.15, 0.30)}


@dataclass(frozen=True)
class Verdict:
    """How one experiment did: its lab, its name, its predictions beside the measurements, and the lab's goal."""

    lab: str
    comparison: Comparison
    goal: tuple[float, float]

    @property
    def title(self) -> str:
        """The experiment's name."""
        return self.comparison.experiment.title

    @property
    def unavailable(self) -> int:
        """How many points could not be run here."""
        return sum(row.error is None for row in self.comparison.rows)

    @property
    def reached(self) -> bool | None:
        """Whether the errors are within the goal; None where nothing could be measured."""
        if not self.comparison.errors:
            return None
        return self.comparison.median_error <= self.goal[0] and self.comparison.p90_error <= self.goal[1]


def instruments(lab: str) -> tuple[str, ...]:
    """Return the instruments that a lab's predictions need.

    Raises:
        ValueError: no such lab.
    """
    if lab not in LABS:
        raise ValueError(f"There is no lab '{lab}' to validate. There are {', '.join(LABS)}.")
    return import_module(f"labkit.experiments.{LABS[lab]}").NEEDS


def validate(machine: Machine, labs=tuple(LABS)) -> Iterator[Verdict]:
    """Yield a verdict for every experiment of some labs, as soon as it is measured.

    Args:
        machine: this machine, with what `instruments` names.
        labs: keys of `LABS`.
    """
    for done, lab in enumerate(labs):
        report(done / len(labs), f"Validating lab {lab}")
        for experiment, points in import_module(f"labkit.experiments.{LABS[lab]}").validation(machine):
            yield Verdict(lab, compare(experiment, points), GOALS[lab])


def calibrated(labs=tuple(LABS), again: bool = False) -> Machine:
    """Return this machine with all that the predictions of some labs need."""
    return this(*dict.fromkeys(name for lab in labs for name in instruments(lab)), again=again)


def line(verdict: Verdict) -> str:
    """Return a verdict as a line of the table that `HEADING` opens."""
    errors = verdict.comparison
    if verdict.reached is None:
        reason = next(side.reason for row in errors.rows for side in (row.predicted, row.measured) if not side)
        return f"{verdict.lab:<4} {verdict.title:<44} not measurable here: {reason}"
    left = f", {verdict.unavailable} unavailable" if verdict.unavailable else ""
    return (f"{verdict.lab:<4} {verdict.title:<44} {errors.median_error:>7.1%} {errors.p90_error:>7.1%}"
            f" {errors.clock_error:>9.1%}   {verdict.goal[0]:.0%} and {verdict.goal[1]:.0%}: "
            f"{'reached' if verdict.reached else 'missed'}"
            f" ({len(errors.errors)} points{left})")


HEADING = f"{'lab':<4} {'experiment':<44} {'median':>7} {'p90':>7} {'by clock':>9}   goal"


def record(verdicts: Iterable[Verdict], machine: Machine, path: Path) -> None:
    """Write every predicted and measured point to a CSV file, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["machine", "date", "lab", "experiment", "point", "predicted", "measured", "by_clock", "unit"])
    for verdict in verdicts:
        for row in verdict.comparison.rows:
            if row.error is not None:
                point = ", ".join(f"{name} {value}" for name, value in row.point.items())
                clock = row.measured.value if row.measured.clock is None else row.measured.clock
                values = [f"{number:.4g}" for number in (row.predicted.value, row.measured.value, clock)]
                table.writerow([machine.name, machine.date[:10], verdict.lab, verdict.title, point, *values,
                                verdict.comparison.experiment.unit])
    cache.write_atomically(Path(path), text.getvalue().encode())
