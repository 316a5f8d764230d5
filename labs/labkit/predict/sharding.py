"""What each process holds at the peak of a training step, and what it sends, by how a model is cut among them.

Counted for the course's own transformer (`labkit.specs.language_model.own`) in 32-bit numbers, trained by Adam, as
PyTorch's `DistributedDataParallel`, `fully_shard` and `pipelining` go about it. In the unit of a layer's input, batch ×
tokens × width, a layer keeps sixteen for the way back: what the two normalisations read and wrote, queries, keys and
values, what attention read together, and twice the middle, which is four times as wide. Korthikanti et al. (2022,
arXiv:2205.05198, section 4.1) count seventeen, in which dropout is.

The peak comes where a layer's way back begins, at its last product, or when Adam runs. Which layer's that is depends on
what shrinks faster, what is kept for the way back, or grows, the gradients: so all are tried.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from labkit.predict import links
from labkit.predict.data_parallel import BUCKET, FIRST
from labkit.specs.calibration import CostCurve
from labkit.specs.language_model import CONTEXT, HEAD, VOCABULARY, own, own_layer
from labkit.specs.network import FLOAT
from labkit.specs.sharding import (
    DATA_PARALLEL,
    GATHERED,
    MICRO_BATCHES,
    OFFLOADED,
    PIPELINE,
    REDUCED,
    SCATTERED,
    SENT,
    TOKENS,
    ZERO_2,
    ShardedJob,
)

SAVED = 16  # layer inputs that a layer keeps for the way back
WORKING = 5  # layer inputs that the way back of a layer holds at once: gradients of its output and of its middle
WEIGHTS, WHOLE, GRADIENTS, OPTIMISER, ACTIVATIONS = PARTS = (
    "parameters", "gathered parameters", "gradients", "optimiser", "activations")


@dataclass(frozen=True)
class Exchange:
    """One kind of message of a step.

    Args:
        kind: of `labkit.specs.sharding.KINDS`.
        size: bytes of the whole tensor, of which each process has a share before or after.
        times: in a step.
    """

    kind: str
    size: float
    times: int = 1

    def sent(self, processes: int, direct: bool = False) -> float:
        """Return the bytes that a process of a ring sends.

        Args:
            processes: how many.
            direct: whether a reduce-scatter stops when its sums are there. That of gloo goes on and hands all sums to
                all, as an all-reduce does (PyTorch 2.13, seen at the sockets in Lab 2.7).
        """
        if self.kind == SENT:
            return self.times * self.size
        twice = self.kind == REDUCED or (self.kind == SCATTERED and not direct)
        return self.times * (2 if twice else 1) * (processes - 1) / processes * self.size


def memory(job: ShardedJob, processes: int) -> dict[str, float]:
    """Return the bytes that a process holds at the peak of a step, by `PARTS`; in a pipeline, that which holds most.

    Where a pipeline computes again what a layer kept, PyTorch frees it later than counted here.

    Raises:
        ValueError: processes that cannot share the model in this way. So do all functions here.
    """
    job.check(processes)
    return max(_moments(job, processes), key=lambda parts: sum(parts.values()))


def in_files(job: ShardedJob) -> float:
    """Return the bytes of moments that all processes together put into files."""
    return 2 * FLOAT * own(job.width, job.layers).parameters if job.way == OFFLOADED else 0.0


def exchanges(job: ShardedJob, processes: int) -> list[Exchange]:
    """Return what the processes send each other in a step; nothing where there is only one."""
    job.check(processes)
    if processes == 1:
        return []
    block, rest, whole_model = _sizes(job)
    if job.way == PIPELINE:
        neighbours = min(processes - 1, 2)  # of the stage that has most
        return [Exchange(SENT, _input(job) / MICRO_BATCHES, MICRO_BATCHES * processes * neighbours)]
    if job.way == DATA_PARALLEL:
        first = min(FIRST, whole_model)
        left, most = whole_model - first, max(BUCKET, block / 3)
        count = max(1, math.ceil(left / most))
        return [Exchange(REDUCED, first), Exchange(REDUCED, left / count, count)]
    gathers = 1 if job.way == ZERO_2 else 2
    return [Exchange(kind, size, count * times) for kind, times in ((GATHERED, gathers), (SCATTERED, 1))
            for size, count in ((block, job.layers), (rest, 1))]


def traffic(job: ShardedJob, processes: int, direct: bool = False) -> dict[str, float]:
    """Return the bytes that a process sends in a step, by kind of message; `direct` as in `Exchange.sent`."""
    sent: dict[str, float] = {}
    for one in exchanges(job, processes):
        sent[one.kind] = sent.get(one.kind, 0.0) + one.sent(processes, direct)
    return sent


def seconds(job: ShardedJob, processes: int, curves: Mapping[str, CostCurve]) -> dict[str, float]:
    """Return the seconds of a step's exchanges back to back, by kind of message.

    Args:
        job, processes: what is trained, by how many.
        curves: seconds of one message among so many processes by its bytes, for each kind.
    """
    taken: dict[str, float] = {}
    for one in exchanges(job, processes):
        taken[one.kind] = taken.get(one.kind, 0.0) + one.times * links.seconds(curves[one.kind], one.size)
    return taken


def _sizes(job: ShardedJob) -> tuple[int, int, int]:
    """Return the bytes of a layer's parameters, of all others, and of all together."""
    block, everything = FLOAT * own_layer(job.width), FLOAT * int(own(job.width, job.layers).parameters)
    return block, everything - job.layers * block, everything


def _input(job: ShardedJob) -> int:
    """Return the bytes of a layer's input, for the sequences of one process."""
    return FLOAT * job.batch * TOKENS * job.width


def _layer(job: ShardedJob, unit: float) -> tuple[float, float]:
    """Return the bytes that a layer keeps, and that its way back holds beside, from those of its input."""
    kept = unit * (SAVED + 1 / HEAD)  # and one number for each head, from attention
    return (unit, WORKING * unit + kept - unit) if job.recompute else (kept, WORKING * unit)


def _moments(job: ShardedJob, processes: int) -> Iterator[dict[str, float]]:
    """Yield what is held at each moment that may be the peak, by parts."""
    if job.way == PIPELINE and processes > 1:
        yield from _stages(job, processes)
        return
    block, rest, everything = _sizes(job)
    unit, shards = _input(job), 1 if job.way == DATA_PARALLEL else processes
    kept, work = _layer(job, unit)
    scores, head = unit * VOCABULARY / job.width, FLOAT * VOCABULARY * job.width
    buckets = everything if job.way == DATA_PARALLEL and processes > 1 else 0  # copies that are added up

    def moment(layers: int, gathered: float, gradients: float, activations: float) -> dict[str, float]:
        held = everything if shards == 1 else gathered
        parts = (everything / shards, held if shards > 1 else 0.0, gradients + buckets,
                 0.0 if job.way == OFFLOADED else 2 * everything / shards, layers * kept + activations)
        return dict(zip(PARTS, parts, strict=True))

    def gathered(left: int) -> float:
        return rest + block * (left if job.way == ZERO_2 else min(left, 2))  # this layer, and the next one's ahead

    ahead = rest + (job.layers if job.way == ZERO_2 else 1) * block
    yield moment(job.layers - 1, ahead + 2 * block, 0.0, unit)  # two layers just gathered are not yet handed over
    yield moment(job.layers, gathered(job.layers), 0.0, 2 * unit + 3 * scores)  # the scores' way back
    for done in range(job.layers):
        waiting = block if done and shards > 1 else 0  # the gradients that are being added up
        yield moment(job.layers - done, gathered(job.layers - done),
                     head + block / 3 + waiting + done * block / shards, work)
    yield moment(0, rest, everything / shards + (rest + block if shards > 1 else 0), 0.0)


def _stages(job: ShardedJob, processes: int) -> Iterator[dict[str, float]]:
    """Yield what each stage holds when the way back of a layer begins, with as many micro-batches as are under way.

    One goes forward, one back (Narayanan et al. 2019, PipeDream, doi:10.1145/3341301.3359646): a stage holds as many as
    there are stages from it to the last.
    """
    block, _, _ = _sizes(job)
    unit, layers = _input(job) / MICRO_BATCHES, job.layers // processes
    kept, work = _layer(job, unit)
    for stage in range(processes):
        ends = (VOCABULARY + CONTEXT) * (stage == 0) + (VOCABULARY + 2) * (stage == processes - 1)
        held = layers * block + FLOAT * ends * job.width
        parts = (held, 0.0, held + block / 3, 2 * held, (processes - stage) * layers * kept + work)
        yield dict(zip(PARTS, parts, strict=True))


