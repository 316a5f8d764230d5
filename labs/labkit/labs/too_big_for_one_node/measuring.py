"""What Lab 2.7 measures: real processes train one language model together, each way once, and keep what they saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from labkit import effort
from labkit.distributed.pool import WorkerFailed, WorkerPool, kept_pool, room
from labkit.experiment import Outcome, Unavailable
from labkit.measure.probes import exchanges as probe
from labkit.predict.sharding import Exchange
from labkit.progress import report
from labkit.specs.sharding import PIPELINE, ShardedJob
from labkit.timing import clock

PAIR = 2  # processes, between which exchanges were calibrated
_BUDGET = 0.9  # seconds for the exchanges of a point, at usual effort


class Runs:
    """Trains models by some processes, each model once."""

    def __init__(self):
        self._found: dict[tuple[ShardedJob, int], list[dict] | Unavailable] = {}

    def __call__(self, job: ShardedJob, processes: int) -> list[dict] | Unavailable:
        """Return what each rank held, sent and took (`labkit.distributed.sharding.run`), or why there is nothing.

        There may be more processes than cores: what they hold and send does not depend on time.
        """
        if (job, processes) not in self._found:
            report(0, f"Training by {job.way} in {processes} {'process' if processes == 1 else 'processes'}")
            self._found[job, processes] = self._with(processes, lambda pool: pool.sharded(job, steps()))
        return self._found[job, processes]

    def exchange(self, exchanges: Sequence[Exchange]) -> Outcome | Unavailable:
        """Time the exchanges of a step between two processes, in turn with the reference exchange, as calibrated.

        What is left to rest wakes up later, so without it short messages would take other times. They are not carried
        to another speed: messages of one size do not keep that of another.
        """
        if not (there := room(PAIR)):
            return there

        def timed_by(pool: WorkerPool) -> Outcome:
            samples = [(one.times, probe.sampler(pool, one.kind, int(one.size))) for one in exchanges]
            timing = clock.rounds({"step": lambda: sum(times * sample() for times, sample in samples),
                                   "reference": probe.reference(pool)},
                                  budget=effort.pick(quick=_BUDGET / 6, usual=_BUDGET, long=4 * _BUDGET))["step"]
            return Outcome(timing.median, "s", low=timing.low, high=timing.high, note=timing.note)

        return self._with(PAIR, timed_by)

    def _with(self, processes: int, ask: Callable[[WorkerPool], object]):
        try:
            with kept_pool(processes, crowded=True) as pool:
                return ask(pool)
        except (WorkerFailed, MemoryError) as trouble:
            return Unavailable(str(trouble))


def steps() -> int:
    """Return how many steps of a run are timed."""
    return effort.pick(quick=1, usual=4, long=10)


def most_processes() -> int:
    """Return how many processes the lab starts at most: each takes time and memory to come."""
    return effort.pick(quick=2, usual=4, long=4)


def loss(job: ShardedJob, ranks: list[dict] | Unavailable) -> list[float] | Unavailable:
    """Return the loss of each step over all sequences: the mean of the ranks, or that of a pipeline's last stage."""
    if not ranks:
        return ranks
    if job.way == PIPELINE and len(ranks) > 1:
        return ranks[-1]["losses"]
    return [sum(each) / len(ranks) for each in zip(*(rank["losses"] for rank in ranks), strict=True)]
