"""How many streams one device answers in time, from two published numbers: the latency of one answer and the best rate.

A batch of b samples takes the latency of one and, for each further sample, what a sample costs at the best rate. Both
numbers are MLPerf Inference's: its single stream and its offline scenario (Reddi et al. 2020,
doi:10.1109/ISCA45697.2020.00045). Its multi-stream scenario, eight samples at once, is what the rule is checked with.
"""

from __future__ import annotations

import math

from labkit.inputs import above_zero


def batch_seconds(latency: float, rate: float, batch: int) -> float:
    """Return the seconds that a batch takes.

    Args:
        latency: seconds of one sample alone.
        rate: samples a second with as many at once as the device likes.
        batch: samples, from 1 up.

    Raises:
        ValueError: a latency or a rate that is not above 0 or not finite, or no sample.
    """
    above_zero(latency=latency, rate=rate)
    if batch < 1:
        raise ValueError(f"A batch holds one sample or more, not {batch}.")
    return latency + (batch - 1) / rate


def shared(latency: float, rate: float, limit: float) -> int:
    """Return how many streams one set of weights serves, every sample answered within `limit` seconds.

    Samples arrive at any moment. The device takes all that wait as one batch, and starts the next batch when that is
    done. So a sample waits for the batch that runs, then for its own. As long as no stream has two samples in the
    device at a time (a limit of at most its period sees to that), the two batches hold at most one sample of each
    stream: together they take two starts and N samples. One stream never waits for another.

    Args:
        latency, rate: as for `batch_seconds`.
        limit: seconds, the shorter of the deadline and the period of a stream.
    """
    above_zero(latency=latency, rate=rate, limit=limit)
    each = 1 / rate
    start = max(latency - each, 0.0)
    many = _floor((limit - 2 * start) / each)
    return max(many, 1 if latency <= limit else 0)


def separate(latency: float, limit: float) -> int:
    """Return how many streams with weights of their own are served: each sample runs alone, in turn.

    The time for changing from one network to the next is left out.
    """
    above_zero(latency=latency, limit=limit)
    return _floor(limit / latency)


def held(memory: float, weights: float) -> int:
    """Return how many sets of weights of `weights` bytes `memory` bytes hold, nothing else counted."""
    above_zero(memory=memory, weights=weights)
    return _floor(memory / weights)


def _floor(count: float) -> int:
    return max(math.floor(count * (1 + 1e-9)), 0)  # 0.1 / 0.01 is ten, whatever its last binary digit says
