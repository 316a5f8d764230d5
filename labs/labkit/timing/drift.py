"""Timing at one speed, on a machine whose speed wanders.

A processor's clock changes with its temperature, its battery and its neighbours. So whatever a probe measures runs in
turn with a *reference kernel*, one small operation of the same kind that never changes, and its time is given at the
speed that the machine had in the median of the calibration: it is corrected for drift.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from statistics import median
from time import perf_counter

from labkit import effort, host
from labkit.specs.calibration import Calibration, CostCurve, Key, now
from labkit.timing import clock

_BUDGET = 0.06  # seconds for a call, and as much for the reference kernel beside it
_SLOWEST = 2.5  # a reference kernel that takes longer by more than this was disturbed itself, and says nothing
_TRIES = 3  # while other programs disturb
_LOOKS = 2  # at points that a disturbance must have slowed
_HURRIED = 0.01  # seconds for a call once the probe's time is over
_LONG = 0.02  # seconds of a call that is left out once the probe's time is over


def share() -> float:
    """Return the share of its full time that a calibration takes, by the effort that holds now."""
    return effort.pick(quick=0.25, usual=0.6, long=1.8)


class DriftCorrected:
    """Measures costs in turn with a reference kernel, and brings them to one speed at the end.

    Args:
        reference: returns the seconds that one reference kernel took.
        budget: seconds for each measurement at full effort, and as many for the reference kernel beside it.
        seconds: that the whole may take at full effort; from then on calls are taken once, and long ones left out.
    """

    def __init__(self, reference: Callable[[], float], budget: float = _BUDGET, seconds: float = math.inf):
        self._reference, self._budget = reference, budget * share()
        self._end = perf_counter() + 1.5 * share() * seconds
        self._references, self._shares = [], []

    def __call__(self, sample: Callable[[], float]) -> float:
        """Return what `sample` takes, in reference kernels; `sample` returns seconds."""
        for _ in range(_TRIES):
            budget = _HURRIED if self.hurried else self._budget
            timings = clock.rounds({"call": sample, "reference": self._reference}, budget=budget)
            if timings["call"].clean or self.hurried:
                break
        self._references.append(timings["reference"].median)
        self._shares.append(timings["call"].contention)
        return timings["call"].median / min(self._references[-1], _SLOWEST * min(self._references))

    @property
    def hurried(self) -> bool:
        """Whether the probe's time is over."""
        return perf_counter() > self._end

    def curve(self, works: Iterable[float], sampler: Callable[[float], Callable[[], float]]) -> CostCurve:
        """Return what calls take against their work, in reference kernels; disturbed points are looked at again.

        Once the time of the probe is over, what follows in a curve is left out where it takes long.

        Args:
            works: amounts, rising.
            sampler: returns, for an amount, the function that returns the seconds of such a call.
        """
        samples, found = {}, []
        for work in works:
            if found and self.hurried and found[-1][1] * self._references[-1] * work / found[-1][0] > _LONG:
                break
            samples[work] = sampler(work)
            found.append([work, self(samples[work])])
        for _ in range(_LOOKS):
            for i in suspects(found):
                if not self.hurried:
                    found[i][1] = min(found[i][1], self(samples[found[i][0]]))
        return found

    def calibration(self, curves: Mapping[Key, CostCurve], missing: Mapping[Key, str] | None = None) -> Calibration:
        """Return the costs in seconds, from `curves` in reference kernels."""
        references = sorted(self._references)
        tenth = len(references) // 10
        reference_seconds = median(references)
        return Calibration(
            curves={key: [[work, times * reference_seconds] for work, times in curve] for key, curve in curves.items()},
            reference_seconds=reference_seconds,
            drift=references[len(references) - 1 - tenth] / references[tenth],
            contention=sum(self._shares) / len(self._shares),
            date=now(),
            missing=dict(missing or {}),
            battery=host.on_battery(),
        )


def thinned(works: Iterable[float]) -> list[float]:
    """Return every other amount, and the last, with quick effort; all of them with more."""
    works = list(works)
    return effort.pick(quick=works[:-1][::2] + works[-1:], usual=works, long=works)


def suspects(curve: CostCurve) -> list[int]:
    """Return the points that a disturbance must have slowed.

    Less work cannot take longer than more, nor can more work take much longer than its share above less.
    """
    slower = [i for i, (here, after) in enumerate(pairwise(curve)) if here[1] > 1.05 * after[1]]
    steep = [i + 1 for i, (here, after) in enumerate(pairwise(curve))
             if after[1] / here[1] > 1.5 * after[0] / here[0]]
    return sorted({*slower, *steep})


def timed(sample: Callable[[], float], reference: Callable[[], float], reference_seconds: float,
          budget: float) -> tuple[clock.Timing, float]:
    """Time something, and look how fast the machine is meanwhile.

    Args:
        sample: returns the seconds that the thing took once.
        reference: returns the seconds that one reference kernel took.
        reference_seconds: seconds that the reference kernel took when the machine was calibrated.
        budget: seconds to spend, and as many for the reference kernel.

    Returns:
        The timing by the clock, and the machine's speed meanwhile as a fraction of its calibrated one.
    """
    timing, speeds = timed_by_part(sample, {"reference": (reference, reference_seconds)}, budget)
    return timing, speeds["reference"]


def timed_by_part(sample: Callable[[], float], references: Mapping[str, tuple[Callable[[], float], float]],
                  budget: float) -> tuple[clock.Timing, dict[str, float]]:
    """Time something whose parts do not keep one speed, such as work of the processor and of the drive.

    Args:
        sample, budget: as of `timed`.
        references: by part, its reference kernel, and what that took when the machine was calibrated.

    Returns:
        The timing by the clock, and the speed meanwhile by part.
    """
    kernels = {part: kernel for part, (kernel, _) in references.items()}
    timings = clock.rounds({"call": sample, **kernels}, budget=budget)
    return timings["call"], {part: speed_of(seconds, timings[part].median)
                             for part, (_, seconds) in references.items()}


def speed_of(reference_seconds: float, now: float) -> float:
    """Return the machine's present speed as a fraction of its calibrated speed.

    Args:
        reference_seconds: seconds that the reference kernel took when the machine was calibrated.
        now: seconds that it takes now.
    """
    return max(reference_seconds / now, 1 / _SLOWEST)
