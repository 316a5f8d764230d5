"""Processes that work beside each other, as the jobs of several people do on a shared machine.

Each of a `Party` does one kind of work when it is told to, for as long as it is told to, and reports how much it got
done. So one process is measured alone and beside others in turn, with nothing started or ended between.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import mean, stdev
from time import perf_counter

from labkit import effort
from labkit.inputs import above_zero, whole
from labkit.processes import ONE_THREAD, Helper, HelperFailed
from labkit.stats import SURE, student

FILE = 2**26  # bytes of the file that who works on the disk reads
LIFETIME_S = 120  # seconds after which a neighbour of `busy` leaves by itself, whatever happens
PROCESSOR, MEMORY, DISK, NETWORK = RESOURCES = ("the processor", "memory", "the disk", "the network")
SMALL, LARGE, READING = TRAININGS = ("a small network", "a large network", "a small network that reads its input")
ON_DISK = (DISK, READING)
_AHEAD_S = 0.01  # seconds from the order to the moment at which all begin
_STARTING_S, _ANSWER_S = 60, 30  # for a process to get ready, and to answer after its work is over
_MODULE = "labkit.measure.noisy_neighbour_process"


@dataclass(frozen=True)
class Order:
    """What a process is to do.

    Args:
        work: one of `RESOURCES` or `TRAININGS`.
        share: of its full speed at which it would work if nobody disturbed it, above 0 up to 1.
        cores: the processors that it may run on; all that this process may use unless given.

    Raises:
        ValueError: no such work, or a share that is none.
    """

    work: str
    share: float = 1.0
    cores: tuple[int, ...] = ()

    def __post_init__(self):
        if self.work not in RESOURCES + TRAININGS:
            raise ValueError(f"There is no work {self.work!r}: choose one of {', '.join(RESOURCES + TRAININGS)}.")
        above_zero(share=self.share, most=1)


@dataclass(frozen=True)
class Done:
    """What a process did: units of its work a second, and the processor's seconds a second that it took."""

    rate: float
    cores: float


class Party:
    """Processes that do what they are told, for a `with` block: at its end, and on every error, all are ended.

    They end by themselves when this process is gone, and remove the file that they read.

    There are as many as the longest list of orders so far: who has none rests, and costs nothing.
    """

    def __init__(self):
        self._stack, self._helpers, self._ready, self._file = ExitStack(), [], {}, None

    def __enter__(self) -> Party:
        return self

    def __exit__(self, *_) -> None:
        self._stack.close()

    def prepare(self, orders: Sequence[Order | None]) -> None:
        """Start the processes that are not there yet, and let each fetch what its work needs; `run` does it by itself.

        Raises:
            HelperFailed: one could not start, or not get ready.
            OSError: the file that they are to read cannot be written: no room, or no right.
        """
        new = [self._stack.enter_context(Helper(_MODULE, environment=ONE_THREAD))
               for _ in range(len(orders) - len(self._helpers))]
        for helper in new:
            helper.answer(_STARTING_S, new)
        self._helpers += new
        missing = [(helper, order.work) for helper, order in zip(self._helpers, orders, strict=False)
                   if order and order.work not in self._ready.setdefault(helper.id, set())]
        for helper, work in missing:
            helper.tell({"prepare": work, "file": self._scratch() if work in ON_DISK else ""})
        for helper, work in missing:
            helper.answer(_STARTING_S, self._helpers)
            self._ready[helper.id].add(work)

    def run(self, orders: Sequence[Order | None], seconds: float) -> list[Done | None]:
        """Let each process follow its order for some seconds, all at the same time; None lets it rest.

        Raises:
            HelperFailed, OSError: as for `prepare`.
        """
        self.prepare(orders)
        self.tell(orders, seconds)
        patience = seconds + _ANSWER_S
        replies = [order and helper.answer(patience, self._helpers)
                   for helper, order in zip(self._helpers, orders, strict=False)]
        return [reply and Done(**reply) for reply in replies]

    def tell(self, orders: Sequence[Order | None], seconds: float) -> None:
        """Send the orders of prepared processes, and wait for nothing."""
        begin = perf_counter() + _AHEAD_S
        for helper, order in zip(self._helpers, orders, strict=False):
            if order:
                helper.tell({**vars(order), "begin": begin, "seconds": seconds, "settle": _settle()})

    def _scratch(self) -> str:
        from labkit.measure.probes import storage

        if self._file is None:
            self._file = str(self._stack.enter_context(storage.scratch(size=FILE)))
        return self._file


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Let `count` neighbours compute inside the block, one thread each; all are ended with it, whatever happens.

    Raises:
        ValueError: no neighbour.
        HelperFailed: one could not start.
    """
    whole(count=count)
    with Party() as party:
        orders = [Order(PROCESSOR)] * count
        party.prepare(orders)
        party.tell(orders, LIFETIME_S)
        yield


@dataclass(frozen=True)
class Beside:
    """One process and its neighbours, each alone and both together, in turn; rates in units of work a second.

    Args:
        alone, together: of the process, round by round.
        others_alone, others_together: of all its neighbours.
    """

    alone: Sequence[float]
    together: Sequence[float]
    others_alone: Sequence[float]
    others_together: Sequence[float]

    def slowdown(self) -> tuple[float, float, float]:
        """How many times as long the process takes beside its neighbours, and the interval."""
        return _ratio(self.alone, self.together)

    def total(self) -> tuple[float, float, float]:
        """What both get done together, as a multiple of what one of them does alone, and the interval."""
        kept, others = _ratio(self.together, self.alone), _ratio(self.others_together, self.others_alone)
        around = math.hypot(kept[2] - kept[0], others[2] - others[0])
        value = kept[0] + others[0]
        return value, max(value - around, 0.0), value + around


def looks() -> tuple[int, float]:
    """Return the rounds of `beside`, and the seconds of each of their parts, at the effort that holds now."""
    return effort.pick(quick=(3, 0.06), usual=(4, 0.25), long=(16, 0.25))


def _settle() -> float:
    """Return the seconds before each part in which everybody works and nothing counts.

    A system puts processes that wake up together on their cores in its own time: before that, four on two cores were
    seen to leave a job three fifths of a core in place of half of one.
    """
    return effort.pick(quick=0.02, usual=0.1, long=0.1)


def beside(party: Party, order: Order, others: Sequence[Order], rounds: int, seconds: float,
           report: Callable[[float], object] = lambda fraction: None) -> Beside:
    """Measure the first process of a party beside some others.

    In each round come the process alone, both, and the neighbours alone: a machine that changes its speed changes it
    for all three.

    Args:
        party: of processes.
        order: of the first process.
        others: of its neighbours.
        rounds: two or more.
        seconds: of each of the three parts of a round.
        report: is told how much of it is done.

    Raises:
        HelperFailed, OSError: as for `Party.prepare`.
    """
    found = Beside([], [], [], [])
    party.prepare([order, *others])
    for done in range(rounds):
        report(done / rounds)
        found.alone.append(party.run([order], seconds)[0].rate)
        first, *rest = party.run([order, *others], seconds)
        found.together.append(first.rate)
        found.others_together.append(sum(each.rate for each in rest))
        found.others_alone.append(sum(each.rate for each in party.run([None, *others], seconds)[1:]))
    return found


def processors() -> tuple[int, ...]:
    """Return the processors that this process may run on; none where the system binds no process to one."""
    return tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else ()


def _ratio(above: Sequence[float], below: Sequence[float]) -> tuple[float, float, float]:
    """Return the ratio of the means of rates that were taken in pairs, with its 95 % interval by Student's t."""
    if not min(map(sum, (above, below))) > 0:
        raise HelperFailed("A process got nothing done in the time that it had: something else has the core. Close it "
                           "and measure again.")
    value = sum(above) / sum(below)
    misfits = [(a - value * b) / mean(below) for a, b in zip(above, below, strict=True)]
    around = student((1 + SURE) / 2, len(misfits) - 1) * stdev(misfits) / math.sqrt(len(misfits))
    return value, value**2 / (value + around), value + around
