"""How long answers take when requests come at random and a server answers in batches.

The server has two workers that take turns with each request: an event loop, which reads requests and writes answers
one after the other, and the network, which computes a batch. There is no formula for the percentiles of such a queue,
so its events are played through, with random arrivals of a fixed seed (discrete-event simulation). Where formulas
exist, one request at a time and nothing else to do, tests hold the simulation to them: M/M/1, Pollaczek and Khinchine,
and Little (doi:10.1287/opre.9.3.383).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from labkit.inputs import above_zero
from labkit.predict.operators import interpolate

ARRIVALS = 6_000  # requests that a prediction plays through
SEED = 33
TREBLED = 3  # the knee: where half of the answers take longer than so many times an answer of an idle server
_WARM_UP = 0.1  # share of the requests that find a server which has just started, and are left out


@dataclass(frozen=True)
class Service:
    """What a server needs for its work, in seconds.

    Args:
        computing: of the network for a batch: points (pictures, seconds).
        spread: how long a batch takes over what is usual, in equally frequent steps; (1,) where it never varies.
        per_request: of the event loop for a request and its answer.
        per_batch: between the event loop and the network, for a batch, there and back.
        rest: of a request for anything else, the client and the operating system, in equally frequent steps.
    """

    computing: tuple[tuple[float, float], ...]
    spread: tuple[float, ...] = (1.0,)
    per_request: float = 0.0
    per_batch: float = 0.0
    rest: tuple[float, ...] = (0.0,)

    def batch(self, pictures: int) -> float:
        """Return the seconds that a batch occupies the network, on average."""
        return interpolate(self.computing, pictures) * sum(self.spread) / len(self.spread) + self.per_batch

    @property
    def idle(self) -> float:
        """The seconds of an answer when nobody else asks."""
        return self.batch(1) + self.per_request + sum(self.rest) / len(self.rest)


@dataclass(frozen=True)
class Played:
    """What became of simulated requests.

    Args:
        seconds: of each answer, float64 (n,), NaN for a request that was turned away.
        computing: the part of it in the network.
        waiting: the part of it in queues.
    """

    seconds: np.ndarray
    computing: np.ndarray
    waiting: np.ndarray

    @property
    def answered(self) -> np.ndarray:
        """Seconds of the answers."""
        return self.seconds[~np.isnan(self.seconds)]

    @cached_property
    def _order(self) -> np.ndarray:
        """Where the answers are, the fastest first."""
        return np.argsort(self.seconds)[:len(self.answered)]

    @property
    def shed(self) -> float:
        """The share of requests that were turned away."""
        return float(np.isnan(self.seconds).mean())

    def percentile(self, percentile: float) -> tuple[float, dict[str, float]]:
        """Return a percentile of the answers in seconds, and what it consists of: the mean of answers around it."""
        order = self._order
        place = min(math.ceil(percentile / 100 * len(order)), len(order)) - 1
        reach = max(1, min(place, len(order) - 1 - place, len(order) // 50))
        near = order[max(place - reach, 0):place + reach + 1]
        computing, waiting = float(self.computing[near].mean()), float(self.waiting[near].mean())
        value, total = float(self.seconds[order[place]]), float(self.seconds[near].mean())
        return value, {"computing": computing * value / total, "waiting": waiting * value / total,
                       "HTTP": (total - computing - waiting) * value / total}


@dataclass(frozen=True)
class Queue:
    """How requests come, and how a server makes batches of them.

    Args:
        rate: requests a second, on average, at all replicas together; they come at random.
        max_batch: pictures in a batch, at most.
        window: seconds that a batch waits for more after its first picture came.
        max_queue: pictures that may wait, at most.
        replicas: servers that get the requests in turn.

    Raises:
        ValueError: a rate that is not finite and above 0, or a batch, queue or number of replicas below 1, or a window
            that is no number from 0 up.
    """

    rate: float
    max_batch: int
    window: float = 0.0
    max_queue: int = 64
    replicas: int = 1

    def __post_init__(self):
        above_zero(rate=self.rate)
        if min(self.max_batch, self.max_queue, self.replicas) < 1 or not 0 <= self.window < math.inf:
            raise ValueError(f"A queue needs batches, room and replicas from 1 up and a window from 0 up, not "
                             f"{self.max_batch!r}, {self.max_queue!r}, {self.replicas!r} and {self.window!r}.")


@lru_cache(maxsize=1024)
def play(service: Service, queue: Queue, count: int = ARRIVALS, seed: int = SEED) -> Played:
    """Let requests come at random, event by event.

    Args:
        service: the server.
        queue: how requests come, and how batches are made.
        count: requests at each replica, from 1 up, of which the first tenth is left out.
        seed: of the arrivals.
    """
    arrivals, stretches, rests = _drawn(service, queue, count, seed)
    compute = [0.0, *(interpolate(service.computing, pictures) for pictures in range(1, queue.max_batch + 1))]
    half = service.per_request / 2  # of the event loop's work for a request: to read it, and to write its answer
    seconds, computing = [math.nan] * count, [math.nan] * count

    waiting: deque[tuple[float, int]] = deque()  # since when, and which request
    batch: list[int] = []  # the requests that the network computes now
    took = 0.0  # seconds that it takes for them
    batch_ends = window_ends = math.inf
    loop_free = 0.0  # when the event loop has done all that it has to do
    arrived = batches = 0
    while arrived < count or batch or waiting:
        arrives = arrivals[arrived] if arrived < count else math.inf
        now = min(arrives, batch_ends, window_ends)
        answered = []
        if now == batch_ends:  # the network hands its batch back to the event loop
            loop_free = max(loop_free, now) + service.per_batch
            answered, batch, batch_ends = batch, [], math.inf
        elif now == arrives:  # the event loop reads a request, and lets it in or turns it away
            loop_free = max(loop_free, now) + half
            if len(waiting) < queue.max_queue:
                waiting.append((loop_free, arrived))
            else:
                loop_free += half
            arrived += 1
        for_answered = took
        if waiting and not batch:  # the network is free: it starts once the batch is full or its window is over
            full = not queue.window or len(waiting) >= queue.max_batch
            window_ends = -math.inf if full else waiting[0][0] + queue.window
            if window_ends <= max(loop_free, now):
                batch = [waiting.popleft()[1] for _ in range(min(queue.max_batch, len(waiting)))]
                took = compute[len(batch)] * stretches[batches]
                batches += 1
                batch_ends, window_ends = max(loop_free, now) + took, math.inf
        for request in answered:  # the event loop writes the answers, one after the other
            loop_free += half
            seconds[request] = loop_free - arrivals[request] + rests[request]
            computing[request] = for_answered

    start = int(_WARM_UP * count)
    seconds, computing = np.array(seconds[start:]), np.array(computing[start:])
    other = service.per_request + service.per_batch + np.array(rests[start:])
    return Played(seconds, computing, np.maximum(seconds - computing - other, 0.0))


def _drawn(service: Service, queue: Queue, count: int, seed: int) -> tuple[list[float], list[float], list[float]]:
    """Draw when requests come to a replica, how much longer than usual each batch takes, and the rest of each answer.

    All replicas fare alike, so that one of them is played.
    """
    random = np.random.default_rng(seed)
    arrivals = np.cumsum(random.exponential(1 / queue.rate, count * queue.replicas))[::queue.replicas]
    stretches = np.array(service.spread)[random.integers(0, len(service.spread), count)]
    rests = np.array(service.rest)[random.integers(0, len(service.rest), count)]
    return arrivals.tolist(), stretches.tolist(), rests.tolist()


def capacity(service: Service, max_batch: int, replicas: int = 1) -> float:
    """Return the requests a second that servers can answer: as fast as the slower of network and event loop."""
    network = max_batch / service.batch(max_batch)
    return replicas * (min(network, 1 / service.per_request) if service.per_request else network)


def knee(service: Service, max_batch: int, window: float = 0.0, max_queue: int = 64) -> float:
    """Return the rate from which half of the answers take more than `TREBLED` times as long as those of an idle server.

    Found by halving an interval around the capacity, to 1 %; the arguments are those of `Queue`.
    """
    low, high = 0.1 * capacity(service, max_batch), 2.0 * capacity(service, max_batch)
    while high > 1.01 * low:
        middle = math.sqrt(low * high)
        median, _ = play(service, Queue(middle, max_batch, window, max_queue)).percentile(50)
        if median < TREBLED * (service.idle + window):
            low = middle
        else:
            high = middle
    return math.sqrt(low * high)


def crossing(rates: Sequence[float], seconds: Sequence[float], limit: float) -> tuple[float, float, float]:
    """Return the rate at which measured times pass a limit, by a straight line between the logarithms, and its ends.

    Args:
        rates: rising.
        seconds: at each.
        limit: in seconds.

    Raises:
        ValueError: the times do not pass the limit.
    """
    for place in range(1, len(rates)):
        (low, before), (high, after) = ((rates[k], seconds[k]) for k in (place - 1, place))
        if before < limit <= after:
            share = math.log(limit / before) / math.log(after / before)
            return low + share * (high - low), low, high
    raise ValueError(f"None of the rates from {rates[0]:g} to {rates[-1]:g} a second passes {limit:g} s.")


def pollaczek_khinchine(rate: float, mean: float, variation: float = 0.0) -> float:
    """Return the mean seconds of waiting for a server that takes one request at a time (Pollaczek and Khinchine).

    Args:
        rate: random arrivals a second.
        mean: seconds of one service.
        variation: its variance over its mean squared: 0 where it never varies (M/D/1), 1 for M/M/1.

    Returns:
        Infinity from full load on.

    Raises:
        ValueError: a number that is negative or none.
    """
    if not (0 <= rate < math.inf and 0 <= mean < math.inf and 0 <= variation < math.inf):
        raise ValueError(f"A queue needs finite numbers from 0 up, not {rate!r}, {mean!r} and {variation!r}.")
    load = rate * mean
    return math.inf if load >= 1 else load * mean * (1 + variation) / (2 * (1 - load))
