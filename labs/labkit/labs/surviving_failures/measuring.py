"""What Lab 2.6 measures: trainings whose workers are killed, and saves by workers that train."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import TypeVar

from labkit import effort
from labkit.distributed import elastic
from labkit.distributed.elastic import Kill, Survived
from labkit.distributed.job import Job
from labkit.distributed.pool import WorkerFailed, WorkerPool, end_kept_pool, kept_pool
from labkit.distributed.saving import WAYS
from labkit.experiment import Outcome, Unavailable
from labkit.labs.common import drifted, measured
from labkit.measure.probes import failures as probe
from labkit.netem import hosts
from labkit.netem.emulator import BackendUnavailable
from labkit.progress import report
from labkit.timing.drift import speed_of, timed

STARTING, TRAINING, SAVING, RESTARTING, REPEATING = (
    "starting", "training", "saving", "starting again", "repeating lost steps")
COUNT = 12  # steps that are watched while a save is written
_LOOKS = 30  # reference kernels before a training and after it

T = TypeVar("T")


@dataclass(frozen=True)
class Training:
    """A training that was run, and killed now and then.

    Args:
        survived: how it went.
        speed: of the machine, as a fraction of its calibrated one.
    """

    survived: Survived
    speed: float

    @property
    def outcome(self) -> Outcome:
        """The seconds until it was done, and where they went."""
        run = self.survived
        first, *again = run.lives
        parts = {STARTING: first.waited, SAVING: sum(run.saves), RESTARTING: sum(life.waited for life in again),
                 REPEATING: run.repeated * run.step}
        parts[TRAINING] = run.seconds - sum(parts.values())
        computing = dict.fromkeys((TRAINING, REPEATING), self.speed)  # a start waits for the disk as well
        return Outcome(run.seconds, "s", parts=parts, note=drifted(self.speed), speed=computing)


class Trainer:
    """Runs trainings, each once.

    Args:
        reference_seconds: of the probe `failures`.
    """

    def __init__(self, reference_seconds: float):
        self._reference_seconds = reference_seconds
        self._run = cache(self._train)

    def __call__(self, two_hosts: bool, kills: tuple[Kill, ...], every: int, steps: int,
                 ranks: int) -> Training | Unavailable:
        """Return how a training of so many steps went, or why there is none.

        Args:
            two_hosts: whether each rank has a host, and a launcher, of its own.
            kills: in the order of their steps.
            every: steps between two saves.
            steps: in all.
            ranks: processes.
        """
        return self._run(two_hosts, kills, every, steps, ranks)

    def _train(self, two_hosts, kills, every, steps, ranks) -> Training | Unavailable:
        report(0, f"Training, {len(kills)} kills" if kills else "Training, unbroken")
        end_kept_pool(ranks)
        looks = [probe.reference() for _ in range(_LOOKS)]
        try:
            with ExitStack() as stack:
                switch = stack.enter_context(hosts.switch()) if two_hosts else None
                run = elastic.survive(probe.JOB, steps, stack.enter_context(probe.folder()), every=every, kills=kills,
                                      processes=ranks, switch=switch)
        except (BackendUnavailable, elastic.TrainingFailed) as trouble:
            return Unavailable(str(trouble))
        except OSError as trouble:
            return Unavailable(f"Checkpoints cannot be written: {trouble.strerror or trouble}.")
        looks += [probe.reference() for _ in range(_LOOKS)]
        return Training(run, speed_of(self._reference_seconds, median(looks)))


def save(way: str, width: int, reference_seconds: float) -> Outcome | Unavailable:
    """Measure for how long a save keeps all ranks waiting, in turn with the reference kernel."""
    budget = effort.pick(quick=0.1, usual=1.0, long=3.0)
    return _with_pool(lambda pool, place: measured(*timed(
        probe.saver(pool, way, width, place), probe.reference, reference_seconds, budget)))


def unbroken(steps: int) -> str | Unavailable:
    """Return the digest of the weights that the lab's training ends with if nothing is killed and nothing saved."""
    return _with_pool(lambda pool, _: pool.train(probe.JOB, steps).weights[0])


@dataclass(frozen=True)
class Beside:
    """Steps while a save is written, on the slowest rank.

    Args:
        stall, written: seconds for which training waits, and until all is on the device.
        steps: by how many seconds the steps that follow took longer, in all, than as many just before without a save.
    """

    stall: float
    written: float
    steps: float


def beside(width: int) -> dict[str, Beside] | Unavailable:
    """Return what a save in each way does to the `COUNT` steps that follow, in the median of some rounds."""
    return _with_pool(lambda pool, place: _beside(pool, place, probe.saved(width)))


def _beside(pool: WorkerPool, place: Path, job: Job) -> dict[str, Beside]:
    rounds = {way: [] for way in WAYS}
    pool.steps(job, COUNT)  # the first ones take longer
    for number in range(effort.pick(quick=1, usual=7, long=15)):
        plain = max(map(sum, pool.steps(job, COUNT)))
        for way in WAYS:
            ranks = pool.saving(job, way, place / f"{way}{number}", COUNT)
            rounds[way].append([max(rank["stall"] for rank in ranks), max(rank["written"] for rank in ranks),
                                max(sum(rank["steps"]) for rank in ranks) - plain])
    return {way: Beside(*map(median, zip(*found, strict=True))) for way, found in rounds.items()}


def _with_pool(do: Callable[[WorkerPool, Path], T]) -> T | Unavailable:
    """Return what is done with a worker pool and a folder, or why it could not be."""
    try:
        with kept_pool(probe.processes()) as pool, probe.folder() as place:
            return do(pool, place)
    except WorkerFailed as trouble:
        return Unavailable(str(trouble))
    except OSError as trouble:
        return Unavailable(f"Checkpoints cannot be written: {trouble.strerror or trouble}.")
