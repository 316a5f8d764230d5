"""What an accuracy measured on some pictures says of others.

The usual assumption is that new data come from the distribution of the old. Then the share that was right in a test
is also the share that will be right, give or take the chance in the draw of the test.
"""

from __future__ import annotations

import math


def wilson(right: int, tested: int) -> tuple[float, float, float]:
    """Return the share that was right and its 95 % interval, as fractions.

    The interval is Wilson's (1927, equation 4 of Brown, Cai and DasGupta 2001): unlike the textbook's it stays
    within 0 and 1 and holds near them.

    Raises:
        ValueError: nothing was tested, or more was right than tested.
    """
    if tested < 1 or not 0 <= right <= tested:
        raise ValueError(f"{right} right of {tested} tested is no share: test at least one.")
    z = 1.96
    share, weight = right / tested, z**2 / tested
    centre = (share + weight / 2) / (1 + weight)
    reach = z / (1 + weight) * math.sqrt(share * (1 - share) / tested + weight / (4 * tested))
    return share, max(0.0, min(centre - reach, share)), min(1.0, max(centre + reach, share))
