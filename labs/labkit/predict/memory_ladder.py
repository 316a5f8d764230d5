"""How long an answer waits for its weights, by the place where they lie: on the chip, beside it, or far away."""

from __future__ import annotations

import math

from labkit.inputs import above_zero


def waiting(size: float, bandwidth: float, latency: float, answers: int) -> dict[str, float]:
    """Return the parts of the least seconds for each answer that fetches its weights from a place.

    The weights come once for `answers` answers that are worked out together, in one piece: the first byte after the
    latency, the rest at the bandwidth (Hockney 1994, doi:10.1016/S0167-8191(06)80021-9).

    Args:
        size: bytes of weights.
        bandwidth: bytes/s from there.
        latency: seconds before the first byte; 0 where it is not known, so that the result stays a floor.
        answers: from 1 up.

    Raises:
        ValueError: a size or a bandwidth that is not above 0, a negative latency, or no answer.
    """
    if not (0 < size < math.inf and 0 < bandwidth < math.inf and 0 <= latency < math.inf and answers >= 1):
        raise ValueError(f"Waiting needs a size and a bandwidth above 0, a latency from 0 and an answer or more, not "
                         f"{size} B at {bandwidth} B/s, {latency} s and {answers}.")
    return {"waiting for the first byte": latency / answers, "moving the weights": size / bandwidth / answers}


def most(limit: float, bandwidth: float, latency: float = 0.0) -> float:
    """Return the most bytes of weights that come within `limit` seconds; 0 where not even the first byte does."""
    return max(0.0, (limit - latency) * bandwidth)


def worth(near: float, far: float, size: float, bandwidth: float) -> float:
    """Return the longest round trip in seconds over which asking a far processor is as fast as answering here.

    Below it the far one is faster; from 0 down, it is so over no link of this bandwidth.

    Args:
        near, far: seconds of an answer here, and there without the way.
        size: bytes of the question and of the answer.
        bandwidth: bytes/s of the link.

    Raises:
        ValueError: a number that is not above 0.
    """
    above_zero(near=near, far=far, size=size, bandwidth=bandwidth)
    return near - far - size / bandwidth
