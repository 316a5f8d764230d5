"""The roofline: what a machine can do at best, from two numbers.

A program does arithmetic at the machine's peak rate, or waits for its data at the machine's peak bandwidth, whichever
takes longer (Williams, Waterman and Patterson 2009, doi:10.1145/1498765.1498785).
"""

from __future__ import annotations

from collections.abc import Iterable


def seconds(flop: float, bytes_moved: float, flops: float, bandwidth: float) -> float:
    """Return the least time in seconds.

    Args:
        flop: operations.
        bytes_moved: bytes that have to come from memory or go there.
        flops: peak rate in FLOP/s.
        bandwidth: peak bandwidth in bytes/s.

    Raises:
        ValueError: a negative amount, or a peak that is not above 0.
    """
    if flop < 0 or bytes_moved < 0 or flops <= 0 or bandwidth <= 0:
        raise ValueError(f"A roofline needs amounts from 0 and peaks above 0, not {flop} FLOP and {bytes_moved} B at "
                         f"{flops} FLOP/s and {bandwidth} B/s.")
    return max(flop / flops, bytes_moved / bandwidth)


def attainable(intensity: float, flops: float, bandwidth: float) -> float:
    """Return the best rate in FLOP/s at an arithmetic intensity in FLOP for each byte moved."""
    return min(flops, intensity * bandwidth)


def ridge(flops: float, bandwidth: float) -> float:
    """Return the intensity in FLOP/byte at which the two limits meet: below it the machine waits for its memory."""
    return flops / bandwidth


def bounds(work: Iterable[tuple[float, float]]) -> dict[str, float]:
    """Return the seconds of pieces of work that follow each other, split by what bounds each piece.

    Args:
        work: for each piece, the seconds that its arithmetic takes and those that its bytes take.
    """
    bound = {"arithmetic": 0.0, "memory traffic": 0.0}
    for arithmetic, traffic in work:
        bound["arithmetic" if arithmetic >= traffic else "memory traffic"] += max(arithmetic, traffic)
    return bound
