"""What two causes cost, from measurements of both together: neither can cost less than nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def two_costs(amounts: Sequence[Sequence[float]], totals: Sequence[float]) -> tuple[float, float]:
    """Return two factors, neither below 0, with which the amounts come nearest to the totals, by least squares.

    Args:
        amounts: (n, 2), of each cause in each measurement, not below 0 and not all 0.
        totals: (n,), what both cost together, above 0.
    """
    amounts, totals = np.asarray(amounts, float), np.asarray(totals, float)
    costs = np.linalg.lstsq(amounts, totals, rcond=None)[0]
    for cause in (0, 1):
        if costs[cause] < 0:  # then the other is all there is
            other = amounts[:, 1 - cause]
            costs[cause], costs[1 - cause] = 0.0, other @ totals / (other @ other)
            break
    return float(costs[0]), float(costs[1])
