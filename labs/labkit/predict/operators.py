"""How long an operation takes, read off the costs that a machine measured for others of its kind.

Between measured sizes, time follows a straight line on logarithmic scales; below the smallest it stays (the cost
of starting the operation), above the largest it grows with the work.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

from labkit.specs.calibration import CostCurve


def interpolate(curve: CostCurve, work: float) -> float:
    """Return the seconds that `work` (in the curve's own unit) takes; raises `ValueError` for an empty curve."""
    if not curve:
        raise ValueError("A curve without points predicts nothing: calibrate the machine again.")
    if work <= curve[0][0]:
        return curve[0][1]
    for (low, fast), (high, slow) in pairwise(curve):
        if work <= high:
            return _between(math.log(work / low) / math.log(high / low), fast, slow)
    return curve[-1][1] * work / curve[-1][0]


def layer_time(curves: Mapping[int, CostCurve], channels: int, batch: float) -> float:
    """Return the seconds of an operation with `channels` on a `batch`.

    Between measured channel counts the times are interpolated; outside them the nearest count's curve is used.
    """
    known = sorted(curves)
    low = max((k for k in known if k <= channels), default=known[0])
    high = min((k for k in known if k >= channels), default=known[-1])
    fast, slow = interpolate(curves[low], batch), interpolate(curves[high], batch)
    if low == high:
        return fast
    return _between(math.log(channels / low) / math.log(high / low), fast, slow)


def _between(share: float, start: float, end: float) -> float:
    return start ** (1 - share) * end**share
