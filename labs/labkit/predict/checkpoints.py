"""What it costs to save a training run now and then, so that a failure does not lose all of it.

`interval` and `lost` are Young's first-order ones (1974, doi:10.1145/361147.361115): good while a save takes far less
time than passes between failures. `effective` and `best` are Daly's (2006, doi:10.1016/j.future.2004.11.016), exact
where failures come at random, each independently of when the last one was.
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


def between(nodes: float, node: float) -> float:
    """Return the mean time between failures of a job on so many nodes, in the unit of `node`, that of each of them."""
    above_zero(nodes=nodes, node=node)
    return node / nodes


def effective(save: float, between: float, restart: float, every: float) -> float:
    """Return the share of the time in which training gets on: Daly's complete model.

    Args:
        save: seconds that a save keeps training waiting.
        between: mean seconds between failures, which may come while training is saved or starts again.
        restart: seconds from a failure until training goes on.
        every: seconds of training from one save to the next.
    """
    above_zero(save=save, between=between, restart=restart, every=every)
    try:
        return every / between / (math.exp(restart / between) * math.expm1((every + save) / between))
    except OverflowError:
        return 0.0


def best(save: float, between: float) -> float:
    """Return the seconds of training between two saves with which `effective` is largest, by bisection."""
    above_zero(save=save, between=between)
    low, high = 0.0, 1.0  # in mean times between failures
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if math.exp(middle + save / between) * (1 - middle) > 1 else (low, middle)
    return high * between


def longest_restart(share: float, save: float, between: float) -> float:
    """Return the most seconds that starting again may take for a share of effective time, at the best interval.

    0 or less means that saving alone costs too much.
    """
    above_zero(share=share, most=1)
    every = best(save, between)
    return between * math.log(every / between / math.expm1((every + save) / between) / share)
