"""How many sources with deadlines a core answers, what it misses beyond, and what memory their instances take.

A picture that could not be in time any more is left out, so that a core that is asked for too much still answers as
many as it can. Sources that are silent at times share the room that they leave each other: *statistical multiplexing*,
here without a queue that outlasts a burst (Roberts, Mocci and Virtamo 1996, doi:10.1007/3-540-61815-5, part II).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from labkit.inputs import above_zero, whole
from labkit.predict.operators import interpolate
from labkit.specs.calibration import CostCurve

MOST = 10**7  # sources: the search ends there


def in_batches(curve: CostCurve, deadline: float, batches: Iterable[int]) -> tuple[float, int]:
    """Return the seconds a picture in the batches that suit a core best, and the pictures in such a batch.

    Where no batch is in time, the seconds are infinite.

    A picture may have to wait for the batch that runs, and then takes as long as its own: two batches fit the deadline.

    Args:
        curve: seconds of a batch, against its pictures.
        deadline: seconds.
        batches: to choose from.
    """
    times = {batch: interpolate(curve, batch) for batch in batches}
    return min(((seconds / batch, batch) for batch, seconds in times.items() if 2 * seconds <= deadline),
               default=(math.inf, 1))


def served(seconds: Callable[[int], float], window: float) -> int:
    """Return the most sources that are answered in time: a picture of each fits the window.

    Args:
        seconds: that a picture takes where there are so many sources; it never falls with them.
        window: seconds: the period of the sources where their pictures are spread over it, and where all come at the
            same moment the shorter of period and deadline.

    Raises:
        ValueError: a window that is not finite and above 0.
    """
    above_zero(window=window)
    low, high = 0, MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle * seconds(middle) <= window * (1 + 1e-9) else (low, middle)
    return low


def missed(sources: int, active: float, room: float) -> float:
    """Return the share of pictures that are late where sources are silent at times, each at its own.

    So many are active as heads fall in `sources` throws of a coin. What exceeds the room is late.

    Args:
        sources: how many.
        active: the share of its time in which each has pictures.
        room: sources that are answered in time if all are active.

    Raises:
        ValueError: no source, or a share that is not above 0 and at most 1.
    """
    whole(sources=sources)
    above_zero(active=active, most=1)
    if active == 1:
        return max(1 - room / sources, 0.0)
    counts = np.arange(1, sources + 1)
    steps = np.log((sources - counts + 1) / counts * active / (1 - active))
    chances = np.exp(sources * math.log1p(-active) + np.cumsum(steps))
    return float((chances * np.maximum(counts - room, 0)).sum() / (sources * active))


def multiplexed(active: float, room: float, late: float) -> int:
    """Return the most sources of which a share `late` of the pictures at most is late; the rest as in `missed`."""
    low, high = 0, math.ceil(2 * room / active) + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if missed(middle, active, room) <= late else (low, middle)
    return low
