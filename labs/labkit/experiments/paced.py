"""Times that were brought to the machine's calibrated pace, as outcomes that say so."""

from __future__ import annotations

from labkit.clock import Timing
from labkit.experiment import Outcome
from labkit.units import quantity


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


def rate(amount: float, unit: str, timing: Timing, speed: float) -> Outcome:
    """Return how much of `amount` is done in a second, in `unit`, from a timing at the calibrated pace."""
    time = paced(timing, speed)
    return Outcome(amount / time.value, unit, low=amount / time.high, high=amount / time.low, note=time.note,
                   clock=amount / time.clock)
