"""What it costs to save a training run now and then, so that a failure does not lose all of it.

The interval and the loss are Young's first-order ones (1974, doi:10.1145/361147.361115): good while a save takes far
less time than passes between failures.
"""

from __future__ import annotations

import math

from labkit.inputs import above_zero

STATE = 12  # bytes for each parameter: weights and Adam's two moments in fp32 (Rajbhandari et al. 2020, section 3.1)


def size(parameters: float, each: float = STATE) -> float:
    """Return the bytes of a checkpoint, from which training goes on as if nothing had happened."""
    above_zero(parameters=parameters, each=each)
    return parameters * each


def interval(save: float, between: float) -> float:
    """Return the seconds after which to save again, so that least is lost.

    Args:
        save: seconds that a save keeps training waiting.
        between: mean seconds between failures.

    Raises:
        ValueError: a number that is not above 0.
    """
    above_zero(save=save, between=between)
    return math.sqrt(2 * save * between)


def lost(save: float, between: float, every: float | None = None) -> float:
    """Return the share of the time that is lost to saving and to repeating what was not saved, restarts not counted.

    Args:
        save, between: as for `interval`.
        every: seconds from one save to the next, the best interval unless given.
    """
    every = interval(save, between) if every is None else every
    above_zero(save=save, between=between, every=every)
    return save / every + every / (2 * between)


def lost_beside(write: float, between: float) -> float:
    """Return the share of the time that is lost if saves are written one after the other while training goes on.

    A failure goes back to the moment at which the last complete save was taken: from one to two writes ago, one and a
    half on average. Taking the copy that is then written, and restarts, are not counted.

    Args:
        write: seconds from taking a save until all of it is written.
        between: mean seconds between failures, far more than `write`.
    """
    above_zero(write=write, between=between)
    return 1.5 * write / between
