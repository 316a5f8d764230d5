"""What Lab 2.4 measures: a real job beside real neighbours, and whether what it learns is the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache

import psutil
import torch

from labkit import device as devices
from labkit import effort, host, session
from labkit.experiment import Unavailable
from labkit.measure.noisy_neighbour import TRAININGS, Beside, Order, Party, beside, busy, looks, processors
from labkit.models import training
from labkit.models.datasets import cats
from labkit.models.evaluation import evaluate
from labkit.models.networks.cats import CatNet
from labkit.processes import HelperFailed
from labkit.progress import report
from labkit.timing.clock import Contention, contended
from labkit.units import quantity

MOST = 16  # neighbours that are started
_TRAINING, _OTHER = 4e8, 2.5e8  # bytes of memory that a process takes which trains, and one that does not
_SPARE = 0.5  # of the free memory, which stays free
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Run:
    """A job beside neighbours: what was measured, and what a reader must know of it."""

    found: Beside
    note: str


class Shared:
    """Measures jobs beside neighbours, each point once."""

    def __init__(self):
        self._run = cache(self._measure)

    def __call__(self, job: str, neighbour: str, count: int, share: float, one_core: bool) -> Run | Unavailable:
        """Return a job beside so many neighbours, or why there is none.

        Args:
            job, neighbour: what they do.
            count, share: of the neighbours, and of its full speed that each asks for.
            one_core: whether all of them are bound to one core.
        """
        return self._run(job, neighbour, count, share, one_core)

    def _measure(self, job: str, neighbour: str, count: int, share: float, one_core: bool) -> Run | Unavailable:
        there = processors()
        if one_core and not there and host.cores() > 1:
            return Unavailable("This system binds no process to a core: they take all cores that there are.")
        if reason := too_many(neighbour, count):
            return Unavailable(reason)
        cores = there[-1:] if one_core else there
        rounds, seconds = looks()
        if host.cores() < 1:
            seconds *= 3  # a quota is given out ten times a second
        try:
            with session.KEPT.held("party", Party) as party:
                others = Contention()
                found = beside(party, Order(job, cores=cores), [Order(neighbour, share, cores)] * count, rounds,
                               seconds, lambda done: report(done, f"{job} beside {neighbour}"))
                return Run(found, contended(others.share()))
        except (HelperFailed, OSError) as trouble:
            return Unavailable(str(trouble))


def too_many(neighbour: str, count: int) -> str:
    """Return why so many neighbours are predicted alone, and not started here, or nothing."""
    if count > MOST:
        return f"{count} neighbours are more than the {MOST} that this lab starts. They are predicted."
    need = count * (_TRAINING if neighbour in TRAININGS else _OTHER)
    if need > _SPARE * (free := psutil.virtual_memory().available):
        return (f"{count} neighbours take {quantity(need, 'B')}: more than half of the {quantity(free, 'B')} of memory "
                "that are free now.")
    return ""


# What is learned


def crowd() -> int:
    """Return how many neighbours are as many as there are cores: one at least, and no more than the lab starts."""
    return max(1, min(int(host.cores()), MOST))


@dataclass(frozen=True)
class Learned:
    """One training: the pictures that it saw, its seconds, its weights (n,), and its accuracy on others, in %."""

    seen: int
    seconds: float
    weights: torch.Tensor
    accuracy: float


def learn(neighbours: int = 0, *, batch: int = 64, seconds: float = math.inf) -> list[Learned] | Unavailable:
    """Train the cat network on one thread, once for each seed, beside some busy neighbours.

    Args:
        neighbours: processes that compute all the time.
        batch: pictures in a step.
        seconds: after which each training ends.
    """
    pictures, others = cats.load(1024, seed=1), cats.load(1024, seed=2)
    learned = []
    try:
        with devices.threads(1), busy(neighbours) if neighbours else nullcontext():
            for seed in range(effort.pick(quick=2, usual=5, long=10)):
                torch.manual_seed(seed)
                network = CatNet(8)
                run = training.train(network, pictures.images, pictures.labels, epochs=4, batch=batch, seed=seed,
                                     device=CPU, seconds=seconds)
                weights = torch.cat([one.detach().flatten() for one in network.parameters()])
                learned.append(Learned(run.pictures, run.seconds, weights, 100 * evaluate(network, others).accuracy))
    except HelperFailed as trouble:
        return Unavailable(str(trouble))
    return learned


def moved(some: Sequence[Learned], others: Sequence[Learned]) -> float:
    """Return by which share of their length the weights differ at most, seed by seed; 0 where all bits are equal."""
    return max(float((one.weights - other.weights).norm() / one.weights.norm())
               for one, other in zip(some, others, strict=True))
