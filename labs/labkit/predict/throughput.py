"""How much a system answers, and how soon, by the way in which it is asked: MLPerf's four scenarios.

Everything here is a pure function of times that were measured elsewhere: of the network by itself, and of being asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import islice

from labkit.inputs import above_zero
from labkit.predict import roofline
from labkit.predict.operators import interpolate, layer_time
from labkit.specs import network
from labkit.specs.calibration import Calibration
from labkit.stats import binomial_sums

PICTURE_224 = 3 * 224 * 224  # bytes of the picture that ResNet-50 reads (Reddi et al. 2020, table I)
CONFIDENCE = 0.99  # that LoadGen asks for before it calls a percentile kept (its results.cc)


def alone(sessions: Calibration, dtype: str, width: int, samples: int) -> float:
    """Return the seconds in which a network answers `samples` at once, by `labkit.measure.probes.sessions`."""
    return layer_time(sessions.group(dtype), width, samples)


def asked(sessions: Calibration, queries: Calibration, dtype: str, width: int, samples: int) -> dict[str, float]:
    """Return the parts of the median time of a query with some samples: the network's, and that of being asked.

    Being asked costs the same whatever the network: LoadGen's call, the pictures gathered, the answers handed back, and
    caches that others have used meanwhile. `labkit.measure.probes.queries` finds it with a narrow network; where
    there is no LoadGen it counts as nothing.
    """
    more = 0.0
    if not queries.missing:
        more = max(interpolate(queries.curve("p50"), samples) - interpolate(queries.curve("alone"), samples), 0.0)
    return {"the network": alone(sessions, dtype, width, samples), "being asked": more}


def stretched(median: float, queries: Calibration, name: str, samples: int) -> float:
    """Return another time of a query, from its median and from how far the two lay apart for the narrow network.

    The distance is taken to grow with the square root of the time: small delays that come at random, independently of
    each other, spread like that.

    Args:
        median: in seconds.
        queries: what `labkit.measure.probes.queries` found; where there is no LoadGen, the distance is 0.
        name: `"p90"` or `"p99"`, or `"turn"` for the mean time from one query to the next.
        samples: in a query.
    """
    if queries.missing:
        return median
    usual = interpolate(queries.curve("p50"), samples)
    return median + (interpolate(queries.curve(name), samples) - usual) * math.sqrt(median / usual)


def spread(queries: Calibration) -> float:
    """Return the variance of the time of a turn over its mean squared; 0 where each takes the same."""
    if queries.missing:
        return 0.0
    return (interpolate(queries.curve("deviation"), 1) / interpolate(queries.curve("turn"), 1)) ** 2


def slowest(rate: float, service: float, spread: float, share: float = 0.99) -> float:
    """Return a high percentile of the seconds from a query's arrival to its answer, at one server.

    Queries arrive at random moments (Poisson), wait in line, and are served one at a time. The share that finds the
    server busy is its load; the mean wait is that of Pollaczek and Khinchine; the waits of those who wait are taken as
    exponential (exact where the service times are, and close above half the load). So, with the load r,

        wait = r * service * (1 + spread) / (2 * (1 - r)),   slowest = service + wait / r * log(r / (1 - share))

    Args:
        rate: queries a second.
        service: mean seconds of service.
        spread: variance of the service time over its mean squared.
        share: below 1: 0.99 for the slowest hundredth.

    Returns:
        Infinity from full load on.

    Raises:
        ValueError: a rate or a service time that is not finite and above 0, a negative spread, or a share that is not
            above 0 and below 1.
    """
    above_zero(rate=rate, service=service)
    if not 0 <= spread < math.inf or not 0 < share < 1:
        raise ValueError(f"A queue needs a spread from 0 and a share between 0 and 1, not {spread!r} and {share!r}.")
    load = rate * service
    if load >= 1:
        return math.inf
    wait = load * service * (1 + spread) / (2 * (1 - load))
    return service + wait / load * max(math.log(load / (1 - share)), 0.0)


def highest(service: float, spread: float, deadline: float, share: float = 0.99) -> float:
    """Return the highest rate, in queries a second, at which a percentile keeps a deadline; 0 where none does.

    The arguments are those of `slowest`, and the deadline in seconds.
    """
    above_zero(service=service, deadline=deadline)
    if slowest(1e-9 / service, service, spread, share) > deadline:
        return 0.0
    return largest(lambda rate: slowest(rate, service, spread, share) <= deadline, 0.0, 1 / service)


def largest(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Return the largest number between two at which something holds that holds at `low` and ceases once."""
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def queries_needed(late: int, share: float = 0.99) -> int:
    """Return how many queries a run needs, of which some are late, before LoadGen believes that the percentile is kept.

    If more than a part 1 - `share` of all queries were late, so few late ones among n would have a probability of
    1 - `CONFIDENCE` or less: a sum of the binomial distribution.

    Raises:
        ValueError: fewer than no late query, or a share that is not above 0 and below 1.
    """
    if late < 0 or not 0 < share < 1:
        raise ValueError(f"There are {late!r} late queries at a share of {share!r}: count from 0, share from 0 to 1.")
    low, high = late, max(2 * late, 1)
    while _few(late, high, share) > 1 - CONFIDENCE:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _few(late, middle, share) > 1 - CONFIDENCE else (low, middle)
    return high


def _few(late: int, n: int, share: float) -> float:
    """Return the probability of at most `late` late ones among n."""
    return next(islice(binomial_sums(n, 1 - share), min(late, n), None))


def floor(flops: float, bandwidth: float, width: int, samples: int) -> float:
    """Return the least seconds that a machine's peaks allow for a batch: every layer at the roofline.

    Args:
        flops: peak rate in FLOP/s.
        bandwidth: peak bandwidth in bytes/s.
        width: of the network, in channels.
        samples: in the batch.
    """
    return sum(roofline.seconds(samples * layer.flop, layer.moved(samples), flops, bandwidth)
               for layer in network.cats(width))


def together(rate: float, latency: float) -> float:
    """Return how many samples a device has in work at a time, at the least: its best rate times its time for one.

    By Little's law it has its rate times the time of a sample at that rate, and no sample takes less time than alone.
    It is also what the device gains over one at a time: 1 for one that does one thing at a time.
    """
    above_zero(rate=rate, latency=latency)
    return rate * latency


def with_reads(each: float, read: float) -> float:
    """Return the samples a second where each is first read from storage, one after the other; both in seconds."""
    above_zero(each=each, read=read)
    return 1 / (each + read)
