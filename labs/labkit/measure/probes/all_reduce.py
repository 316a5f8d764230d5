"""How long two processes take to add up their gradients: an all-reduce, as in data-parallel training.

Each process starts with numbers of its own and ends with the sums of both. The library is the one that training uses
between processors: gloo, over TCP on the loopback interface.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch

from labkit import effort
from labkit.distributed import pool
from labkit.progress import report
from labkit.specs.calibration import Calibration
from labkit.timing.drift import DriftCorrected, thinned

SECONDS = 16  # about how long it takes
PROCESSES = 2
KEYS = (("sum",),)
SIZES = (16, *(4**k for k in range(6, 13)))  # bytes: 16 B, and 4 KiB to 16 MiB
REFERENCE = 4**8  # bytes of the all-reduce that tells how fast the machine runs at the moment
_BUDGET = 0.5
_BLOCK_S = 0.12  # seconds of all-reduces back to back in one sample, less with quick effort
_FEWEST = 6  # all-reduces in a sample


def calibrate(device: torch.device) -> Calibration:
    """Time all-reduces between two processes, one thread each.

    Returns:
        `("sum",)`: seconds of one all-reduce; the work is bytes.


    On one processor the two processes would only wait for each other's turn, so there it is missing.
    """
    if not (there := pool.room(PROCESSES)):
        return Calibration.unavailable(KEYS, there.reason)
    try:
        with session() as all_reduce:
            timed = DriftCorrected(partial(all_reduce, REFERENCE), budget=_BUDGET, seconds=SECONDS)
            report(0, "Calibrating: all-reduce between two processes")
            return timed.calibration({("sum",): timed.curve(thinned(SIZES), lambda size: partial(all_reduce, size))})
    except (OSError, pool.WorkerFailed) as trouble:
        return Calibration.unavailable(KEYS, f"The two processes could not work together: {trouble}")


@contextmanager
def session() -> Iterator[Callable[[int], float]]:
    """Start the processes and yield a function that all-reduces so many bytes and returns the seconds of one.

    It runs a block of them back to back and returns the fastest: what the exchange takes when the scheduler sets
    neither process aside. With as many processes as processors it often does, for some milliseconds; that is a cost of
    sharing, not of the exchange. The processes end with the `with` block.

    Raises:
        WorkerFailed: they did not find each other, or one of them failed.
    """
    with pool.kept_pool(PROCESSES) as workers:
        times: dict[int, int] = {}
        block = effort.pick(quick=0.4 * _BLOCK_S, usual=_BLOCK_S, long=_BLOCK_S)

        def all_reduce(size: int) -> float:
            seconds = min(workers.all_reduce(size, times.setdefault(size, _FEWEST)))
            times[size] = min(max(_FEWEST, round(block / seconds)), 1000)
            return seconds

        for size in SIZES[::3]:
            all_reduce(size)
        yield all_reduce
