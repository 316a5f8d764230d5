"""What Lab 4.2 measures: real processes on one core answer real pictures, more of them than they can."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import psutil

from labkit import effort
from labkit.experiment import Outcome, Unavailable
from labkit.labs.common import drifted
from labkit.measure.instances import OWN, PROCESSES, THREADS, Device, schedule
from labkit.measure.probes import sessions
from labkit.measure.probes.instances import core_and_kernel
from labkit.processes import HelperFailed
from labkit.stats import wilson
from labkit.timing.drift import speed_of
from labkit.units import quantity

PROCESSES_MOST, NETWORKS_MOST = 24, 1000  # that are started or opened: more would take long
_MORE = 1.25  # times as many sources as are predicted: enough for some to be late
_LATE = (0.03, 0.4)  # shares between which a core has too much, and not far too much
_TRIES, _KERNELS = 4, 5  # runs until a core has a little too much, and looks at its speed between runs
_SPARE = 0.5  # of the free memory, which stays free
Open = Callable[[Device, str, int], object]  # lets a device hold so many networks, whose file lies in a folder


def cats(width: int) -> Open:
    """Return what opens cat networks of a width."""
    return lambda device, folder, count: device.open(sessions.file("fp32", width, folder), count)


def seconds_a_run() -> float:
    """Return the seconds for which sources are served, by the effort that holds now."""
    return effort.pick(quick=0.3, usual=1.0, long=2.0)


def in_time(way: str, networks: Open, period: float, deadline: float, together: bool, guess: int, usual: float,
            batch: int) -> Outcome | Unavailable:
    """Measure how many sources are answered in time: a few too many come, and those in time are counted.

    Args:
        way: one of `labkit.measure.instances.WAYS`.
        networks: opens those that answer.
        period: seconds between two pictures of a source.
        deadline: seconds.
        together: whether the pictures of all come at the same moment.
        guess: the number to begin near.
        usual: seconds that the reference kernel took when the machine was calibrated.
        batch: pictures that are answered together at most.
    """
    def served(device: Device, kernel: Callable[[], float]) -> Outcome | Unavailable:
        counts, kernels = [], [kernel() for _ in range(_KERNELS)]
        for seed in range(effort.pick(quick=1, usual=3, long=5)):
            count = math.ceil(_MORE * guess)
            for _ in range(_TRIES):
                answers = _answers(device, way, count, period, deadline, seed, batch, together=together)
                share = float(np.mean(answers > deadline))
                if _LATE[0] < share < _LATE[1]:
                    break
                count = max(math.ceil(_MORE * count * (1 - share)), 1)
            counts.append(count * (1 - share))
            kernels += [kernel() for _ in range(_KERNELS)]
        if not np.median(counts):
            return Unavailable("Not one answer was in time: something else has the core. Close it and measure again.")
        speed = speed_of(usual, float(np.median(kernels)))
        return Outcome(float(np.median(counts)), "sources", low=min(counts), high=max(counts), note=drifted(speed),
                       speed=speed)

    return _on(way, networks, math.ceil(_MORE * guess), served)


def late(way: str, networks: Open, sources: int, active: float, period: float, deadline: float,
         batch: int) -> Outcome | Unavailable:
    """Measure the share of late answers in %; `active` is the share of its time in which a source has pictures."""
    def share(device: Device, _) -> Outcome:
        answers = np.concatenate([_answers(device, way, sources, period, deadline, seed, batch, active=active)
                                  for seed in range(effort.pick(quick=2, usual=3, long=5))])
        if not len(answers):
            raise HelperFailed("No source had a picture in the time that there was.")
        value, low, high = wilson(int((answers > deadline).sum()), len(answers))
        return Outcome(100 * value, "%", low=100 * low, high=100 * high)

    return _on(way, networks, sources, share)


def memory(way: str, width: int, instances: int) -> Outcome | Unavailable:
    """Measure the bytes that the processes of some instances have for themselves; each is a new one."""
    networks, threads = (instances if way in ways else 0 for ways in ((OWN, THREADS), (THREADS,)))
    try:
        with tempfile.TemporaryDirectory() as folder, Device(instances if way == PROCESSES else 1) as device:
            held = device.open(sessions.file("fp32", width, folder), max(networks, 1), threads)
            return Outcome(float(sum(held)), "B")
    except (HelperFailed, OSError) as trouble:
        return Unavailable(str(trouble))


def refusal(way: str, instances: int, need: float) -> str:
    """Return why so many instances, which need so many bytes of memory, are not started here, or nothing."""
    most = {PROCESSES: PROCESSES_MOST, OWN: NETWORKS_MOST, THREADS: NETWORKS_MOST}.get(way, math.inf)
    if instances > most:
        return f"To start {instances:,} instances takes too long here, where {most:,} are the most. They are predicted."
    if need > _SPARE * (free := psutil.virtual_memory().available):
        return (f"{instances:,} instances take {quantity(need, 'B')}: more than half of the {quantity(free, 'B')} of "
                "memory that are free now.")
    return ""


def _answers(device: Device, way: str, sources: int, period: float, deadline: float, seed: int, batch: int,
             **how) -> np.ndarray:
    plan = schedule(sources, period, max(seconds_a_run(), 2 * period), deadline=deadline, seed=seed, **how)
    return device.serve(way, plan, deadline, batch)[0]


def _on(way: str, networks: Open, instances: int,
        work: Callable[[Device, Callable[[], float]], Outcome | Unavailable]) -> Outcome | Unavailable:
    """Do some work on a core with the instances that a way needs."""
    if way == PROCESSES and not hasattr(os, "sched_setaffinity"):
        return Unavailable("This system binds no process to a core: many of them would take them all.")
    try:
        with core_and_kernel() as (core, kernel, folder), (
                Device(instances) if way == PROCESSES else nullcontext(core)) as device:
            networks(device, folder, instances if way in (OWN, THREADS) else 1)
            return work(device, kernel)
    except (HelperFailed, OSError) as trouble:
        return Unavailable(str(trouble))
