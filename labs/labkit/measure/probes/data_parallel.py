"""What data-parallel training is made of on this machine: steps alone, steps side by side, and the exchange.

Real processes of one thread each run real steps (`labkit.distributed`). *Alone* is one process on the whole machine.
*Together* are two that compute at once and exchange nothing: they share memory and caches. What exchanging adds to
that is measured for gradients of several sizes; on a processor the exchange needs the processor too. The emulated
links are asked what a message costs over them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from statistics import mean, median
from time import perf_counter

import torch

from labkit import effort
from labkit.distributed.job import Job
from labkit.distributed.pool import WorkerFailed, WorkerPool, kept_pool, room
from labkit.progress import report
from labkit.specs import network
from labkit.specs.calibration import Calibration, CostCurve, Key
from labkit.specs.link import LinkSpec
from labkit.timing.drift import DriftCorrected, share

SECONDS = 40  # about how long it takes
PROCESSES = 2
DEPTH = 4  # dense layers
WIDTHS = {"cats": (8, 16, 32), "dense": (256, 512, 1024)}
BATCHES = (4, 16, 64, 256)
LARGEST = 7e9  # FLOP of a step: more would take too long on a small machine
# What is trained to see what exchanging costs: networks whose gradients fill one bucket, and which compute little.
EXCHANGED = (*(Job("cats", width, batch=4) for width in (8, 32)),
             *(Job("dense", width, depth=1, batch=4) for width in (512, 1024, 2048)))
LINKS = ("namespaces", "hook")  # the backends of emulated links: `labkit.distributed.pool.BACKENDS`
LOOPBACK = "loopback"
OVER = ("exchange", "sum", "waiting")  # what is measured over an emulated link
TRIED = LinkSpec(0.001, 125e6)  # the emulated link over which steps exchange: 1 ms and 1 Gbit/s
ROUND_TRIPS = (0.001, 0.005, 0.02)
SIZES = (16, 4**8, 4**10, 4**11, 4**12)  # bytes of an all-reduce over a link without limits
DRAWS = 400  # steps from which it is read how much one step differs from another
SPREAD = Job("cats", 16, batch=16)
KEYS = (("spread",), ("exchange", LOOPBACK), ("sum", LOOPBACK),
        *((kind, backend) for kind in OVER for backend in LINKS),
        *((how, name, width) for how in ("alone", "together") for name, widths in WIDTHS.items() for width in widths))
TARGET = 0.9  # of the test pictures right: where training stops
BASE_LR, BASE_BATCH = 2e-3, 16  # Adam's learning rate at a small batch, about the largest that is steady there
MOST, LOOK = 80_000, 512  # pictures after which training gives up, and between two looks at the accuracy
_REFERENCE = Job("cats", WIDTHS["cats"][0], batch=BATCHES[1])
_BLOCK_S, _ADDING_S = 0.04, 0.015  # seconds of steps, and of all-reduces, in one sample
_LEAST_S = 1e-6  # seconds that an exchange takes at least, whatever a difference of two times says
_BUDGET = 0.1  # seconds of a measurement, at usual effort


def job(name: str, width: int, batch: int) -> Job:
    """Return what one process does: the network by name and width, and its share of the batch."""
    return Job(name, width, depth=DEPTH, batch=batch)


def layers(name: str, width: int) -> list[network.Layer]:
    """Return the layers of a network by name and width."""
    return network.cats(width) if name == "cats" else network.deep(width, DEPTH)


def calibrate(device: torch.device) -> Calibration:
    """Time steps, exchanges, and exchanges over emulated links.

    Returns:
        `("alone", "cats", 8)` and `("together", "cats", 8)`: seconds of a step; the work is the examples of one
        process. `("spread",)`: seconds of many equal steps, sorted; the work is the place in that order. Over the
        loopback and each emulated link, `("sum", "hook")`: seconds of an all-reduce where the link has no limits, and
        `("exchange", "hook")`: what exchanging a bucket adds to a step, where an emulated link is `TRIED`; the work of
        both is bytes. Over each emulated link, `("waiting", "hook")`: seconds of the shortest all-reduce; the work is
        the link's round trip in seconds.
    """
    if not torch.distributed.is_available():
        return Calibration.unavailable(KEYS, "This PyTorch was built without torch.distributed.")
    room_for_two = room(PROCESSES)
    try:
        with kept_pool(PROCESSES if room_for_two else 1) as pool:
            apart, both = (DriftCorrected(reference(pool, alone), budget=_BUDGET, seconds=SECONDS / 2)
                           for alone in (True, False))
            if not room_for_two:
                alone = apart.calibration(_steps(apart, pool, "alone"))
                rest = dict.fromkeys((key for key in KEYS if key not in alone.curves), room_for_two.reason)
                return replace(alone, missing=rest)
            looks = [_exchange(both, pool)]
            alone = apart.calibration(_steps(apart, pool, "alone"))
            curves = _steps(both, pool, "together")
            for _ in range(effort.pick(quick=0, usual=2, long=2)):
                looks.append(_exchange(both, pool))
            curves["exchange", LOOPBACK] = [[what.gradients(), median(seconds)]
                                            for what, *seconds in zip(EXCHANGED, *looks, strict=True)]
            spread, sums = _spread(pool), _sums(pool)
        found, missing = _links()
        calibration = both.calibration(curves, missing)
    except WorkerFailed as trouble:
        return Calibration.unavailable(KEYS, f"The processes could not work together: {trouble}")
    found |= {("spread",): spread, ("sum", LOOPBACK): sums}
    return replace(calibration, curves={**alone.curves, **calibration.curves, **found},
                   drift=max(alone.drift, calibration.drift), contention=max(alone.contention, calibration.contention))


def reference(there: WorkerPool, alone: bool = False) -> Callable[[], float]:
    """Return a sampler of the small step whose time tells how fast the machine runs at the moment."""
    return sampler(there, _REFERENCE, exchange=False, alone=alone)


def sampler(there: WorkerPool, job: Job, exchange: bool = True, alone: bool = False) -> Callable[[], float]:
    """Return a function that runs some steps on all processes, or on rank 0 alone; it returns the mean seconds of one.
    """
    count, block = 3, effort.pick(quick=_BLOCK_S / 2, usual=_BLOCK_S, long=_BLOCK_S)

    def sample() -> float:
        nonlocal count
        seconds = mean(chain(*there.steps(job, count, exchange, alone)))
        count = min(max(3, round(block / seconds)), 200)
        return seconds

    return sample


def longer(there: WorkerPool, what: Job) -> Callable[[], float]:
    """Return a sampler of the seconds by which a step takes longer because it exchanges its gradients."""
    whole, apart = sampler(there, what), sampler(there, what, exchange=False)
    return lambda: max(whole() - apart(), _LEAST_S)


def adding(there: WorkerPool, size: int) -> Callable[[], float]:
    """Return a function that runs all-reduces of `size` bytes back to back and returns the mean seconds of one."""
    times = 3

    def sample() -> float:
        nonlocal times
        seconds = mean(there.all_reduce(size, times))
        times = min(max(3, round(_ADDING_S / seconds)), 300)
        return seconds

    return sample


@dataclass(frozen=True)
class Exchange:
    """All-reduces of one size, back to back.

    Args:
        size: bytes.
        fastest: seconds of the fastest one: what it takes when nobody is set aside meanwhile.
        usual: median seconds over blocks of them.
    """

    size: int
    fastest: float
    usual: float


def exchanges(there: WorkerPool, sizes: Sequence[int], budget: float = 0.25) -> list[Exchange]:
    """Time all-reduces of some sizes, for about `budget` seconds each."""
    found = []
    for size in sizes:
        once = max(min(there.all_reduce(size, 3)), 1e-6)
        times = min(max(3, round(_ADDING_S / once)), 300)
        blocks, end = [], perf_counter() + budget
        while len(blocks) < 3 or perf_counter() < end:
            blocks.append(there.all_reduce(size, times))
        found.append(Exchange(size, min(map(min, blocks)), median(map(mean, blocks))))
    return found


@dataclass(frozen=True)
class TrainingRun:
    """One training run until a share of the test pictures is right.

    Args:
        batch: pictures a step, over all processes together.
        seed: of the weights and of the order of the pictures.
        samples: pictures seen until then; None where it did not come to that.
        seconds: of the training, without the looking.
    """

    batch: int
    seed: int
    samples: int | None
    seconds: float


def learn(there: WorkerPool, width: int, batch: int, seed: int, target: float = TARGET,
          limit: float | None = None) -> TrainingRun:
    """Train the cat network from the start until it knows `target` of 1,024 other pictures.

    Adam's learning rate grows with the root of the batch, as a batch's gradient is that much steadier (Malladi, Lyu,
    Panigrahi and Arora 2022, arXiv:2205.10287).

    Args:
        there: the processes, which share the batch.
        width: of the network.
        batch: pictures a step, over all processes together; as many for each.
        seed: of the weights and of the order of the pictures.
        target: a share from 0 to 1.
        limit: seconds after which it ends though it does not know them; None: no limit.

    Raises:
        ValueError: a batch that the processes cannot share out evenly.
    """
    if batch % there.processes:
        raise ValueError(f"{there.processes} processes cannot share a batch of {batch} evenly.")
    job = Job("cats", width, batch=batch // there.processes, seed=seed)
    found = there.train(job, max(MOST // batch, 1), lr=BASE_LR * math.sqrt(batch / BASE_BATCH),
                        every=max(LOOK // batch, 1), target=target, limit=limit)
    reached = found.accuracies[-1][1] >= target
    return TrainingRun(batch, seed, found.samples if reached else None, found.seconds)


def _steps(timed, there, how) -> dict[Key, CostCurve]:
    """Return the seconds of steps that exchange nothing, by network and width, against the examples of a process."""
    found = {}
    for name, widths in WIDTHS.items():
        for width in widths:
            report(0.1 if how == "alone" else 0.4, f"Calibrating: steps of {name}, {width} wide, {how}")
            flop = network.training_flop(layers(name, width))
            fitting = [batch for batch in BATCHES if batch * flop <= LARGEST]
            batches = effort.pick(quick=fitting[:3:2], usual=fitting, long=fitting)
            found[how, name, width] = timed.curve(batches, lambda batch, name=name, width=width: sampler(
                there, job(name, width, batch), exchange=False, alone=how == "alone"))
    return found


def _exchange(timed, pair) -> list[float]:
    """Return what exchanging one bucket adds to a step of each of `EXCHANGED`.

    It is a small difference of two times. So it is looked at more than once, some seconds apart.
    """
    report(0.1, "Calibrating: exchanging gradients")
    return [timed(longer(pair, what)) for what in EXCHANGED]


def _spread(pair) -> CostCurve:
    """Return sorted seconds of equal steps, by their place from 1 up: the middle one of some series."""
    count = effort.pick(quick=1, usual=2, long=5)
    series = [sorted(chain(*pair.steps(SPREAD, DRAWS // PROCESSES, exchange=False))) for _ in range(count)]
    return [[place + 1, seconds] for place, seconds in enumerate(sorted(series, key=sum)[len(series) // 2])]


def _links() -> tuple[dict[Key, CostCurve], dict[Key, str]]:
    """Measure the emulated links; their times are mostly waiting, which keeps no speed."""
    found, missing = {}, {}
    for backend in LINKS:
        if found and effort.current() == effort.QUICK:
            missing |= {(kind, backend): "Quick effort measures the best emulated link alone." for kind in OVER}
            continue
        report(0.8, f"Calibrating: all-reduce over {backend}")
        try:
            with kept_pool(PROCESSES, backend) as pair:
                pair.set_link(LinkSpec())
                found["sum", backend] = _sums(pair)
                found["waiting", backend] = []
                for trip in ROUND_TRIPS:
                    pair.set_link(LinkSpec(trip))
                    found["waiting", backend].append([trip, _cleanest(adding(pair, SIZES[0]))])
                pair.set_link(TRIED)
                found["exchange", backend] = [[what.gradients(), _usual(longer(pair, what))]
                                               for what in EXCHANGED[:3]]
        except WorkerFailed as refusal:
            missing |= {(kind, backend): str(refusal) for kind in OVER}
    return found, missing


def _cleanest(sample) -> float:
    """Return the least of some samples: whatever disturbs an exchange makes it longer."""
    return min(_taken(sample, 1.2 * _BUDGET))


def _usual(sample) -> float:
    """Return the median of some samples, after a first one, at which networks are built."""
    sample()
    return median(_taken(sample, 3 * _BUDGET))


def _taken(sample, budget: float) -> list[float]:
    taken, end = [], perf_counter() + share() * budget
    while len(taken) < 3 or perf_counter() < end:
        taken.append(sample())
    return taken


def _sums(pair) -> CostCurve:
    """Return the seconds of an all-reduce against its bytes."""
    return _rising({size: _cleanest(adding(pair, size)) for size in SIZES})


def _rising(times: dict[int, float]) -> CostCurve:
    """Return times by size as a curve on which fewer bytes never take longer than more."""
    found, least = [], math.inf
    for size in sorted(times, reverse=True):
        least = min(least, times[size])
        found.insert(0, [size, least])
    return found
