"""How long moving bytes takes: over a link, from a device, between processes.

The first approximation needs two numbers, latency and bandwidth (Hockney 1994, doi:10.1016/S0167-8191(06)80021-9):
a message of n bytes takes latency + n / bandwidth. Both change a little with the size, for buffers and protocols do, so
between measured sizes the time follows a straight line of its own.
"""

from __future__ import annotations

from itertools import pairwise

from labkit.specs.calibration import CostCurve, best_rate


def seconds(curve: CostCurve, size: float) -> float:
    """Return the seconds that `size` bytes take, from measured times `[[bytes, seconds], …]`.

    Below the smallest measured size the time stays (the latency); above the largest, each byte costs what a byte of
    the largest does. A longer message is never predicted to take less.

    Raises:
        ValueError: an empty curve.
    """
    if not curve:
        raise ValueError("A curve without points predicts nothing: calibrate the machine again.")
    points = [[curve[0][0], curve[0][1]]]
    for work, time in curve[1:]:
        points.append([work, max(time, points[-1][1])])
    if size <= points[0][0]:
        return points[0][1]
    for (low, fast), (high, slow) in pairwise(points):
        if size <= high:
            return fast + (slow - fast) * (size - low) / (high - low)
    return points[-1][1] * size / points[-1][0]


def latency(curve: CostCurve) -> float:
    """Return the seconds of the smallest message: what has to be paid however little is moved."""
    return min(time for _, time in curve)


def half_size(curve: CostCurve) -> float:
    """Return the bytes at which latency and transfer take as long as each other, Hockney's n½."""
    return latency(curve) * best_rate(curve)
