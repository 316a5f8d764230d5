"""How long a training step takes when several nodes share it: computing, communication that shows, and the slowest.

Every node runs the same network on its own examples. What each has learned is added up by an all-reduce, bucket by
bucket, while the backward pass still computes the gradients of earlier layers. Only what is not over by its end keeps
anybody waiting. Then everybody has waited for the slowest node too.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import accumulate

from labkit.inputs import whole
from labkit.specs import network

BACKWARD = (1 / 3, 1.0)  # the shares of computing at which the backward pass, twice the forward one, begins and ends
FIRST, BUCKET = 2**20, 25 * 2**20  # bytes: DistributedDataParallel's first bucket, and its bucket_cap_mb
STRONG, WEAK = "all nodes together", "each node"  # whose batch is given: strong scaling shares it out, weak adds to it
SCALING = (STRONG, WEAK)
COMPUTING, EXPOSED, SLOWEST = ("computing", "exposed communication", "waiting for the slowest")


def share(batch: int, nodes: int, scaling: str) -> int:
    """Return the examples of the node that has most of them.

    Args:
        batch: examples a step, of all nodes or of each.
        nodes: how many.
        scaling: `STRONG` or `WEAK`.

    Raises:
        ValueError: a number that is no whole number from 1 up, another scaling, or fewer examples than nodes.
    """
    whole(batch=batch, nodes=nodes)
    if scaling not in SCALING:
        raise ValueError(f"A batch is that of {' or of '.join(SCALING)}, not of {scaling!r}.")
    if scaling == WEAK:
        return batch
    if batch < nodes:
        raise ValueError(f"{nodes:,} nodes cannot share a batch of {batch:,}: some would have nothing to do.")
    return -(-batch // nodes)


def buckets(layers: Sequence[network.Layer], first: int = FIRST, most: int = BUCKET) -> list[tuple[float, int]]:
    """Return the buckets of gradients in the order in which the backward pass fills them.

    The last layer comes first. A bucket is full when it holds `first` bytes or more, every later one with `most`.

    Args:
        layers: the network.
        first, most: bytes.

    Returns:
        For each bucket the moment at which it is full, as a share of the backward pass, and its bytes. A layer's own
        backward pass takes twice its forward one, but for the first, which needs no gradient of the data.
    """
    spent = list(accumulate((1 if place == 0 else 2) * layer.flop
                            for place, layer in reversed(list(enumerate(layers)))))
    found, held = [], 0
    for moment, layer in zip(spent, reversed(layers), strict=True):
        biases = layer.channels[1]
        for tensor in (biases, layer.parameters - biases):  # of a layer's two tensors, the later one fills first
            held += network.FLOAT * tensor
            if held >= (most if found else first):
                found.append((moment / spent[-1], held))
                held = 0
    return [*found, (1.0, held)] if held else found


def exposed(moments: Sequence[float], times: Sequence[float], end: float, latency: float = 0.0) -> float:
    """Return the seconds by which exchanging outlasts computing: buckets queue for the one link, in order.

    Args:
        moments: seconds at which each bucket is full.
        times: seconds for which each keeps the link busy.
        end: seconds at which computing is over.
        latency: seconds that a bucket needs on top, during which the next may follow it.
    """
    free = 0.0
    for moment, seconds in zip(moments, times, strict=True):
        free = max(free, moment) + seconds
    return max(0.0, free + latency - end) if moments else 0.0


def slowest(samples: Sequence[float], draws: int) -> float:
    """Return the mean of the largest of so many draws from measured values: what a group of that size waits for.

    Of m sorted values, the i-th or a smaller one is the largest of n draws with probability (i / m)ⁿ. The result is
    never above the largest value: how rare worse ones are, samples cannot tell.

    Raises:
        ValueError: no samples, or a number of draws that is no whole number from 1 up.
    """
    if not samples:
        raise ValueError("The slowest of no values is not to be had.")
    whole(draws=draws)
    return _largest(tuple(samples), draws)


@cache
def _largest(samples: tuple[float, ...], draws: int) -> float:
    count = len(samples)
    return sum(value * (((i + 1) / count) ** draws - (i / count) ** draws) for i, value in enumerate(sorted(samples)))


def parts(computing: float, filled: Sequence[tuple[float, float]], backward: tuple[float, float], nodes: int,
          spread: Sequence[float] = (1.0,), *, latency: float = 0.0, busy: float = 0.0,
          overheads: Sequence[float] = ()) -> dict[str, float]:
    """Return the parts of the seconds of a step.

    Args:
        computing: seconds that a node needs for its share of the batch, alone with it.
        filled: for each bucket the share of the backward pass after which it is full, and the seconds for which its
            exchange keeps the link busy.
        backward: the shares of `computing` at which the backward pass begins and ends.
        nodes: how many.
        spread: times of one node's steps, in any unit.
        latency: seconds that an exchange needs on top, as in `exposed`.
        busy: seconds of exchange that the processor has to spend itself, so that they cannot be hidden.
        overheads: seconds for which each bucket is handed over, waits for the other nodes and is taken back, which goes
            on while a message travels, and may be hidden behind computing like it.
    """
    if nodes == 1:
        return {COMPUTING: computing, EXPOSED: 0.0, SLOWEST: 0.0}
    begin, end = (share * computing for share in backward)
    moments = [begin + moment * (end - begin) for moment, _ in filled]
    waiting = exposed(moments, [seconds for _, seconds in filled], end, latency)
    if overheads:
        waiting = max(waiting, exposed(moments, overheads, end))
    mean = sum(spread) / len(spread)
    return {COMPUTING: computing, EXPOSED: busy + waiting,
            SLOWEST: computing * max(slowest(spread, nodes) / mean - 1, 0.0)}


def efficiency(alone: float, together: float, nodes: int, scaling: str) -> float:
    """Return the share of `nodes` times one node's rate that remains, 1 for perfect scaling.

    Args:
        alone: seconds of a step on one node.
        together: seconds of a step on all of them, on the same batch (`STRONG`) or on as much for each (`WEAK`).
        nodes, scaling: as in `share`.
    """
    return alone / together / (nodes if scaling == STRONG else 1)


def best(times: dict[int, float]) -> int:
    """Return the number of nodes that takes least time; the smallest of several that are as good."""
    return min(times, key=lambda nodes: (times[nodes], nodes))
