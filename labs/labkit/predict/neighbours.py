"""What jobs on the same node leave each other: turns on its cores, and a share of its memory and its disk.

A job is made of the resources on which it spends its time. Beside neighbours each part takes longer by what such a part
was measured to take beside one of their kind, as in Bubble-Up (Mars et al. 2011, doi:10.1145/2155620.2155650). Where
more is asked of the cores than they have, everybody gets a fair share of their time. Who waits for a disk loses more:
at each return it waits for its turn on cores that are all busy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from labkit.inputs import above_zero, whole
from labkit.predict import roofline
from labkit.predict.layers import at_peak
from labkit.predict.step import ADAM_MOMENTS
from labkit.specs import network
from labkit.specs.calibration import CostCurve

_ROUNDS = 20  # until neighbours that wait for each other are settled: each changes the next less

Stretch = Callable[[str, str, float], float]  # how many times as long one resource takes beside so many on another


@dataclass(frozen=True)
class Load:
    """What a process asks of a node.

    Args:
        parts: the share of its time alone that it spends on each resource; they add up to 1.
        waiting: the resources among them that need no core, such as a disk.
        cores: the processor's seconds a second that it takes alone at full speed.
        threads: among which these are split; they hand work to each other, and share a core where cores are short.
        turns: how many times as long it computes where it takes turns on a core, for its caches are cold after each.
        share: of its full speed that it asks for.
        delay: its waits for a turn, as a share of its time alone, where the cores are busy at each of its returns from
            what needs none.
    """

    parts: Mapping[str, float]
    waiting: Sequence[str] = field(default=())
    cores: float = 1.0
    threads: int = 1
    turns: float = 1.0
    share: float = 1.0
    delay: float = 0.0

    def __post_init__(self):
        above_zero(cores=self.cores, turns=self.turns)
        above_zero(share=self.share, most=1)
        whole(threads=self.threads)
        if not math.isclose(sum(self.parts.values()), 1.0, rel_tol=1e-6) or min(self.parts.values()) < 0:
            raise ValueError(f"The parts of a job's time add up to 1, and none is negative: not {dict(self.parts)!r}.")

    @property
    def waits(self) -> dict[str, float]:
        """Those of its parts that need no core."""
        return {part: share for part, share in self.parts.items() if part in self.waiting}


def fair_shares(demands: Sequence[float], cores: float) -> list[float]:
    """Return what each thread gets of some cores: as much as it asks for, or as much as any other that wants more.

    This is max-min fairness, what Linux's scheduler of equal weights aims at (Bertsekas and Gallager 1992, 6.5.2;
    Stoica et al. 1996, doi:10.1109/REAL.1996.563725).

    Args:
        demands: cores that each would use, 0 to 1.
        cores: that there are, above 0.
    """
    above_zero(cores=cores)
    given, left = {}, cores
    for place in sorted(range(len(demands)), key=demands.__getitem__):
        given[place] = min(demands[place], left / (len(demands) - len(given)), 1.0)
        left -= given[place]
    return [given[place] for place in range(len(demands))]


def slowdown(job: Load, neighbour: Load, count: int, cores: float, stretch: Stretch) -> float:
    """Return how many times as long a job of one thread takes beside so many equal neighbours.

    Args:
        job, neighbour: what they ask for.
        count: of neighbours, from 1 up.
        cores: that all of them may use; less than one where a quota says so.
        stretch: returns how many times as long a process takes on one resource beside so many on another.
    """
    whole(count=count)
    longer, there = _settled([job], neighbour, count, cores, stretch)
    others = _demands([job], neighbour, count, cores, longer)
    _, *given = fair_shares([job.cores, *others], cores)
    computing, waiting = 0.0, job.delay * _busy(sum(others), cores)
    for part, share in job.parts.items():
        if part in job.waiting:
            waiting += share * stretch(part, part, count * neighbour.share * there.get(part, 0.0))
        else:
            computing += share * _beside(part, neighbour, sum(given), cores, stretch)
    asked = job.cores + sum(others)
    computing *= 1 + (job.turns - 1) * min(max(asked - cores, 0.0), 1.0)
    own = 1 - sum(job.waits.values())
    wanted = computing / (computing + waiting)
    together = max(computing + waiting, computing / fair_shares([wanted, *others], cores)[0])
    return together / max(1.0, own / min(cores, 1.0))


def others_kept(job: Load, neighbour: Load, count: int, cores: float, stretch: Stretch) -> float:
    """Return the share of their speed that the neighbours keep beside the job, all together; as for `slowdown`."""
    apart, beside = (_settled(jobs, neighbour, count, cores, stretch)[0] for jobs in ([], [job]))
    alone = sum(fair_shares(_demands([], neighbour, count, cores, apart), cores))
    others = _demands([job], neighbour, count, cores, beside)
    own, *given = fair_shares([job.cores, *others], cores)
    before, room, longer = (count - 1) * neighbour.share, max(cores - 1, 0.0), sum(neighbour.waits.values())
    there, more = min(before, room), min(before + own / job.cores, room)
    for part, share in neighbour.parts.items():
        if part not in neighbour.waiting:
            longer += share * sum(weight * (stretch(part, kind, more) / stretch(part, kind, there)
                                            if kind in neighbour.parts else stretch(part, kind, more - there))
                                  for kind, weight in job.parts.items())
    asked = job.cores + sum(others)
    turns = 1 + (neighbour.turns - 1) * min(max(asked - cores, 0.0), 1.0)
    turns /= 1 + (neighbour.turns - 1) * min(max(asked - job.cores - cores, 0.0), 1.0)
    return sum(given) / alone / max(longer, 1.0) / turns


def _settled(jobs: Sequence[Load], neighbour: Load, count: int, cores: float,
             stretch: Stretch) -> tuple[float, dict[str, float]]:
    """Return how many times as long each of some neighbours takes as they wait for each other, for the jobs beside
    them, and for their turns; and the share of its time that each spends on what needs no core.
    """
    longer, there = 1.0, neighbour.waits
    for _ in range(_ROUNDS if there else 0):
        beside = (count - 1) * neighbour.share
        times = {part: share * stretch(part, part, beside * there[part] + sum(job.waits.get(part, 0.0) for job in jobs))
                 for part, share in neighbour.waits.items()}
        asked = sum(job.cores for job in jobs) + beside * neighbour.cores / longer
        longer = 1 - sum(neighbour.waits.values()) + sum(times.values()) + neighbour.delay * _busy(asked, cores)
        there = {part: seconds / longer for part, seconds in times.items()}
    return longer, there


def _demands(jobs: Sequence[Load], neighbour: Load, count: int, cores: float, longer: float) -> list[float]:
    """Return the processor's seconds a second that each of the neighbours' threads asks for beside some jobs, where
    each neighbour takes so many times as long.
    """
    full = count * neighbour.share / longer
    crowded = sum(job.cores for job in jobs) + full * neighbour.cores > cores
    each = min(neighbour.cores, 1.0) if crowded else neighbour.cores
    threads = count * neighbour.threads
    return [full * each / threads] * threads


def _busy(asked: float, cores: float) -> float:
    """Return the share of the time, 0 to 1, in which no core is idle, where others ask for so many."""
    return min(max(asked - (cores - 1), 0.0), 1.0)


def _beside(part: str, neighbour: Load, given: float, cores: float, stretch: Stretch) -> float:
    """Return how many times as long a part takes, beside neighbours that are given so much of the cores' time."""
    active = min(given, max(cores - 1, 0.0))  # on the job's own core nobody else runs meanwhile
    return sum(share * stretch(part, kind, active / neighbour.cores) for kind, share in neighbour.parts.items())


def stretched(curve: CostCurve, count: float) -> float:
    """Return how many times as long something takes beside so many, by straight lines from 1 beside none.

    Args:
        curve: times against the number beside it, from 1 up; beyond, the last line goes on.
        count: 0 or more, and not always whole: those who work now and then count in part.
    """
    points = [(0.0, 1.0), *curve]
    low, high = next(((a, b) for a, b in pairwise(points) if count <= b[0]), points[-2:])
    return max(low[1] + (high[1] - low[1]) * (count - low[0]) / (high[0] - low[0]), 1.0)


def memory_bound(layers: Sequence[network.Layer], batch: int, flops: float, bandwidth: float) -> float:
    """Return the share of a training step's time, 0 to 1, in which it waits for memory, by the roofline.

    For a network that no cache holds: each layer forwards and backwards, and Adam's update, take what the arithmetic or
    the bytes take, whichever is longer.

    Args:
        layers, batch: the network, and the examples in a step.
        flops, bandwidth: of one core, in FLOP/s and bytes/s.
    """
    passes = [3 if place else 2 for place in range(len(layers))]
    touched = (1 + 1 + ADAM_MOMENTS) + (1 + ADAM_MOMENTS)  # Adam reads weight, gradient, moments; writes all but one
    update = (0.0, touched * network.FLOAT * network.parameters(layers) / bandwidth)
    bound = roofline.bounds([*at_peak(layers, batch, flops, bandwidth, passes=passes), update])
    return bound["memory traffic"] / sum(bound.values())


def synchronous(longer: float, nodes: int, visited: float) -> float:
    """Return how many times as long the steps of a training take on average that wait for the slowest node.

    Args:
        longer: how many times as long a node takes that has neighbours, from 1 up.
        nodes: from 1 up.
        visited: the share of its time for which each has neighbours, 0 to 1, at random moments of its own.
    """
    whole(nodes=nodes)
    if not (longer >= 1 and 0 <= visited <= 1):
        raise ValueError(f"A node takes 1 time as long or longer, for 0 to 1 of its time: not {longer} and {visited}.")
    return 1 + (longer - 1) * (1 - (1 - visited) ** nodes)
