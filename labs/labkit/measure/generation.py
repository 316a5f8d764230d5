"""What the small language model takes when it really writes: seconds of a step and of a prompt, and bytes of a cache.

Everything is timed in turn with a calibrated point of the products that is like it: what comes from memory keeps
another speed than what the caches hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

import psutil
import torch

from labkit import device as devices
from labkit.measure.probes.generation import one_thread, products, prompt, random_network, step
from labkit.models import generation
from labkit.models.networks.transformer import Cache
from labkit.specs.batching import Request
from labkit.timing import clock
from labkit.timing.drift import speed_of, timed

_KERNELS = 5  # of which the median tells the speed before and after a run


class Like(NamedTuple):
    """A calibrated point of the products: the width, the tokens at once, and the seconds that they took."""

    width: int
    tokens: int
    seconds: float

    def kernel(self) -> Callable[[], float]:
        """Return a sampler of it."""
        device = devices.best()
        return clock.sampler(products(random_network(self.width, device), self.tokens), devices.sync(device))


def writing(width: int, users: int, context: int, like: Like, *, budget: float) -> tuple[clock.Timing, float]:
    """Time a step with the cache; the result is that of `labkit.timing.drift.timed`.

    Args:
        width: of the network.
        users: conversations at once.
        context: tokens of each, the one that is read now included.
        like: a calibrated point that is like this one.
        budget: seconds to spend.
    """
    return _timed(step(random_network(width, devices.best()), users, context), like, budget)


def recomputing(width: int, users: int, context: int, like: Like, *, budget: float) -> tuple[clock.Timing, float]:
    """Time a step without a cache: all tokens of all users are read anew. The arguments are those of `writing`."""
    device = devices.best()
    network = random_network(width, device)
    tokens = torch.zeros(users, context, dtype=torch.int64, device=device)

    @torch.inference_mode()
    def anew():
        network(tokens)[:, -1].argmax(1).tolist()

    return _timed(anew, like, budget)


def reading(width: int, tokens: int, like: Like, *, budget: float) -> tuple[clock.Timing, float]:
    """Time the reading of a prompt of so many tokens, until the first token is there."""
    device = devices.best()
    network = random_network(width, device)
    cache, some = Cache(network, 1), prompt(tokens, device)
    return _timed(lambda: int(network.read(cache, 0, some).argmax()), like, budget)


def serving(width: int, requests: Sequence[Request], places: int, way: str,
            like: Like) -> tuple[generation.Served, float]:
    """Answer requests once; return what became of them, and the machine's speed meanwhile."""
    device = devices.best()
    asked = [(prompt(request.prompt, device), request.answer) for request in requests]
    network = random_network(width, device)
    with one_thread():
        kernel = like.kernel()
        before = [kernel() for _ in range(_KERNELS)]
        served = generation.serve(network, asked, places, way)
        return served, speed_of(like.seconds, median([*before, *(kernel() for _ in range(_KERNELS))]))


def cache_bytes(width: int, places: int) -> int:
    """Return by how much this process, or the GPU's memory, grows by a cache of full length at so many places."""
    device = devices.best()
    network = random_network(width, device)

    def taken() -> int:
        return torch.cuda.memory_allocated() if device.type == "cuda" else psutil.Process().memory_info().rss

    before = taken()
    cache = Cache(network, places)
    for part in (cache.keys, cache.values):
        part.fill_(1.0)  # memory that nothing was written to is not there yet
    return taken() - before


def _timed(call: Callable[[], object], like: Like, budget: float) -> tuple[clock.Timing, float]:
    with one_thread():
        return timed(clock.sampler(call, devices.sync(devices.best())), like.kernel(), like.seconds, budget)
