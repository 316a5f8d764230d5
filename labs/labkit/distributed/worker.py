"""One process of data-parallel training: it joins the others and does with them what is asked."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from time import perf_counter

import torch
import torch.distributed as group
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from labkit import device as devices
from labkit.distributed import saving
from labkit.distributed.checkpoint import Keeper
from labkit.distributed.comm_hook import DelayedAllReduce
from labkit.distributed.job import Job
from labkit.distributed.rendezvous import Lost, out_of_reach, together
from labkit.models import training
from labkit.models.datasets.cats import Pictures
from labkit.models.networks.cats import as_input
from labkit.specs.sharding import ShardedJob

_WARM = 3  # steps: DistributedDataParallel puts the gradients into their buckets in the second
_KEPT = 4  # networks that stay ready for the next call


def data_parallel(network: nn.Module, link: DelayedAllReduce | None = None) -> nn.Module:
    """Return a copy of the network that averages its gradients with all ranks' in every backward pass.

    As soon as a bucket is full of gradients its all-reduce begins, while earlier layers still compute theirs.

    Args:
        network: the same on every rank.
        link: an emulated one, which delays each all-reduce.
    """
    copies = DistributedDataParallel(network)
    if link:
        copies.register_comm_hook(None, link.hook)
    return copies


class Worker:
    """A process that has joined.

    Args:
        store: to which all ranks have come.
        rank: its number, from 0.
        processes: how many there are.
        device: on which it computes; a GPU makes NCCL carry the messages, else gloo does.
        delayed: whether an emulated link holds back every all-reduce.
        silence: seconds that it waits for the others in the middle of its work.

    Raises:
        Lost: they cannot reach each other; the message says what may be the reason.
    """

    def __init__(self, store: group.Store, rank: int, processes: int, *, device: torch.device,
                 delayed: bool = False, silence: float):
        self.rank, self.processes, self.device = rank, processes, device
        if device.type == "cuda":
            torch.cuda.set_device(device)
        try:
            group.init_process_group("nccl" if device.type == "cuda" else "gloo", store=store, rank=rank,
                                     world_size=processes, timeout=timedelta(seconds=silence))
        except (RuntimeError, OSError) as trouble:
            raise Lost(out_of_reach(trouble)) from trouble
        self.link = DelayedAllReduce(processes) if delayed else None
        self._others = f"rank {1 - rank}" if processes == 2 else "another rank"
        self._ready: dict[bool, dict[Job, tuple]] = {True: {}, False: {}}  # alone or not: else ranks keep other ones
        self._numbers, self._side = torch.zeros(0), None
        with together(self._others):
            group.all_reduce(mine := torch.full((4,), float(rank + 1), device=device))
        if not (mine == processes * (processes + 1) / 2).all():
            raise RuntimeError(f"The processes do not add up: rank {rank} got {mine.tolist()}.")

    def all_reduce(self, size: int, times: int) -> list[float]:
        """Add up `size` bytes of numbers over all processes, so many times back to back; return the seconds of each."""
        if self._numbers.nbytes < size:
            self._numbers = torch.zeros(-(-size // 4), device=self.device)
        part, add = self._numbers[: max(size // 4, 1)], self.link.all_reduce if self.link else group.all_reduce
        taken = []
        with together(self._others):
            group.barrier()
            for _ in range(times):
                begin = perf_counter()
                add(part)
                self._wait()
                taken.append(perf_counter() - begin)
        return taken

    def steps(self, job: Job, count: int, exchange: bool, tell: Callable[[float], None],
              alone: bool = False) -> list[float]:
        """Train for so many steps on one random batch and return the seconds of each.

        Args:
            job: the network and the batch of this process.
            count: steps.
            exchange: whether the processes add up their gradients; else each computes alone, all at once.
            tell: is told the share that is done.
            alone: whether the other ranks do nothing meanwhile.
        """
        taken = []
        with together(self._others):
            network, adam, inputs, labels = self._prepared(job, alone)
            copies = isinstance(network, DistributedDataParallel)
            with network.no_sync() if copies and not exchange else nullcontext():
                training.step(network, adam, inputs, labels)
                if not alone:
                    group.barrier()
                for done in range(count):
                    begin = perf_counter()
                    training.step(network, adam, inputs, labels)
                    self._wait()
                    taken.append(perf_counter() - begin)
                    tell((done + 1) / count)
        return taken

    def saving(self, job: Job, way: str, folder: str, count: int, tell: Callable[[float], None]) -> dict:
        """Save a network and its optimiser, and train on for so many steps.

        Args:
            job: the network and the batch of this process.
            way: of `labkit.distributed.saving.WAYS`.
            folder: that no other save has used.
            count: steps.
            tell: is told the share that is done.

        Returns:
            `stall`, the seconds for which training waits; `written`, the seconds until all is on the device; `steps`,
            the seconds of each.
        """
        taken = []
        with together(self._others):
            network, adam, inputs, labels = self._prepared(job, alone=False)
            self._side = self._side or group.new_group(backend="gloo")
            group.barrier()
            start = perf_counter()
            saved = saving.save(way, Path(folder), _bare(network), adam, self._side)
            stall = perf_counter() - start
            saved.add_done_callback(lambda _: taken.append(perf_counter() - start))
            steps = []
            for done in range(count):
                begin = perf_counter()
                training.step(network, adam, inputs, labels)
                steps.append(perf_counter() - begin)
                tell((done + 1) / count)
            saved.result()
            group.barrier()
        return {"stall": stall, "written": taken[0], "steps": steps}

    def train(self, job: Job, steps: int, *, lr: float, every: int | None, target: float | None = None,
              limit: float | None = None, tell: Callable[[float, str], None], keeper: Keeper | None = None) -> dict:
        """Train for so many steps, each on one global batch of which every rank takes its share.

        The examples of a global batch do not depend on how many processes share them. The dense network sees the same
        random vectors again and again, and nobody asks for its accuracy.

        Args:
            job: the network and the batch of one process.
            steps: how many at most.
            lr: Adam's learning rate.
            every: rank 0 looks at the accuracy after so many steps, and at the end; None: only at the end.
            target: an accuracy at which training ends; None: after all steps.
            limit: seconds of rank 0 after which training ends as well, where somebody looks; None: however long.
            tell: is told the share that is done and, where somebody looked, how it goes.
            keeper: saves now and then, and begins where the last save was made.

        Returns:
            `losses`, this rank's own; `accuracies` as [step, accuracy]; `seconds`; a digest of the `weights`. After a
            restart, losses, accuracies and seconds are those since then.
        """
        losses, accuracies, seconds = [], [], 0.0
        with together(self._others):
            network, adam = self._built(job, lr)
            bare = _bare(network)
            done = keeper.resume(bare, adam) if keeper else 0
            batches, tests = self._shares(job, done)
            group.barrier()
            start = begin = perf_counter()
            for step in range(done + 1, steps + 1):
                losses.append(training.step(network, adam, *next(batches)))
                if keeper:
                    keeper.after(step, bare, adam)
                if step < steps and (not every or step % every):
                    tell(step / steps)
                    continue
                losses[-1] = float(losses[-1])
                seconds += perf_counter() - begin
                text = (f"Step {step} of {steps}: loss {losses[-1]:.3f}, "
                        f"{step * job.batch * self.processes / seconds:,.0f} examples/s")
                if tests:
                    accuracy, late = self._look(bare, tests, limit is not None and perf_counter() - start > limit)
                    accuracies.append([step, accuracy])
                    text += f", {accuracy:.1%} of the test pictures right"
                tell(step / steps, text)
                if tests and (late or (target is not None and accuracy >= target)):
                    break
                begin = perf_counter()
        return {"losses": [float(loss) for loss in losses], "accuracies": accuracies, "seconds": seconds,
                "weights": digest(network)}

    def sharded(self, job: ShardedJob, steps: int, tell: Callable[[float], None]) -> dict:
        """Train one language model in one of the ways of `labkit.specs.sharding`; as `labkit.distributed.sharding.run`.
        """
        from labkit.distributed import sharding

        with together(self._others):
            return sharding.run(job, self.rank, self.processes, steps, tell)

    def exchange(self, kind: str, size: int, times: int) -> list[float]:
        """Send messages of one kind back to back; as `labkit.distributed.sharding.exchange`."""
        from labkit.distributed import sharding

        with together(self._others):
            return sharding.exchange(kind, size, times, self.rank, self.processes)

    def gather(self, report: dict) -> list[dict]:
        """Return every rank's report, on every rank."""
        found = [None] * self.processes
        with together(self._others):
            group.all_gather_object(found, report)
        return found

    def leave(self) -> None:
        """Part from the others, once all are ready to."""
        with together(self._others):
            group.barrier()
            group.destroy_process_group()

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def _built(self, job: Job, lr: float, alone: bool = False) -> tuple[nn.Module, torch.optim.Optimizer]:
        network = training.to_device(job.build(), self.device).train()
        adam = training.optimiser(network, lr)
        return (network if alone or self.processes == 1 else data_parallel(network, self.link)), adam

    def _prepared(self, job: Job, alone: bool) -> tuple:
        ready = self._ready[alone]
        if job not in ready:
            while len(ready) >= _KEPT:
                del ready[next(iter(ready))]
            network, adam = self._built(job, 1e-3, alone)
            inputs, labels = (values.to(self.device) for values in job.inputs(self.rank))
            if inputs.dim() == 4:
                inputs = inputs.to(memory_format=devices.layout(self.device))
            for _ in range(_WARM):
                training.step(network, adam, inputs, labels)
            ready[job] = network, adam, inputs, labels
        return ready[job]

    def _shares(self, job: Job, done: int = 0) -> tuple[Iterator[tuple[Tensor, Tensor]], Pictures | None]:
        """Return this rank's share of one global batch after the other, and the pictures to test on, if any.

        Those of the steps that are done already are left out.
        """
        if job.network == "dense":
            return itertools.repeat(tuple(values.to(self.device) for values in job.inputs(self.rank))), None
        pictures, tests = job.shown()
        images, labels = pictures.images.to(self.device), pictures.labels.to(self.device)

        def shares():
            order = _Order(len(images), job.seed)
            order.take(done * job.batch * self.processes)
            while True:
                chosen = order.take(job.batch * self.processes)[self.rank::self.processes].to(self.device)
                yield as_input(images[chosen]), labels[chosen]

        return shares(), tests

    def _look(self, network: nn.Module, tests, late: bool) -> tuple[float, bool]:
        """Return the accuracy that rank 0 finds, and whether it is late; the others wait for it."""
        found = torch.zeros(2, device=self.device)
        if self.rank == 0:
            found[0] = (training.probabilities(network, tests.images).argmax(1) == tests.labels).float().mean()
            found[1] = late
            network.train()
        group.broadcast(found, 0)
        return float(found[0]), bool(found[1])


def _bare(network: nn.Module) -> nn.Module:
    return network.module if isinstance(network, DistributedDataParallel) else network


class _Order:
    """Picture after picture in an order that the seed gives; after the last comes the first of another order."""

    def __init__(self, count: int, seed: int):
        self._count, self._dice = count, torch.Generator().manual_seed(seed)
        self._left = torch.empty(0, dtype=torch.int64)

    def take(self, count: int) -> torch.Tensor:
        """Return the next `count` indices."""
        while len(self._left) < count:
            self._left = torch.cat([self._left, torch.randperm(self._count, generator=self._dice)])
        chosen, self._left = self._left.split([count, len(self._left) - count])
        return chosen


def digest(network: nn.Module) -> str:
    """Return twelve letters and digits that tell networks apart whose weights differ in any bit."""
    found = hashlib.sha256()
    for parameter in network.parameters():
        found.update(parameter.detach().contiguous().cpu().numpy().tobytes())
    return found.hexdigest()[:12]

