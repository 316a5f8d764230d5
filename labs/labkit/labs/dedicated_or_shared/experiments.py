"""Lab 2.4: how much slower a job runs beside neighbours, and how much all of them get done."""

from __future__ import annotations

import math
from dataclasses import dataclass

from labkit import session
from labkit.experiment import Axis, Experiment, Outcome, Point, Unavailable
from labkit.labs.common import most_threads
from labkit.labs.dedicated_or_shared import measuring
from labkit.machine import Machine
from labkit.measure.noisy_neighbour import (
    DISK,
    LARGE,
    MEMORY,
    NETWORK,
    ON_DISK,
    PROCESSOR,
    READING,
    RESOURCES,
    SMALL,
    TRAININGS,
)
from labkit.measure.noisy_neighbour_process import CHUNK, INPUT, LARGE_JOB, READ, SIDE
from labkit.predict import neighbours as predicted
from labkit.predict.neighbours import Load
from labkit.specs import network
from labkit.specs.calibration import Calibration
from labkit.units import quantity

ALL, ONE = PLACES = ("all cores", "one core")
THREADS = (0.75, 1, 1.5, 2, 3)  # for each core, the job's own among them
NEIGHBOURS = (*RESOURCES, *TRAININGS)
BAND = 0.3  # nine predictions in ten are within it, of those that `labkit validate` measures
# The points that the lab looks at.
START = dict(job=SMALL, neighbour=PROCESSOR, threads=1, place=ALL)
CORES = [dict(START, **change) for change in (
    dict(), dict(threads=2), dict(threads=1.5, place=ONE), dict(threads=2, place=ONE), dict(threads=3, place=ONE))]
PAIRS = ((LARGE, PROCESSOR), (LARGE, MEMORY), (SMALL, MEMORY), (SMALL, DISK), (READING, DISK), (SMALL, NETWORK),
         (SMALL, SMALL), (LARGE, LARGE))
IDLE = [dict(START, job=READING, threads=2, place=ONE)]


def pairs(machine: Machine) -> list[Point]:
    """Return the points at which everybody has a core, or, on one core, two take turns."""
    threads = 1 if most_cores(machine) >= 2 else 2
    return [dict(START, job=job, neighbour=neighbour, threads=threads) for job, neighbour in PAIRS]


def processes(machine: Machine, threads: float, place: str) -> tuple[int, float]:
    """Return how many neighbours there are beside the job, and the share of its full speed that each asks for.

    Args:
        machine: of which the cores are counted.
        threads: for each core, the job's own among them.
        place: one of `PLACES`.
    """
    asked = threads * (1 if place == ONE else most_threads(machine)) - 1
    return (math.ceil(asked), asked / math.ceil(asked)) if asked > 0 else (0, 1.0)


def load(calibration: Calibration, work: str, share: float = 1.0) -> Load:
    """Return what a process asks for that does one of `NEIGHBOURS`."""
    alone = {name: calibration.curve("alone", name)[0][1] for name in (PROCESSOR, MEMORY, work)}
    cores = calibration.curve("busy", work)[0][1] / alone[work]
    if work == NETWORK:  # the copies of the loopback stay in the caches
        return Load({PROCESSOR: 1.0}, cores=cores, threads=2, share=share)
    if work in RESOURCES:
        return Load({work: 1.0}, (DISK,), min(cores, 1.0), share=share)
    own = LARGE if work == LARGE else SMALL
    turns = calibration.curve("turns", own)[0][1] / calibration.curve("alone", own)[0][1]
    parts = {PROCESSOR: 1.0}
    if work == LARGE:
        flops, bandwidth = 2 * SIDE**3 / alone[PROCESSOR], 2 * CHUNK / alone[MEMORY]
        layers = network.deep(LARGE_JOB["width"], LARGE_JOB["depth"])
        parts = bound(predicted.memory_bound(layers, LARGE_JOB["batch"], flops, bandwidth))
    if work == READING:
        reading = INPUT / READ * calibration.curve("alone", DISK)[0][1]
        waits = reading / (reading + calibration.curve("alone", SMALL)[0][1])
        parts = {PROCESSOR: 1 - waits, DISK: waits}
    return Load(parts, (DISK,), min(cores, 1.0), turns=turns, share=share)


def bound(memory: float) -> dict[str, float]:
    """Return the parts of a job that waits for memory for a share of its time, 0 to 1, and computes for the rest."""
    return {PROCESSOR: 1 - memory, MEMORY: memory}


def stretch(calibration: Calibration) -> predicted.Stretch:
    """Return how much longer work takes beside other work, as measured.

    A disk that reads and what computes leave each other alone.
    """
    def times(part: str, other: str, count: float) -> float:
        alone = count <= 0 or (DISK in (part, other) and part != other)
        if alone or calibration.reason("beside", part, other):  # on one core nothing runs side by side
            return 1.0
        seconds = calibration.curve("alone", part)[0][1]
        return predicted.stretched([[there, longer / seconds] for there, longer in
                                    calibration.curve("beside", part, other)], count)

    return times


@dataclass(frozen=True)
class Sharing:
    """A job beside neighbours: two experiments on the same axes, measured in the same runs.

    Args:
        slowdown: how many times as long the job takes.
        total: what all get done together, in % of what the job alone, or its neighbours alone, would.
    """

    slowdown: Experiment
    total: Experiment


def sharing(machine: Machine) -> Sharing:
    """Return the experiments on a job beside neighbours.

    Args:
        machine: this machine, with what the probe `neighbours` finds.

    Raises:
        ValueError: a machine that lacks the probe.
    """
    calibration, run = machine.calibration("neighbours"), measuring.Shared()

    def asked(job, neighbour, threads, place):
        if reason := lacking(calibration, job, neighbour):
            return Unavailable(reason)
        count, share = processes(machine, threads, place)
        if not count:
            return Unavailable(f"With {threads:g} threads a core, on {place}, your job is there alone: choose more.")
        cores = min(1.0, most_cores(machine)) if place == ONE else most_cores(machine)
        return (load(calibration, job), load(calibration, neighbour, share), count, cores, stretch(calibration))

    def slowdown(**point):
        if not (loads := asked(**point)):
            return loads
        value, note = predicted.slowdown(*loads), _said(loads[2], point["neighbour"], loads[1].share)
        return _banded(value, "times", note, calibration)

    def total(**point):
        if not (loads := asked(**point)):
            return loads
        kept, others = 1 / predicted.slowdown(*loads), predicted.others_kept(*loads)
        parts = {"your job": 100 * kept, "its neighbours": 100 * others}
        return _banded(100 * (kept + others), "%", _said(loads[2], point["neighbour"], loads[1].share), calibration,
                       parts)

    def measured(part: str, scale: float, unit: str):
        def measure(job, neighbour, threads, place):
            if not (expected := asked(job, neighbour, threads, place)):
                return expected
            count, share = processes(machine, threads, place)
            if not (there := run(job, neighbour, count, share, place == ONE)):
                return there
            value, low, high = (scale * number for number in getattr(there.found, part)())
            return Outcome(value, unit, low=low, high=high, note=there.note)
        return measure

    axes = [
        Axis("job", "Your job", TRAININGS),
        Axis("neighbour", "Its neighbours are busy with", NEIGHBOURS),
        Axis("threads", "Threads for each core, yours among them", THREADS, start=1),
        Axis("place", "All of them have", PLACES),
    ]
    said = "Your job: {job}. Its neighbours: {neighbour}, on {place}, {threads} threads for each core. "
    return Sharing(Experiment(
        title="A training beside neighbours", quantity="Slowdown", unit="times", axes=axes, predict=slowdown,
        measure=measured("slowdown", 1, "times"), readout=said + "It takes {value} as long.", session=session.KEPT.open,
    ), Experiment(
        title="What a training and its neighbours get done", quantity="Work of all", unit="%", axes=axes,
        predict=total, measure=measured("total", 100, "%"), session=session.KEPT.open,
        readout=said + "Together they do {value} of what one side does alone."))


def most_cores(machine: Machine) -> float:
    """Return the cores whose time this process can have, less than one where a quota says so."""
    return float(machine.identity.get("cores", 1))


def lacking(calibration: Calibration, job: str, neighbour: str) -> str:
    """Return why something cannot be predicted on this machine, or nothing."""
    keys = [("alone", PROCESSOR), ("alone", MEMORY), ("alone", job), ("alone", neighbour)]
    if job == READING or neighbour in ON_DISK:
        keys += [("alone", DISK)]
    if job == READING and neighbour in ON_DISK:
        keys += [("beside", DISK, DISK)]
    return next(filter(None, (calibration.reason(*key) for key in keys)), "")


def _banded(value: float, unit: str, note: str, calibration: Calibration, parts: dict | None = None) -> Outcome:
    band = BAND * calibration.widening
    return Outcome(value, unit, low=value / (1 + band), high=value * (1 + band), parts=parts or {}, note=note)


def _said(count: int, neighbour: str, share: float) -> str:
    many = "1 process" if count == 1 else f"{count} processes"
    busy = "" if share == 1 else f", each at {quantity(100 * share, '%')} of its speed"
    return f"The neighbours: {many}{busy}."


def validation(machine: Machine) -> list[tuple[Experiment, list[Point]]]:
    """Return the experiments with the points that `labkit validate` measures: no training was calibrated beside any.

    Slowdowns near 1 are easy to predict: half of the points ask more of the cores than there is.
    """
    lab = sharing(machine)
    points = [dict(job=job, neighbour=neighbour, threads=threads, place=place)
              for job in TRAININGS for neighbour in NEIGHBOURS
              for threads, place in ((1, ALL), (2, ALL), (1.5, ONE), (3, ONE))]
    return [(lab.slowdown, points), (lab.total, points[::2])]
