"""What data-parallel training is made of on this machine: steps alone, steps side by side, and the exchange.

Real processes of one thread each run real steps (`labkit.data_parallel`). *Alone* is one process on the whole machine.
*Together* are two that compute at once and exchange nothing: they share memory and caches. What exchanging adds to
that is measured for gradients of several sizes; on a processor the exchange needs the processor too. The emulated
links are asked what a message costs over them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from itertools import chain
from statistics import mean, median
from time import perf_counter

import torch

from labkit.costs import Costs, Curve
from labkit.data_parallel.crew import Crew, CrewFailed, crew, room
from labkit.data_parallel.work import Work
from labkit.measure.pace import Paced
from labkit.predict import data_parallel as predicted
from labkit.predict import network
from labkit.progress import report
from labkit.shape import Shape

SECONDS = 40  # about how long it takes
PROCESSES = 2
DEPTH = 4  # dense layers
WIDTHS = {"cats": (8, 16, 32), "dense": (256, 512, 1024)}
BATCHES = (4, 16, 64, 256)
LARGEST = 4e9  # FLOP of a step: more would take too long on a small machine
EXCHANGED = (("cats", 8), ("cats", 32), ("dense", 256), ("dense", 512), ("dense", 1024))
LINKS = ("namespaces", "hook")  # the rungs of emulated links: `labkit.data_parallel.crew.RUNGS`
ROUND_TRIPS = (0.001, 0.005, 0.02)
SIZES = (16, 4**8, 4**10, 4**11, 4**12)  # bytes of an all-reduce over an emulated link without limits
DRAWS = 400  # steps from which it is read how much one step differs from another
SPREAD = Work("cats", 16, batch=16)
NAMES = ("exchange", "spread", *(f"{kind} {rung}" for kind in ("sum", "waiting") for rung in LINKS),
         *(f"{how} {name} {width}" for how in ("alone", "together") for name, widths in WIDTHS.items()
           for width in widths))
_PACEMAKER = Work("cats", 8, batch=16)
_BLOCK_S = 0.04  # seconds of steps, or of all-reduces, in one sample
_BUDGET = 0.12


def work(name: str, width: int, batch: int) -> Work:
    """Return what one process does: the network by name and width, and its share of the batch."""
    return Work(name, width, depth=DEPTH, batch=batch)


def layers(name: str, width: int) -> list[network.Layer]:
    """Return the layers of a network by name and width."""
    return network.cats(width) if name == "cats" else network.deep(width, DEPTH)


def calibrate(device: torch.device) -> Costs:
    """Time steps against the examples of one process, `"alone cats 8"` and `"together cats 8"`; what adding up the
    gradients takes of a step, `"exchange"`, against their bytes; and the sorted times of many equal steps, `"spread"`.

    Over each emulated link: all-reduces against bytes where it has no limits, `"sum hook"`, and the shortest of them
    against the link's round trip, `"waiting hook"`.
    """
    if not torch.distributed.is_available():
        return Costs.unavailable(NAMES, "This PyTorch was built without torch.distributed.")
    if not (there := room(PROCESSES)):
        return Costs.unavailable(NAMES, there.reason)
    try:
        with ExitStack() as stack:
            pair = stack.enter_context(crew(PROCESSES))
            one = stack.enter_context(crew(1))
            timed = Paced(pacemaker(pair), budget=_BUDGET)
            curves = {f"{how} {name} {width}": _steps(timed, there, name, width)
                      for how, there in (("alone", one), ("together", pair)) for name, widths in WIDTHS.items()
                      for width in widths}
            report(0.6, "Calibrating: exchanging gradients")
            curves["exchange"] = _exchange(timed, pair)
            spread = _spread(pair)
        found, missing = _links()
        costs = timed.costs(curves, missing)
    except CrewFailed as trouble:
        return Costs.unavailable(NAMES, f"The processes could not work together: {trouble}")
    costs.curves.update(found, spread=spread)
    return costs


def pacemaker(there: Crew) -> Callable[[], float]:
    """Return a sampler of the small step whose time tells how fast the machine runs at the moment."""
    return sampler(there, _PACEMAKER, exchange=False)


def sampler(there: Crew, work: Work, exchange: bool = True) -> Callable[[], float]:
    """Return a function that runs some steps on all processes and returns the mean seconds of one."""
    count = 3

    def sample() -> float:
        nonlocal count
        seconds = mean(chain(*there.steps(work, count, exchange)))
        count = min(max(3, round(_BLOCK_S / seconds)), 200)
        return seconds

    return sample


def adding(there: Crew, size: int) -> Callable[[], float]:
    """Return a function that runs all-reduces of `size` bytes back to back and returns the mean seconds of one."""
    times = 3

    def sample() -> float:
        nonlocal times
        seconds = mean(there.all_reduce(size, times))
        times = min(max(3, round(_BLOCK_S / seconds)), 300)
        return seconds

    return sample


def _steps(timed, there, name, width) -> Curve:
    report(0.1, f"Calibrating: steps of {name}, width {width}")
    flop = network.training_flop(layers(name, width))
    batches = [batch for batch in BATCHES if batch * flop <= LARGEST]
    return timed.curve({batch: sampler(there, work(name, width, batch), exchange=False) for batch in batches})


def _exchange(timed, pair) -> Curve:
    """Return what exchanging adds to a step, by the bytes of gradients; less what waiting for the slower one takes."""
    found = []
    for name, width in EXCHANGED:
        what = work(name, width, BATCHES[0])
        whole, apart = sampler(pair, what), sampler(pair, what, exchange=False)
        found.append([what.gradients(), max(timed(lambda w=whole, a=apart: max(w() - a(), 1e-6)), 1e-6)])
    return found


def _spread(pair) -> Curve:
    """Return sorted seconds of equal steps, by their rank from 1 up: the steadiest of some series."""
    series = [sorted(chain(*pair.steps(SPREAD, DRAWS // PROCESSES, exchange=False))) for _ in range(3)]
    return [[place + 1, seconds] for place, seconds in enumerate(min(series, key=sum))]


def _links() -> tuple[dict[str, Curve], dict[str, str]]:
    """Measure the emulated links; their times are mostly waiting, which keeps no pace."""
    found, missing = {}, {}
    for rung in LINKS:
        report(0.8, f"Calibrating: all-reduce over {rung}")
        try:
            with crew(PROCESSES, shape=Shape(), rung=rung) as pair:
                found[f"sum {rung}"] = rising([[size, _median(adding(pair, size))] for size in SIZES])
                found[f"waiting {rung}"] = []
                for trip in ROUND_TRIPS:
                    pair.reshape(Shape(trip))
                    found[f"waiting {rung}"].append([trip, _median(adding(pair, SIZES[0]))])
        except CrewFailed as refusal:
            missing |= {f"{kind} {rung}": str(refusal) for kind in ("sum", "waiting")}
    return found, missing


def _median(sample, budget: float = 0.25) -> float:
    taken, end = [], perf_counter() + budget
    while len(taken) < 3 or perf_counter() < end:
        taken.append(sample())
    return median(taken[1:])


def rising(curve: Curve) -> Curve:
    """Return the curve with no point below an earlier one: more bytes do not take less time."""
    highest = 0.0
    return [[size, highest := max(highest, seconds)] for size, seconds in curve]


def moments(name: str, width: int) -> list[tuple[float, int]]:
    """Return the buckets of a network by name and width (`labkit.predict.data_parallel.buckets`)."""
    return predicted.buckets(layers(name, width))


def most(costs: Costs, name: str, width: int) -> float:
    """Return the largest share of a batch that was calibrated near a width."""
    near = min(WIDTHS[name], key=lambda known: abs(math.log(known / width)))
    return costs.curve(f"alone {name} {near}")[-1][0]
