"""One language model over several processes: whole in each of them, in shards, or in stages; and a run of each."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from time import perf_counter

import torch
import torch.distributed as group
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.pipelining import PipelineStage, Schedule1F1B
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

from labkit.distributed import footprint
from labkit.models import training
from labkit.models.networks.transformer import Transformer, causal
from labkit.specs.language_model import VOCABULARY
from labkit.specs.sharding import (
    DATA_PARALLEL,
    GATHERED,
    MICRO_BATCHES,
    OFFLOADED,
    PIPELINE,
    REDUCED,
    SENT,
    TOKENS,
    ZERO_2,
    ShardedJob,
)

_returning = cache(footprint.return_at_once)
_UNCOUNTED = 2  # steps before the one that is looked at: buckets and the optimiser's state are there afterwards


def shard(network: Transformer, processes: int, keep: bool) -> nn.Module:
    """Leave each process its share of every parameter, of its gradient, and so of what the optimiser keeps for it.

    Before a layer runs, all gather its parameters; afterwards they are freed again. On the way back the gradients are
    added up, and each process keeps the sums of its own share.

    Args:
        network: the same on every rank.
        processes: how many there are.
        keep: whether gathered parameters stay from the way forward until the way back (ZeRO-2), instead of being
            gathered twice (ZeRO-3).
    """
    mesh = init_device_mesh("cpu", (processes,))
    for block in network.blocks:
        fully_shard(block, mesh=mesh, reshard_after_forward=not keep)
    return fully_shard(network, mesh=mesh, reshard_after_forward=not keep)


class Stage(nn.Module):
    """Some of the layers: the first stage reads tokens, the last one writes scores.

    Args:
        network: of which it takes its part.
        rank, processes: which stage it is, of how many.
    """

    def __init__(self, network: Transformer, rank: int, processes: int):
        super().__init__()
        count = len(network.blocks) // processes
        self.blocks = network.blocks[rank * count:(rank + 1) * count]
        self.tokens, self.positions = (network.tokens, network.positions) if rank == 0 else (None, None)
        self.norm, self.head = (network.norm, network.head) if rank == processes - 1 else (None, None)

    def forward(self, x: Tensor) -> Tensor:
        if self.tokens is not None:
            x = self.tokens(x) + self.positions(torch.arange(x.shape[1]))
        for block in self.blocks:
            x = block(x, partial(causal, 0))
        return x if self.head is None else self.head(self.norm(x))


def put_in_file(adam: torch.optim.Optimizer, path: Path) -> list[Tensor]:
    """Put Adam's moments into a file that is mapped as memory: the system may write their pages out at any time."""
    moments = [footprint.local(state[name]) for state in adam.state.values() for name in ("exp_avg", "exp_avg_sq")]
    counts = [moment.numel() for moment in moments]
    mapped = torch.from_file(str(path), shared=True, size=sum(counts))
    for moment, place in zip(moments, mapped.split(counts), strict=True):
        moment.set_(place.view_as(moment).copy_(moment))
    return [mapped]


class Run:
    """A model that is being trained by all processes.

    Args:
        job: the model, and how it is cut.
        rank, processes: who this is, of how many.
    """

    def __init__(self, job: ShardedJob, rank: int, processes: int):
        torch.manual_seed(job.seed)
        network = Transformer(job.width, job.layers)
        if job.recompute:
            for block in network.blocks:
                block.forward = partial(checkpoint, block.forward, use_reentrant=False)
        self._schedule, alone = None, processes == 1
        if job.way == PIPELINE and not alone:
            network = Stage(network, rank, processes)
            self._schedule = Schedule1F1B(PipelineStage(network, rank, processes, torch.device("cpu")),
                                          MICRO_BATCHES * processes, loss_fn=_loss)
            self._ends = rank == 0, rank == processes - 1
        elif not alone:
            network = (DistributedDataParallel(network) if job.way == DATA_PARALLEL else
                       shard(network, processes, keep=job.way == ZERO_2))
        texts = torch.randint(VOCABULARY, (processes * job.batch, TOKENS + 1),
                              generator=torch.Generator().manual_seed(job.seed))
        own = texts if self._schedule else texts[rank * job.batch:(rank + 1) * job.batch]
        self._tokens, self._next = own[:, :-1].contiguous(), own[:, 1:].contiguous()
        self.network, self.adam = network, training.optimiser(network)

    def step(self) -> float | None:
        """Train once on the same sequences; return this process's loss, None in a stage that sees none."""
        self.adam.zero_grad()
        if self._schedule:
            first, last = self._ends
            losses: list[Tensor] = []
            self._schedule.step(*[self._tokens] if first else [], target=self._next if last else None,
                                losses=losses if last else None)
            loss = torch.stack(losses).mean() if losses else None
        else:
            loss = _loss(self.network(self._tokens), self._next)
            loss.backward()
        self.adam.step()
        return None if loss is None else float(loss.detach())


def run(job: ShardedJob, rank: int, processes: int, steps: int, tell: Callable[[float], None]) -> dict:
    """Train so many steps, look at what one of them holds and sends, then time as many.

    Returns:
        `losses` of the steps, `peak` and `resident` in bytes, the latter beyond what the process held before, or None;
        `held`, bytes of parameters, gradients and optimiser's state between steps; `sent`, bytes of TCP in one step, or
        None; `seconds` of the steps that nobody looked into.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        able, before = footprint.return_at_once(), footprint.resident()
        with footprint.LiveTensors() as live:
            model = Run(job, rank, processes)
            losses = [model.step() for _ in range(_UNCOUNTED)]
            tell(0.3)
            if job.way == OFFLOADED:
                live.leave_out(put_in_file(model.adam, Path(folder) / "moments"))
            live.begin()
            group.barrier()
            begin = footprint.sent()
            losses.append(model.step())
            group.barrier()
            end = footprint.sent()
            found = {"peak": live.peak, "held": live.now()}
        known = able and before is not None and live.resident is not None
        found["resident"] = live.resident - before if known else None
        found["sent"] = None if begin is None else sum(value - begin.get(ends, 0) for ends, value in end.items())
        tell(0.6)
        seconds = []
        for _ in range(steps):
            group.barrier()
            start = perf_counter()
            losses.append(model.step())
            seconds.append(perf_counter() - start)
        return {**found, "losses": losses, "seconds": seconds}


def exchange(kind: str, size: int, times: int, rank: int, processes: int) -> list[float]:
    """Send messages of one kind back to back; return the seconds of each.

    Args:
        kind: of `labkit.specs.sharding.KINDS`; what is sent goes round the ring.
        size: bytes of the whole tensor.
        times: how often.
        rank, processes: who this is, of how many.
    """
    _returning()  # as in `run`, whose memory would else be mixed with what messages have left
    part = torch.zeros(max(size // 4 // processes, 1))
    everything = torch.zeros(processes * len(part))
    message = torch.zeros(max(size // 4, 1)) if kind == SENT else part
    other = torch.zeros_like(message)

    def once() -> None:
        if kind == REDUCED:
            group.all_reduce(everything)
        elif kind == GATHERED:
            group.all_gather_into_tensor(everything, part)
        elif kind == SENT:
            requests = [group.isend(message, (rank + 1) % processes), group.irecv(other, (rank - 1) % processes)]
            for request in requests:
                request.wait()
        else:
            group.reduce_scatter_tensor(part, everything)

    taken = []
    group.barrier()
    for _ in range(times):
        begin = perf_counter()
        once()
        taken.append(perf_counter() - begin)
    return taken


def _loss(scores: Tensor, following: Tensor) -> Tensor:
    return cross_entropy(scores.flatten(0, 1), following.flatten())
