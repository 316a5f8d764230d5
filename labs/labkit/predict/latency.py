"""How long an answer of the cat network takes in a way of running it, and the least that it could take.

In eager mode it is the sum of its layers, each timed alone; in a runtime, which rearranges the layers for each other,
whole networks are timed and the time read off between them. Between one thread and all, the time follows a straight
line on logarithmic scales.
"""

from __future__ import annotations

from labkit.predict import step
from labkit.predict.operators import interpolate, layer_time
from labkit.specs.calibration import Calibration, best_rate
from labkit.specs.execution import ALL, EAGER, ONE

FLOOR, START, REST = "the floor", "starting and calling", "the rest"
NARROWEST = 1  # the width of the network that has next to nothing to compute


def seconds(calibration: Calibration, way: str, width: int, batch: int, threads: int, most: int) -> float:
    """Return the seconds of one run.

    Args:
        calibration: what `labkit.measure.probes.latency` found.
        way: `EAGER` or `RUNTIME`.
        width: channels after the first convolution.
        batch: pictures in the run.
        threads, most: how many threads work, and how many the machine was calibrated with as all.

    Raises:
        ValueError: more threads than all, or fewer than one.
    """
    if not 1 <= threads <= most:
        raise ValueError(f"There are from 1 to {most} threads here, not {threads}.")
    one = _on(calibration, (way, ONE), width, batch)
    if threads == 1:
        return one
    return interpolate([[1, one], [most, _on(calibration, (way, ALL), width, batch)]], threads)


def _on(calibration, prefix, width, batch) -> float:
    if prefix[0] == EAGER:
        return step.layer_by_layer(calibration, prefix, width, batch)
    return layer_time(calibration.group(*prefix), width, batch)


def floor(calibration: Calibration, width: int, batch: int) -> float:
    """Return the least seconds of a run: each layer at the best rate of products, or of reading out of the caches."""
    flops, bandwidth = (best_rate(calibration.curve(name)) for name in ("product", "read"))
    return sum(step.floor(flops, bandwidth, "inference", width, batch).values())


def parts(total: float, least: float, narrowest: float) -> dict[str, float]:
    """Return what a run's seconds are spent on.

    Args:
        total: seconds of the run.
        least: its floor.
        narrowest: seconds of one picture in the network of width `NARROWEST`: what starting and calling take, for there
            is hardly anything else in it.
    """
    least = min(least, total)
    start = min(narrowest, total - least)
    return {FLOOR: least, START: start, REST: total - least - start}
