"""How anything in the course is timed.

A function is warmed up, then repeated until the interval around the median is narrow enough or the budget is
spent. Samples that were taken while other programs were busy are set aside; where too few clean ones remain,
all are used and the `Timing` says so. What is to be compared is interleaved, so that a machine that changes
its speed changes it for both.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter

import psutil

from labkit.progress import report
from labkit.specs.calibration import CONTENDED
from labkit.stats import median

_WINDOW = 0.12  # seconds: the processor's own counters tick every 10 ms, so a shorter window says little
_TURN = 0.03  # seconds: long enough for caches to fill again after the other call's turn
_NOT_BUSY = ("idle", "iowait", "guest", "guest_nice", "irq", "softirq", "interrupt", "dpc")  # or counted elsewhere too
_LEAST, _LEAST_SYNCED = 50e-6, 2e-3  # seconds of a sample: long against the clock, or against waiting for a GPU
_LONG = 0.01  # seconds of a call that is warm after the second
_FEWEST = 7  # samples: fewer give no 95 % interval for a median


@dataclass(frozen=True)
class Timing:
    """Seconds that one call took.

    Args:
        median, low, high: the median and its 95 % interval, in seconds.
        samples: how many samples it stands on.
        contention: the share of the machine's processor time that others used meanwhile, 0 to 1.
    """

    median: float
    low: float
    high: float
    samples: int
    contention: float

    @property
    def clean(self) -> bool:
        """Whether the machine was quiet enough for the number to be trusted."""
        return self.contention <= CONTENDED

    @property
    def note(self) -> str:
        """A sentence for the reader when the machine was not quiet or the samples are few, else nothing."""
        if self.clean:
            return "" if self.samples >= _FEWEST else f"{self.samples} samples are too few for an interval."
        return contended(self.contention)


def contended(share: float) -> str:
    """Return what a reader must know where others used a share of the processors' time meanwhile, nothing for little.
    """
    if share <= CONTENDED:
        return ""
    return f"Other programs used {share:.0%} of the CPU meanwhile: close them and measure again."


class Contention:
    """How much processor time others used between its creation and `share()`.

    What the processes do that this one has started counts as its own; interrupts, which serve everybody, as nobody's.
    """

    def __init__(self):
        self._process = psutil.Process()
        self._start = perf_counter()
        self._busy, self._own = self._read()

    def _read(self) -> tuple[float, float]:
        every = psutil.cpu_times(percpu=True)
        used = [times for i, times in enumerate(every) if i in _allowed()] or every
        busy = sum(sum(times) - sum(getattr(times, name, 0.0) for name in _NOT_BUSY) for times in used)
        return busy, sum(self._process.cpu_times()[:4]) + sum(map(_spent, self._process.children(True)))

    def share(self) -> float:
        """Return the share (0 to 1) of all processors' time that went to anything but this process."""
        busy, own = self._read()
        available = (perf_counter() - self._start) * len(_allowed())
        return min(max(0.0, (busy - self._busy) - (own - self._own)) / max(available, 1e-9), 1.0)


def _allowed() -> set[int]:
    """Return the processors that this process may run on."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def _spent(process: psutil.Process) -> float:
    try:
        return sum(process.cpu_times()[:2])
    except psutil.Error:  # it ended just now
        return 0.0


def time(call: Callable[[], object], *, budget: float = 1.0, tolerance: float = 0.03,
         sync: Callable[[], object] | None = None) -> Timing:
    """Time one call.

    Args:
        call: what is timed.
        budget: seconds after which no further sample is taken (one sample always is).
        tolerance: half the width of the interval, as a fraction of the median, that is narrow enough.
        sync: waits for work that `call` only started (a GPU's), within each sample.

    Returns:
        A `Timing` in seconds.

    Raises:
        ValueError: a budget or tolerance that is not above 0, or a budget without end.
    """
    return interleave({"call": call}, budget=budget, tolerance=tolerance, sync=sync)["call"]


def interleave(calls: Mapping[str, Callable[[], object]], *, budget: float = 1.0, tolerance: float = 0.03,
               sync: Callable[[], object] | None = None) -> dict[str, Timing]:
    """Time several calls in turn, A B A B …; the arguments are those of `time`, the budget is for each call."""
    _check(budget, tolerance)
    return rounds({name: sampler(call, sync) for name, call in calls.items()}, budget=budget, tolerance=tolerance)


def sampler(call: Callable[[], object], sync: Callable[[], object] | None = None) -> Callable[[], float]:
    """Return a function that runs `call`, often enough to be long against the clock's own cost, and returns seconds.

    The call is warmed up at once, so that the first sample is like the others.
    """
    repeats = _warm_up(call, sync)
    return lambda: _sample(call, repeats, sync)


def fastest(sample: Callable[[], float], *, block: float = 0.01, fewest: int = 3) -> Callable[[], float]:
    """Return a function that takes samples for `block` seconds and returns the fastest: what the machine can do.

    A capability is what is left when nothing interferes; the median of these is steadier than that of single samples.
    Where behaviour is asked for, waits and all, take the samples themselves.
    """

    def run() -> float:
        end, taken, best = perf_counter() + block, 0, math.inf
        while taken < fewest or perf_counter() < end:
            best, taken = min(best, sample()), taken + 1
        return best

    return run


def rounds(samples: Mapping[str, Callable[[], float]], *, budget: float = 1.0,
           tolerance: float = 0.03) -> dict[str, Timing]:
    """Take samples of several things in turn; each function returns the seconds that its thing took once.

    Time in which others kept the processors busy does not count against the budget, until it is spent a second time.

    Raises:
        ValueError: a budget or tolerance that is not above 0, or a budget without end.
    """
    _check(budget, tolerance)
    clean, noisy = {name: [] for name in samples}, {name: [] for name in samples}
    whole = budget * len(samples)
    shares, start, deadline, latest = [], perf_counter(), perf_counter() + whole, perf_counter() + 2 * whole
    while True:
        contention, window, batch = Contention(), perf_counter() + _WINDOW, {name: [] for name in samples}
        while not all(batch.values()) or perf_counter() < min(window, deadline):
            for name, sample in samples.items():
                turn = perf_counter() + min(_TURN, budget)
                while not batch[name] or perf_counter() < turn:
                    batch[name].append(sample())
        shares.append(contention.share())
        quiet = shares[-1] <= CONTENDED
        for name in samples:
            (clean if quiet else noisy)[name] += batch[name]
        if not quiet:
            deadline = min(deadline + _WINDOW, latest)
        report((perf_counter() - start) / (deadline - start))
        enough = all(len(found) >= _FEWEST and _narrow(found, tolerance) for found in clean.values())
        if enough or perf_counter() >= deadline:
            break
    return {name: _timing(clean[name], noisy[name], shares) for name in samples}


def _check(budget, tolerance) -> None:
    if not 0 < budget < math.inf or not tolerance > 0:
        raise ValueError(f"Budget and tolerance must be above 0, the budget finite; not {budget} s and {tolerance}.")


def _sample(call, repeats, sync) -> float:
    begin = perf_counter()
    for _ in range(repeats):
        call()
    if sync:
        sync()
    return (perf_counter() - begin) / repeats


def _warm_up(call, sync) -> int:
    """Call two or three times; return how many calls a sample needs to be long against the clock's own cost."""
    seconds = min(_sample(call, 1, sync) for _ in range(2))
    if seconds < _LONG:
        seconds = min(seconds, _sample(call, 1, sync))
    return max(1, math.ceil((_LEAST_SYNCED if sync else _LEAST) / max(seconds, 1e-9)))


def _narrow(samples, tolerance) -> bool:
    middle, low, high = median(samples)
    return (high - low) / 2 <= tolerance * middle


def _timing(clean, noisy, shares) -> Timing:
    if len(clean) >= _FEWEST or not noisy:
        return Timing(*median(clean), len(clean), min(max(shares), CONTENDED))
    return Timing(*median(clean + noisy), len(clean + noisy), sum(shares) / len(shares))
