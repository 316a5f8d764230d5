"""Some processes on this computer that train together, for a notebook: started, told what to do, and always ended.

They compute on the processor, also where there is a GPU: one process alone would get it and two would not, so that
they could not be compared. They talk over real TCP, by gloo. Between them may lie an emulated link, on the best backend
that the machine allows:

- `namespaces`: each process in a network of its own, and every packet between them is delayed and counted (Linux, where
  `/dev/net/tun` may be opened; no administrator needed).
- `hook`: they talk over the loopback interface, and every all-reduce is held back by what a ring over the link takes.
- `loopback`: no link is emulated.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import astuple
from pathlib import Path
from time import monotonic

import psutil
import torch

from labkit import device as devices
from labkit import host, session
from labkit.distributed.job import History, Job
from labkit.distributed.rendezvous import INTERFACE, interface_with
from labkit.distributed.train import ORDERS
from labkit.experiment import Unavailable
from labkit.inputs import above_zero, whole
from labkit.netem import hosts, namespaces
from labkit.netem.emulator import BackendUnavailable
from labkit.predict import sharding
from labkit.processes import Helper, HelperFailed
from labkit.progress import report
from labkit.specs.link import LinkSpec
from labkit.specs.sharding import ShardedJob
from labkit.units import quantity

BACKENDS = {
    "namespaces": "real TCP through networks in user space, one for each process",
    "hook": "every all-reduce is held back as long as a ring over the link would take",
    "loopback": "no link is emulated: real TCP within this computer",
}
JOIN_S = 20.0  # seconds that some processes may need more than others to come
_START_S = 90.0  # seconds until all are there; importing the framework takes most of it
_SILENCE_S = 60.0  # seconds for which a process that works may say nothing
_GLANCE_S = 0.02
_AFTERMATH_S = 0.5  # seconds after a failure in which the others may tell why


class WorkerFailed(HelperFailed):
    """The processes could not start, or one of them failed; the message says which rank, and why."""


class WorkerPool:
    """Processes that have joined.

    Args:
        workers: the helpers, by rank.
        backend: one of `BACKENDS`.
        reason: why it is no better backend, or nothing.
        switch: joins the networks of the backend `namespaces`.
    """

    def __init__(self, workers: list[Helper], backend: str, reason: str = "", switch: hosts.Switch | None = None):
        self.backend, self.reason, self.processes = backend, reason, len(workers)
        self._workers, self._switch, self._over = workers, switch, ""
        self._answers(range(self.processes), _START_S)

    @property
    def ended(self) -> bool:
        """Whether a failure has ended it."""
        return bool(self._over)

    @property
    def ids(self) -> list[int]:
        """The number of each rank's process."""
        return [worker.id for worker in self._workers]

    def steps(self, job: Job, count: int, exchange: bool = True, alone: bool = False) -> list[list[float]]:
        """Return the seconds of each of `count` steps of training on one random batch, for each rank.

        Args:
            job: what one process does.
            count: steps, after some that are not counted.
            exchange: whether the processes add up their gradients (`DistributedDataParallel`); else all compute at
                once, each for itself.
            alone: rank 0 computes by itself, and the others do nothing meanwhile.

        Raises:
            ValueError: a count that is no whole number from 1 up.
            MemoryError: the job needs more memory than is free.
            WorkerFailed: a process failed.
        """
        _fits(job.memory() * self.processes, "The weights, gradients and inputs of all processes")
        whole(count=count)
        return self._do("steps", job=job.as_dict(), count=int(count), exchange=bool(exchange) and not alone,
                        alone=bool(alone))

    def all_reduce(self, size: int, times: int = 1) -> list[float]:
        """Return the seconds of each of some all-reduces of `size` bytes, back to back, in the mean of the ranks.

        Raises:
            ValueError: a size or number of times that is no whole number from 1 up.
            MemoryError: the messages of all processes need more memory than is free.
            WorkerFailed: a process failed.
        """
        whole(size=size, times=times)
        _fits(size * self.processes, f"{self.processes} messages of {quantity(size, 'B')}")
        return [sum(each) / self.processes for each in zip(
            *self._do("all_reduce", size=int(size), times=int(times)), strict=True)]

    def sharded(self, job: ShardedJob, steps: int = 3) -> list[dict]:
        """Train one language model by all processes, and return what each of them held, sent and took.

        Args:
            job: the model, and how it is cut.
            steps: that are timed, beside three in which memory and messages are looked at.

        Returns:
            For each rank what `labkit.distributed.sharding.run` returns.

        Raises:
            ValueError: processes that cannot share the model in this way, or no step.
            MemoryError: all together need more memory than is free, or more disk for what goes into a file.
            WorkerFailed: a process failed.
        """
        whole(steps=steps)
        free = shutil.disk_usage(tempfile.gettempdir()).free
        if (moments := sharding.in_files(job)) > free:
            raise MemoryError(f"Adam's moments take {quantity(moments, 'B')} of disk, and {tempfile.gettempdir()} has "
                              f"{quantity(free, 'B')} free: choose a smaller model, or keep them in memory.")
        needed = self.processes * sum(sharding.memory(job, self.processes).values())
        _fits(needed, f"{self.processes} processes that cut the model by {job.way}")
        return self._do("sharded", job=job.as_dict(), steps=int(steps))

    def exchange(self, kind: str, size: int, times: int = 1) -> list[float]:
        """Return the seconds of each of some messages of one kind, back to back, in the mean of the ranks.

        Args:
            kind: of `labkit.specs.sharding.KINDS`.
            size: bytes of the whole tensor.
            times: how many.

        Raises:
            ValueError: a size or number of times that is no whole number from 1 up.
            MemoryError: the messages of all processes need more memory than is free.
            WorkerFailed: a process failed.
        """
        whole(size=size, times=times)
        _fits(2 * size * self.processes, f"{self.processes} messages of {quantity(size, 'B')}")
        return [sum(each) / self.processes for each in zip(
            *self._do("exchange", kind=kind, size=int(size), times=int(times)), strict=True)]

    def train(self, job: Job, steps: int, *, lr: float = 1e-3, every: int | None = None,
              target: float | None = None, limit: float | None = None) -> History:
        """Train from the start and return how it went.

        Args:
            job: what one process does; a global batch is that of all processes together.
            steps: how many at most.
            lr: Adam's learning rate.
            every: rank 0 looks at the accuracy after so many steps, and at the end; None: only at the end.
            target: an accuracy, 0 to 1, at which training ends; None: after all steps.
            limit: seconds after which it ends at the next look; None: no limit.

        Raises:
            ValueError: steps or looks that are no whole numbers from 1 up, or an lr, target or limit that cannot be.
            MemoryError: the job needs more memory than is free.
            WorkerFailed: a process failed.
        """
        whole(steps=steps)
        above_zero(lr=lr)
        order = {"steps": int(steps), "lr": float(lr), "every": None, "target": None, "limit": None}
        if every is not None:
            whole(every=every)
            order["every"] = int(every)
        if target is not None:
            above_zero(target=target, most=1)
            order["target"] = float(target)
        if limit is not None:
            above_zero(limit=limit)
            order["limit"] = float(limit)
        _fits(job.memory() * self.processes, "The weights, gradients and inputs of all processes")
        reports = self._do("train", job=job.as_dict(), **order)
        return History.of(reports, job.batch)

    def saving(self, job: Job, way: str, folder: Path, count: int = 0) -> list[dict]:
        """Save once, train on for `count` steps, and return how it went on each rank: `Worker.saving`.

        Raises:
            MemoryError: the job needs more memory than is free.
            WorkerFailed: a process failed, as where the folder cannot be written.
        """
        _fits(2 * job.memory() * self.processes, "The weights, gradients and copies of all processes")
        return self._do("saving", job=job.as_dict(), way=way, folder=str(folder), count=count)

    def set_link(self, spec: LinkSpec) -> None:
        """Change the emulated link, for all that is sent from now on; raises `ValueError` where there is none."""
        if self.backend == "loopback":
            raise ValueError("These processes talk over the loopback interface, and no link is emulated: start the "
                             "worker pool with one.")
        if self._switch:
            self._switch.set_link(spec)
        else:
            self._do("set_link", link=astuple(spec))

    def _do(self, what: str, **order) -> list:
        if self._over:
            raise WorkerFailed(f"This worker pool has ended. {self._over}")
        try:
            ranks = range(1 if order.get("alone") else self.processes)
            for rank in ranks:
                self._workers[rank].tell({"do": what, **order})
        except HelperFailed:
            failure = self._failure({})
            self._end(failure)
            raise failure from None
        return self._answers(ranks, _SILENCE_S)

    def _answers(self, ranks: range, patience: float) -> list:
        """Return the answer of each of some ranks.

        Whatever goes wrong ends the pool, for a late answer would be taken for another's.

        Raises:
            WorkerFailed: a process failed, or was silent for `patience` seconds.
        """
        found, troubles, last = {}, {}, monotonic()
        try:
            while len(found) < len(ranks):
                for rank in ranks:
                    message = None if rank in found else self._heard(rank, self._workers[rank], troubles)
                    if troubles:
                        raise self._failure(troubles)
                    if message is not None:
                        last = monotonic()
                        if isinstance(message, dict) and "done" in message:
                            if rank == 0:
                                report(message["done"], message["text"])
                        else:
                            found[rank] = message
                if monotonic() > last + patience:
                    silent = [rank for rank in ranks if rank not in found]
                    raise WorkerFailed(f"{_ranks(silent)} said nothing for {patience:g} s.")
        except BaseException as trouble:
            self._end(trouble)
            raise
        return [found[rank] for rank in ranks]

    def _end(self, trouble: BaseException) -> None:
        self._over = str(trouble) or type(trouble).__name__
        for worker in self._workers:
            worker.end()

    def _heard(self, rank: int, worker: Helper, troubles: dict[int, tuple[bool, str]]) -> object:
        """Return what a rank says within a glance; None for nothing. What went wrong goes into `troubles`."""
        try:
            heard = worker.heard(_GLANCE_S)
        except HelperFailed as trouble:
            why = f"it was ended by signal {worker.killed}" if worker.killed else str(trouble)
            troubles[rank] = False, why
            return None
        if heard and isinstance(heard[0], dict) and "failed" in heard[0]:
            troubles[rank] = heard[0]["lost"], heard[0]["failed"]
            return None
        return heard and heard[0]

    def _failure(self, troubles: dict[int, tuple[bool, str]]) -> WorkerFailed:
        """Look round which ranks have trouble of their own, and have not only lost the others."""
        end = monotonic() + _AFTERMATH_S
        while monotonic() < end:
            for rank, worker in enumerate(self._workers):
                if rank not in troubles:
                    self._heard(rank, worker, troubles)
        own = {rank: why for rank, (lost, why) in troubles.items() if not lost}
        found = own or {rank: why for rank, (_, why) in troubles.items()}
        return WorkerFailed(" ".join(f"Rank {rank}: {why}" for rank, why in sorted(found.items())))


@contextmanager
def worker_pool(processes: int, *, link: LinkSpec | None = None, backend: str | None = None, threads: int = 1,
                crowded: bool = False) -> Iterator[WorkerPool]:
    """Start processes that train together, for a `with` block; they end with it, and if this process is killed.

    Args:
        processes: how many; 1 trains alone.
        link: what lies between each of them and the others; None for the loopback interface alone.
        backend: one of `BACKENDS`; the best that this machine allows unless given.
        threads: of each process.
        crowded: whether there may be more of them than cores, for what does not depend on time.

    Raises:
        ValueError: a number that is no whole number from 1 up, or a backend that there is not.
        WorkerFailed: this machine has too few processors, or does not allow the backend, or a process did not start.
    """
    if not (there := room(processes, threads)) and not (crowded and torch.distributed.is_available()):
        raise WorkerFailed(there.reason)
    if backend is not None and backend not in BACKENDS:
        raise ValueError(f"There is no backend '{backend}': choose one of {', '.join(BACKENDS)}.")
    if backend == "loopback" and link is not None:
        raise ValueError("On the backend 'loopback' no link is emulated: leave `link` out.")
    emulated = link is not None or backend in ("namespaces", "hook")
    with ExitStack() as stack:
        switch, reason = None, ""
        if emulated and backend != "hook":
            try:
                switch = stack.enter_context(hosts.switch())
            except BackendUnavailable as refusal:
                if backend:
                    raise WorkerFailed(str(refusal)) from None
                reason = str(refusal)
        backend = "namespaces" if switch else "hook" if emulated else "loopback"
        pool = WorkerPool(_workers(stack, processes, threads, switch, backend), backend, reason, switch)
        if emulated:
            pool.set_link(link or LinkSpec())
        yield pool


@contextmanager
def kept_pool(processes: int, backend: str = "loopback", crowded: bool = False) -> Iterator[WorkerPool]:
    """Yield a worker pool that `labkit.session.KEPT` keeps: started now, unless one is there that has not ended.

    Beside the pool on the loopback, one with an emulated link is kept, for each process holds its libraries. The
    arguments, and what is raised, are those of `worker_pool`.
    """
    key = "pool", processes, backend

    def start() -> WorkerPool:
        return session.KEPT.start(key, lambda: worker_pool(processes, backend=backend, crowded=crowded))

    for other in BACKENDS:
        if backend != "loopback" and other not in ("loopback", backend):
            end_kept_pool(processes, other)
    with session.KEPT.open():
        if (pool := start()).ended:
            session.KEPT.drop(key)
            pool = start()
        yield pool


def end_kept_pool(processes: int, backend: str = "loopback") -> None:
    """End a pool that `kept_pool` keeps, if one is there: what comes next needs its memory."""
    session.KEPT.end(("pool", processes, backend))


def room(processes: int, threads: int = 1) -> int | Unavailable:
    """Return the number of processes if this machine can run as many at once, else why it cannot.

    One of one thread always can, with half a core too.

    Raises:
        ValueError: a number that is no whole number from 1 up.
    """
    whole(processes=processes, threads=threads)
    cores = devices.cores()
    if not torch.distributed.is_available():
        return Unavailable("This PyTorch was built without torch.distributed.")
    if processes * threads > max(cores, 1):
        each = "" if threads == 1 else f" of {threads} threads each"
        limits = [f"{limit.words} {limit.mend}" for limit in host.processor_limits()]
        return Unavailable(" ".join([f"{processes} processes{each} need {processes * threads} cores, and this one "
                                     f"may use {cores:g}: they would only wait for each other's turn.", *limits]))
    return processes


def _workers(stack: ExitStack, processes: int, threads: int, switch: hosts.Switch | None, backend: str) -> list[Helper]:
    try:
        folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
    except OSError as trouble:
        raise WorkerFailed(f"There is no place for the workers' rendezvous: {trouble}") from None
    environment = {"OMP_NUM_THREADS": str(threads),
                   INTERFACE: namespaces.DEVICE if switch else interface_with("127.0.0.1") or "lo"}
    workers = []
    for rank in range(processes):
        order = {"rank": rank, "processes": processes, "store": str(Path(folder) / "store"), "threads": threads,
                 "delayed": backend == "hook", "patience": JOIN_S}
        try:
            workers.append(stack.enter_context(Helper(
                "labkit.distributed.train", ORDERS, json.dumps(order), environment=environment,
                within=switch.host(rank) if switch else ())))
        except HelperFailed as refusal:
            raise WorkerFailed(f"Rank {rank} could not start. {refusal}") from None
    return workers


def _fits(size: int, what: str) -> None:
    free = min(psutil.virtual_memory().available, devices.container_memory() or math.inf)
    if size > free:
        raise MemoryError(f"{what} take {quantity(size, 'B')} of memory, and {quantity(free, 'B')} are free: choose "
                          "fewer or smaller ones.")


def _ranks(numbers: list[int]) -> str:
    return f"{'Rank' if len(numbers) == 1 else 'Ranks'} {', '.join(map(str, numbers))}"
