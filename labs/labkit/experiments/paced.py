"""Outcomes of predictions with their band, and of times that were brought to the machine's calibrated pace."""

from __future__ import annotations

import math
from collections.abc import Mapping

from labkit.clock import Timing
from labkit.costs import Curve
from labkit.experiment import Outcome
from labkit.units import quantity

BAND = 0.25  # nine predictions in ten are within it: data/measured/predictions.csv, held by a test


def banded(parts: Mapping[str, float], unit: str = "s", note: str = "") -> Outcome:
    """Return a prediction made of its parts, with the band that nine of ten such predictions keep.

    A single part without a name is no breakdown.
    """
    value = sum(parts.values())
    return Outcome(value, unit, low=value / (1 + BAND), high=value / (1 - BAND), parts={} if "" in parts else parts,
                   note=note)


def paced(timing: Timing, speed: float) -> Outcome:
    """Return a timing at the calibrated pace in seconds, with a note where the clock showed something else.

    Args:
        timing: at the calibrated pace.
        speed: the machine's speed while it was taken, as a fraction of that pace (`labkit.measure.pace.timed`).
    """
    drift = (f"The clock showed {quantity(timing.median / speed, 's')}; the time is at the calibrated pace, of which "
             f"the machine kept {speed:.2f}." if abs(speed - 1) > 0.1 else "")
    note = " ".join(filter(None, (timing.note, drift)))
    return Outcome(timing.median, "s", low=timing.low, high=timing.high, note=note, clock=timing.median / speed)


def nearest(curve: Curve, work: float) -> tuple[float, float]:
    """Return the work and the seconds of the calibrated point nearest to `work`: the pacemaker of a measurement there.

    Disks, memory and networks have neighbours of their own and do not keep the processor's pace, so that each point is
    timed in turn with its own like.
    """
    return tuple(min(curve, key=lambda point: abs(math.log(point[0] / work))))


def like(curves: Mapping[str, Curve], size: float, batch: float) -> tuple[int, int, float]:
    """Return size, batch and seconds of the calibrated point nearest to a size and a batch, from curves by size."""
    closest = min(curves, key=lambda name: abs(math.log(int(name) / size)))
    examples, seconds = nearest(curves[closest], batch)
    return int(closest), int(examples), seconds


def rate(amount: float, unit: str, timing: Timing, speed: float) -> Outcome:
    """Return how much of `amount` is done in a second, in `unit`, from a timing at the calibrated pace."""
    time = paced(timing, speed)
    return Outcome(amount / time.value, unit, low=amount / time.high, high=amount / time.low, note=time.note,
                   clock=amount / time.clock)
