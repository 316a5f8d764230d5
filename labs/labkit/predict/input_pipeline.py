"""How fast training goes if its samples must be fetched and prepared: the slowest of three stages sets the pace.

While an accelerator computes, the next samples are fetched and prepared, so that only what takes longer than computing
stalls it (Mohan et al. 2021, doi:10.14778/3446095.3446100, sections 3 and 5.1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from labkit.inputs import above_zero, whole


def fetching(storage: float, size: float, cached: float = 0.0) -> float:
    """Return the samples a second that storage brings.

    Args:
        storage: bytes/s that it gives, all readers together.
        size: bytes of a sample.
        cached: the share of the samples that lie in memory already, 0 to 1: they cost storage nothing.

    Returns:
        Samples a second, infinite if all of them are cached.

    Raises:
        ValueError: a bandwidth or a size that is not above 0, or a share that is none.
    """
    above_zero(storage=storage, size=size)
    _share(cached)
    return math.inf if cached == 1 else storage / (size * (1 - cached))


def bottleneck(stages: Mapping[str, float]) -> tuple[str, float]:
    """Return the stage that binds and the samples a second that get through; the first of several that are as slow.

    Args:
        stages: samples a second of each stage; infinite for one that takes no time.

    Raises:
        ValueError: no stage, none of a finite rate, or a rate that is not above 0.
    """
    if not stages or not all(rate > 0 for rate in stages.values()) or math.isinf(min(stages.values())):
        raise ValueError(f"A pipeline needs stages with rates above 0, one of them finite, not {dict(stages)!r}.")
    name = min(stages, key=stages.get)
    return name, stages[name]


def stalled(stages: Mapping[str, float], computing: str = "compute") -> float:
    """Return the share of its time for which the accelerator waits; arguments as for `bottleneck`."""
    return 1 - bottleneck(stages)[1] / stages[computing]


def loading(workers: int, fetch: float, prepare: float, storage: float, cores: float) -> tuple[str, float]:
    """Return what binds a loader, and the seconds from one of its samples to the next.

    Each worker fetches a sample and then prepares it, so that both times add up until there are so many workers that
    storage or the cores are busy all the time. With workers without end it is as fast as the slowest stage.

    Args:
        workers: from 1 up.
        fetch, prepare: seconds of one worker for a sample, with nobody beside it.
        storage: the least seconds a sample of what they fetch from.
        cores: the least seconds a sample of the processor.

    Raises:
        ValueError: no worker, or seconds that are not above 0.
    """
    whole(workers=workers)
    above_zero(fetch=fetch, prepare=prepare, storage=storage, cores=cores)
    limits = {"workers": (fetch + prepare) / workers, "storage": storage, "cores": cores}
    name = max(limits, key=limits.get)
    return name, limits[name]


def needed(rate: float, size: float, cached: float = 0.0, stall: float = 0.0) -> float:
    """Return the bytes a second of storage that keep accelerators fed.

    Args:
        rate: samples a second that they take if they never wait.
        size, cached: as for `fetching`.
        stall: the share of their time for which they may wait, from 0 to below 1.

    Raises:
        ValueError: a rate or a size that is not above 0, or a share that is none.
    """
    above_zero(rate=rate, size=size)
    _share(cached)
    if not 0 <= stall < 1:
        raise ValueError(f"A share of time to wait lies from 0 to below 1, not {stall!r}.")
    return rate * size * (1 - cached) * (1 - stall)


def held(memory: float, dataset: float) -> float:
    """Return the share of a dataset that memory holds, if what it holds stays there; both in bytes."""
    above_zero(memory=memory, dataset=dataset)
    return min(memory / dataset, 1.0)


def moved(size: float, *steps: float, between: float = 0.0) -> float:
    """Return the seconds for moving `size` bytes by one step after another, each at its bytes a second.

    Args:
        size: bytes.
        steps: bytes/s of each step: a link has one, disks in a car have two, filling and reading.
        between: seconds in which nothing is copied, such as the drive.

    Raises:
        ValueError: no step, a number that is not above 0, or a negative time between.
    """
    above_zero(size=size, **{f"step {place}": step for place, step in enumerate(steps, 1)})
    if not steps or not 0 <= between < math.inf:
        raise ValueError(f"Moving needs a step and 0 s or more between, not {steps!r} and {between!r}.")
    return between + sum(size / step for step in steps)


def _share(cached: float) -> None:
    if not 0 <= cached <= 1:
        raise ValueError(f"A cached share lies from 0 to 1, not {cached!r}.")
