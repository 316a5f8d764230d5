"""The tables of Lab 2.4, and the numbers that it states of them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, stdev

from labkit.display import TextTable, written
from labkit.experiment import Comparison, Outcome, Unavailable
from labkit.labs.common import outcome_at
from labkit.labs.dedicated_or_shared import experiments as lab
from labkit.labs.dedicated_or_shared.measuring import Learned, moved
from labkit.machine import Machine
from labkit.measure.noisy_neighbour import DISK, MEMORY, PROCESSOR, RESOURCES, TRAININGS
from labkit.units import percent, quantity

Runs = Sequence[Learned] | Unavailable


def alone(machine: Machine) -> TextTable:
    """Return what each kind of work takes alone, and of the cores meanwhile."""
    calibration, rows = machine.calibration("neighbours"), []
    for work in RESOURCES + TRAININGS:
        if reason := calibration.reason("alone", work):
            rows.append([work, reason, ""])
            continue
        seconds, busy = (calibration.curve(what, work)[0][1] for what in ("alone", "busy"))
        rows.append([work, quantity(seconds, "s"), f"{busy / seconds:.2f}"])
    return TextTable(["work", "a unit takes", "cores that it keeps busy"], rows)


def stretches(machine: Machine) -> TextTable:
    """Return how many times as long work on a resource takes beside one process on the same or on another."""
    calibration, kinds = machine.calibration("neighbours"), (PROCESSOR, MEMORY, DISK)

    def times(part: str, other: str) -> str:
        if DISK in (part, other) and part != other:
            return "1 (assumed)"
        reason = calibration.reason("beside", part, other)
        return reason or f"{lab.stretch(calibration)(part, other, 1):.2f}"

    return TextTable(["", *(f"beside {other}" for other in kinds)],
                     [[part, *(times(part, other) for other in kinds)] for part in kinds])


def parts(machine: Machine) -> TextTable:
    """Return of what the time of each training is made, by the model."""
    calibration, rows = machine.calibration("neighbours"), []
    for job in TRAININGS:
        if reason := lab.lacking(calibration, job, job):
            rows.append([job, reason, "", "", "", ""])
            continue
        load = lab.load(calibration, job)
        rows.append([job, *(percent(load.parts.get(part, 0.0)) for part in (PROCESSOR, MEMORY, DISK)),
                     f"{load.turns:.2f}", percent(load.delay)])
    return TextTable(["your job", PROCESSOR, MEMORY, DISK, "times as long in turns", "and waits for them"], rows)


def of(comparison: Comparison, half: str = "measured", **point) -> Outcome | Unavailable:
    """Return one half of a comparison at the first point that is `experiments.START`, changed, with any threads."""
    start = {name: value for name, value in lab.START.items() if name != "threads"}
    return outcome_at(comparison, half, **{**start, **point})


def learned(alone: Runs, beside: Runs, halved: Runs, hurried: Runs) -> TextTable:
    """Return what trainings came to by how they were run, with how far their weights lie from those alone."""
    rows = []
    for name, runs in (("alone", alone), ("beside neighbours", beside), ("half the batch", halved),
                       ("beside neighbours, in the time that it took alone", hurried)):
        if not (runs and alone):
            rows.append([name, (alone if runs else runs).reason, "", ""])
            continue
        scores = [run.accuracy for run in runs]
        around = f" ± {stdev(scores):.1f}" if len(scores) > 1 else ""
        rows.append([name, f"{mean(run.seen for run in runs):,.0f}", f"{mean(scores):.1f}{around} %",
                     percent(moved(alone, runs), 2) if runs is not alone else ""])
    return TextTable(["trained", "pictures seen", "right of 1,024 others", "weights moved by"], rows)


def distance(alone: Runs, runs: Runs) -> float | Unavailable:
    """Return by how much of their length weights differ from those alone, at most."""
    return moved(alone, runs) if alone and runs else (runs if alone else alone)


def spread(alone: Runs) -> float | Unavailable:
    """Return by how much of their length the weights of two seeds differ."""
    return moved(alone[:1], alone[1:2]) if alone else alone


def said(outcome: Outcome | Unavailable) -> str:
    """Return an outcome for a sentence on the page on T4."""
    return written(outcome) if not outcome or outcome.unit == "%" else f"{outcome.value:.1f} times"


def bits(alone: Runs, beside: Runs) -> str:
    """Return how far the weights beside neighbours lie from those alone, for the same sentence."""
    gap = distance(alone, beside)
    if isinstance(gap, Unavailable):
        return gap.reason
    return f"{percent(gap, 4)} apart" if gap else "equal to the last bit"


def seen(alone: Runs, runs: Runs) -> float | Unavailable:
    """Return the share of the pictures that trainings saw, of those alone."""
    if not (alone and runs):
        return runs if alone else alone
    return mean(run.seen for run in runs) / mean(run.seen for run in alone)
