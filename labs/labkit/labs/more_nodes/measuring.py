"""What Lab 2.2 measures: steps of worker processes, and trainings until the network has learned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from time import monotonic

from labkit import effort
from labkit.distributed.pool import WorkerFailed, WorkerPool, kept_pool, room
from labkit.experiment import Outcome, Unavailable
from labkit.labs.common import measured, nearest
from labkit.measure.probes import data_parallel as probe
from labkit.measure.probes.data_parallel import LOOPBACK
from labkit.predict import convergence, data_parallel, links
from labkit.progress import report
from labkit.specs.calibration import Calibration
from labkit.specs.link import LinkSpec
from labkit.timing import clock
from labkit.timing.drift import speed_of, timed

SIZES = (*(4**k for k in range(2, 13)), 2**25, 2**26)  # bytes of an all-reduce
BATCHES = (16, 64, 256, 1024)  # with which the network is trained until it has learned


def seconds_a_point() -> float:
    """Return for how long a point is measured."""
    return effort.pick(quick=0.05, usual=0.2, long=1.5)


def most_processes() -> int:
    """Return 2, or 1 where two processes would only wait for each other's turn."""
    return 2 if room(2) else 1


def exchanges() -> list[probe.Exchange] | Unavailable:
    """Return the times of all-reduces of `SIZES` between two processes, or why there are none."""
    sizes = effort.pick(quick=SIZES[::2], usual=SIZES, long=SIZES)
    try:
        with kept_pool(2) as pool:
            return probe.exchanges(pool, sizes, budget=seconds_a_point())
    except WorkerFailed as trouble:
        return Unavailable(str(trouble))


def step(calibration: Calibration, backend: str, network: tuple[str, int], each: int, nodes: int,
         spec: LinkSpec) -> Outcome | Unavailable:
    """Measure a step by real processes, in turn with the calibrated steps that are most like it.

    Those tell the machine's speed. Computing and exchanging wander each for itself, so each has a speed of its own.
    What an emulated link takes is mostly waiting, which has none.

    Args:
        calibration: what the probe `data_parallel` found.
        backend: how the link is emulated.
        network: name and width.
        each: examples of a process.
        nodes: processes.
        spec: what the link is.
    """
    report(0, f"Training on {nodes} {'process' if nodes == 1 else 'processes'}")
    count = max(nodes, most_processes())
    try:
        with kept_pool(count, backend if count > 1 else LOOPBACK) as pool:
            if nodes > 1 and backend != LOOPBACK:
                pool.set_link(spec)
            return _step(pool, calibration, backend, network, each, nodes)
    except WorkerFailed as trouble:
        return Unavailable(str(trouble))


def _step(pool: WorkerPool, calibration: Calibration, backend: str, network: tuple[str, int], each: int,
          nodes: int) -> Outcome:
    name, width = network
    alone, how = nodes == 1, "alone" if nodes == 1 else "together"
    near = min(probe.WIDTHS[name], key=lambda known: abs(math.log(known / width)))
    examples, reference_seconds = nearest(calibration.curve(how, name, near), each)
    job, reference = probe.job(name, width, each), probe.job(name, near, int(examples))
    samples = {"step": probe.sampler(pool, job, alone=alone),
               "computing": probe.sampler(pool, reference, exchange=False, alone=alone)}
    if nodes > 1 and backend == LOOPBACK:
        like = min(probe.EXCHANGED, key=lambda known: abs(math.log(known.gradients() / job.gradients())))
        samples["exchange"] = probe.longer(pool, like)
    for sample in samples.values():  # networks are built at the first call
        sample()
    if alone:
        return measured(*timed(samples["step"], samples["computing"], reference_seconds, seconds_a_point()))
    timings = clock.rounds(samples, budget=seconds_a_point())
    whole, speed, exchanging = timings["step"], speed_of(reference_seconds, timings["computing"].median), 1.0
    if "exchange" in timings:
        usual = links.seconds(calibration.curve("exchange", LOOPBACK), like.gradients())
        exchanging = speed_of(usual, timings["exchange"].median)
    speeds = {data_parallel.COMPUTING: speed, data_parallel.EXPOSED: exchanging, data_parallel.SLOWEST: speed}
    return Outcome(whole.median, "s", low=whole.low, high=whole.high, note=whole.note, speed=speeds)


def training_runs(width: int = 12) -> list[probe.TrainingRun]:
    """Train the cat network until it has learned, with each of `BATCHES` from some seeds; shared out where two can.

    Each seed meets every batch. After the time that the lab has for it, no further training begins, and one that
    has begun ends without having learned.
    """
    seeds, limit = (effort.pick(quick=1, usual=3, long=6), effort.pick(quick=10, usual=30, long=90))
    shortest_first = BATCHES[::-1]
    batches = effort.pick(quick=(1024, 16), usual=shortest_first, long=shortest_first)
    done, end, processes = [], monotonic() + limit, most_processes()
    try:
        with kept_pool(processes) as pool:
            for seed in range(seeds):
                for batch in batches:
                    if (left := end - monotonic()) > 0:
                        done.append(probe.learn(pool, width=width, batch=batch, seed=seed, limit=left))
    except WorkerFailed as trouble:
        print(f"Training ended early. {trouble}")
    return done


def needed(runs: Sequence[probe.TrainingRun]) -> tuple[float, float] | Unavailable:
    """Return the least samples and the critical batch of some runs, or why they cannot be said."""
    try:
        return convergence.fit([(run.batch, run.samples) for run in runs if run.samples])
    except ValueError as trouble:
        return Unavailable(f"Too few runs have learned in the time that this lab has: {trouble}")
