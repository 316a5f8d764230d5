"""Outcomes that labs share: predictions with their band, and timings with the machine's speed meanwhile."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

from labkit import stats
from labkit.experiment import Comparison, Outcome, Point, Row, Unavailable, ratio
from labkit.machine import Machine
from labkit.specs.calibration import CostCurve, best_rate
from labkit.timing.clock import Timing

FLOOR = "By the datasheet alone: starting the operations, which rules small batches, comes on top"
BAND = 0.31  # nine predictions in ten are within it: data/measured/predictions.csv, held by a test
NOT_REACHED = Unavailable("This run did not come to that point.")


def most_threads(machine: Machine) -> int:
    """Return how many threads the machine was calibrated with as all."""
    return max(1, int(machine.identity.get("cores", 1)))


def product_rates(machine: Machine) -> dict[str, float]:
    """Return the best measured rate of matrix products in FLOP/s by number format."""
    return {dtype: best_rate(curve) for dtype, curve in machine.calibration("products").group().items()}


def memory_bandwidth(machine: Machine) -> float:
    """Return the measured bandwidth in bytes/s of reading the largest set, which no cache holds."""
    size, seconds = machine.calibration("memory").curve("read")[-1]
    return size / seconds


def within(seconds: float, measure: Callable[..., Outcome | Unavailable]) -> Callable[..., Outcome | Unavailable]:
    """Return `measure` for as long as some seconds last from its first call on, and `Unavailable` afterwards."""
    begin = None

    def limited(**point) -> Outcome | Unavailable:
        nonlocal begin
        begin = perf_counter() if begin is None else begin
        if perf_counter() - begin > seconds:
            return Unavailable(f"The {seconds:.0f} s for these measurements were spent on the points before it.")
        return measure(**point)

    return limited


def at(comparison: Comparison, **point) -> Row | None:
    """Return the row of a comparison whose point has some values, None where there is none."""
    return next((row for row in comparison.rows if point.items() <= row.point.items()), None)


def outcome_at(comparison: Comparison, half: str = "measured", **point) -> Outcome | Unavailable:
    """Return one half, `"measured"` or `"predicted"`, of the row that `at` finds, or that this run has none."""
    row = at(comparison, **point)
    return getattr(row, half) if row else NOT_REACHED


def times(comparison: Comparison, more: Point, less: Point, half: str = "measured") -> Outcome | Unavailable:
    """Return how many times the outcome at one point of a comparison is that at another.

    Args:
        comparison: of any experiment.
        more, less: what their rows are found by, as in `at`.
        half: `"measured"` or `"predicted"`.
    """
    rows = [at(comparison, **point) for point in (more, less)]
    if None in rows:
        return NOT_REACHED
    return ratio(*(getattr(row, half) for row in rows))


@dataclass(frozen=True)
class Tail:
    """The seconds of many answers, one by one."""

    seconds: Sequence[float]

    def at(self, percentile: float) -> Outcome | Unavailable:
        """Return a percentile with its interval, or how many answers it would need.

        Raises:
            ValueError: a percentile that is not above 0 and below 100.
        """
        try:
            value, low, high = stats.percentile(self.seconds, percentile)
        except stats.TooFew as trouble:
            return Unavailable(str(trouble))
        return Outcome(value, "s", low=low, high=high)

    def ratio(self, percentile: float) -> Outcome | Unavailable:
        """Return how many medians a percentile takes."""
        slow, median = self.at(percentile), self.at(50)
        if not (slow and median):
            return slow if median else median
        return Outcome(slow.value / median.value, "times", low=slow.low / median.high, high=slow.high / median.low)


def banded(parts: Mapping[str, float], unit: str = "s", note: str = "", *, widening: float = 1.0) -> Outcome:
    """Return a prediction made of its parts, with the band that nine of ten such predictions keep.

    Args:
        parts: what it is made of; a single part without a name is no breakdown.
        unit, note: of the outcome.
        widening: of the calibration that it stands on, `labkit.specs.calibration.Calibration.widening`.
    """
    value = sum(parts.values())
    high = value * (1 + widening * (1 / (1 - BAND) - 1))
    return Outcome(value, unit, low=value / (1 + widening * BAND), high=high, parts={} if "" in parts else parts,
                   note=note)


def measured(timing: Timing, speed: float) -> Outcome:
    """Return a timing in seconds as a measurement: what the clock showed, and how fast the machine was meanwhile.

    Args:
        timing: by the clock.
        speed: the machine's speed meanwhile, as a fraction of its calibrated one (`labkit.timing.drift.timed`).
    """
    note = " ".join(filter(None, (timing.note, drifted(speed))))
    return Outcome(timing.median, "s", low=timing.low, high=timing.high, note=note, speed=speed)


def drifted(speed: float) -> str:
    """Return what a reader must know of a machine's speed while something was measured, or nothing."""
    return f"The machine ran at {speed:.2f} of its calibrated speed meanwhile." if abs(speed - 1) > 0.1 else ""


def nearest(curve: CostCurve, work: float) -> tuple[float, float]:
    """Return the work and the seconds of the calibrated point nearest to `work`, the reference kernel there.

    Disks, memory and networks have neighbours of their own and do not keep the processor's speed, so that each point is
    timed in turn with its own like.
    """
    return tuple(min(curve, key=lambda point: abs(math.log(point[0] / work))))


def like(curves: Mapping[int, CostCurve], size: float, batch: float) -> tuple[int, int, float]:
    """Return size, batch and seconds of the calibrated point nearest to a size and a batch, from curves by size."""
    closest = min(curves, key=lambda known: abs(math.log(known / size)))
    examples, seconds = nearest(curves[closest], batch)
    return closest, int(examples), seconds


def measured_rate(amount: float, unit: str, timing: Timing, speed: float) -> Outcome:
    """Return how much of `amount` is done in a second, in `unit`, from a timing as in `measured`."""
    time = measured(timing, speed)
    return Outcome(amount / time.value, unit, low=amount / time.high, high=amount / time.low, note=time.note,
                   speed=speed)
