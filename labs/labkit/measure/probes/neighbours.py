"""What Lab 2.4's predictions stand on: kinds of work alone, and how much longer they take beside their like.

The same processes that the lab starts do the work, by the same functions. Side by side each has a core of its own; what
a training loses by taking turns on one is measured once.
"""

from __future__ import annotations

from statistics import median

import torch

from labkit import effort, host, session
from labkit.measure.noisy_neighbour import (
    DISK,
    LARGE,
    MEMORY,
    PROCESSOR,
    READING,
    RESOURCES,
    SMALL,
    TRAININGS,
    Order,
    Party,
    beside,
    looks,
    processors,
)
from labkit.processes import HelperFailed
from labkit.progress import report
from labkit.specs.calibration import Calibration, now
from labkit.timing.clock import Contention

SECONDS = 50  # about how long it takes
PAIRS = ((PROCESSOR, PROCESSOR), (PROCESSOR, MEMORY), (MEMORY, MEMORY), (DISK, DISK))
TURNS = (SMALL, LARGE, READING)
KEYS = (*((what, work) for work in RESOURCES + TRAININGS for what in ("alone", "busy")),
        *(("beside", *pair) for pair in (*PAIRS, (MEMORY, PROCESSOR))), *(("turns", job) for job in TURNS))
_MOST = 7  # neighbours beside one
_READERS = 3  # beside one that reads the disk, which takes no core of theirs


def calibrate(device: torch.device) -> Calibration:
    """Time the work of processes on the processor, whatever the device.

    Returns:
        `("alone", work)`: seconds of a unit, and `("busy", work)`: the processor's seconds of it, of 1 process.
        `("beside", work, other)`: seconds of a unit, against the processes that do the other work on other cores.
        `("turns", job)`: half the seconds of a unit beside a process that computes on the same core.
    """
    others, usable = Contention(), host.cores()
    most = max(1, min(int(usable) - 1, _MOST))
    curves, missing, rates = {}, {}, []
    rounds, seconds = _looks()
    try:
        with session.KEPT.held("party", Party) as party:
            party.prepare([Order(SMALL)] * 2)  # each imports the framework, both at once
            for work in RESOURCES + TRAININGS:
                report(0, f"Calibrating: {work}, alone")
                try:
                    alone = [party.run([Order(work)], seconds)[0] for _ in range(rounds)]
                except (HelperFailed, OSError) as trouble:
                    missing |= dict.fromkeys([("alone", work), ("busy", work)], _words(trouble))
                    continue
                curves["alone", work] = [[1, 1 / median(look.rate for look in alone)]]
                curves["busy", work] = [[1, median(max(look.cores, 1e-3) / look.rate for look in alone)]]
                rates += [look.rate for look in alone] if work == PROCESSOR else []
            for pair in PAIRS:
                report(0.5, f"Calibrating: {pair[0]} beside {pair[1]}")
                if reason := missing.get(("alone", pair[0])) or _one_core(pair, usable):
                    missing |= dict.fromkeys({("beside", *pair), ("beside", *pair[::-1])}, reason)
                    continue
                counts = sorted({1, _READERS if pair == (DISK, DISK) else most})
                for key, longer in _side_by_side(party, pair, counts).items():
                    curves[key] = [[count, times * curves["alone", key[1]][0][1]] for count, times in longer]
            for job in TURNS:
                if reason := missing.get(("alone", job)) or _unbound(usable):
                    missing["turns", job] = reason
                    continue
                curves["turns", job] = [[1, _turns(party, job) * curves["alone", job][0][1]]]
    except HelperFailed as trouble:
        return Calibration.unavailable(KEYS, str(trouble))
    if reason := missing.get(("alone", PROCESSOR)):
        return Calibration.unavailable(KEYS, reason)
    return Calibration(curves, curves["alone", PROCESSOR][0][1], max(rates) / min(rates), others.share(), now(),
                       missing, host.on_battery())


def _side_by_side(party: Party, pair: tuple[str, str], counts: list[int]) -> dict:
    """Return how many times as long one kind of work takes beside so many of another, and the other beside the one."""
    curves = {("beside", *pair): [], ("beside", *pair[::-1]): []}
    for count in counts:
        found = beside(party, Order(pair[0]), [Order(pair[1])] * count, *_looks())
        curves["beside", *pair].append([count, found.slowdown()[0]])
        if count == 1 and pair[0] != pair[1]:
            kept = found.total()[0] - 1 / found.slowdown()[0]
            curves["beside", *pair[::-1]].append([1, 1 / kept])
    return curves


def _turns(party: Party, job: str) -> float:
    """Return half of how many times as long a unit of a job takes beside another process on its core."""
    orders = [Order(work, cores=processors()[-1:]) for work in (job, PROCESSOR)]
    return beside(party, orders[0], orders[1:], *_looks()).slowdown()[0] / 2


def _looks() -> tuple[int, float]:
    """Return the lab's rounds and seconds; at quick effort no more rounds than it takes to see a difference."""
    rounds, seconds = looks()
    return effort.pick(quick=2, usual=rounds, long=rounds), seconds


def _one_core(pair: tuple[str, str], usable: float) -> str:
    return "" if usable >= 2 or pair == (DISK, DISK) else (
        f"Side by side takes two cores, and this process may use {usable:g}: jobs take turns here.")


def _unbound(usable: float) -> str:
    return "" if processors() or usable <= 1 else "This system binds no process to a core, so that none need share one."


def _words(trouble: Exception) -> str:
    return str(trouble).removeprefix("NoColdReads: ")
