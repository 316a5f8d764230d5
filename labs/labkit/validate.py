"""`labkit validate`: every experiment's prediction against this machine's measurement.

Each lab family offers `validation(machine)`: its experiments, with points that its calibration did not run. The table
says how far the predictions were off, in the median and for nine points in ten, beside the goal of the course.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module

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
        reason = next(row.measured.reason for row in errors.rows)
        return f"{verdict.lab:<4} {verdict.title:<44} not measurable here: {reason}"
    left = f", {verdict.unavailable} unavailable" if verdict.unavailable else ""
    return (f"{verdict.lab:<4} {verdict.title:<44} {errors.median_error:>7.1%} {errors.p90_error:>7.1%}"
            f"   {verdict.goal[0]:.0%} and {verdict.goal[1]:.0%}: {'reached' if verdict.reached else 'missed'}"
            f" ({len(errors.errors)} points{left})")


HEADING = f"{'lab':<4} {'experiment':<44} {'median':>7} {'p90':>7}   goal"
