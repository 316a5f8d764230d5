"""How long two processes take to exchange what sharded and staged training does, each kind of message by itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from labkit.distributed.pool import WorkerFailed, WorkerPool, kept_pool, room
from labkit.progress import report
from labkit.specs.calibration import Calibration
from labkit.specs.sharding import KINDS
from labkit.timing.drift import DriftCorrected, thinned

SECONDS = 24  # about how long it takes
PROCESSES = 2
KEYS = tuple((kind,) for kind in KINDS)
SIZES = tuple(4**k for k in range(6, 13))  # bytes: 4 KiB to 16 MiB
_REFERENCE = 4**9  # bytes of each message that tells how fast two processes exchange at the moment
_BUDGET = 0.4
_BLOCK_S, _FEWEST, _MOST = 0.02, 4, 200  # seconds and messages of a block, of which the fastest counts


def calibrate(device: torch.device) -> Calibration:
    """Time each kind of message between two processes of one thread, back to back, by bytes of the whole tensor.

    Returns:
        `("all-gather",)` and so on: seconds of one; the work is bytes.

    On one processor the two would only wait for each other's turn, so there all are missing.
    """
    if not (there := room(PROCESSES)):
        return Calibration.unavailable(KEYS, there.reason)
    try:
        with kept_pool(PROCESSES) as pair:
            timed, curves = DriftCorrected(reference(pair), budget=_BUDGET, seconds=SECONDS), {}
            for place, (kind,) in enumerate(KEYS):
                report(place / len(KEYS), f"Calibrating: {kind} between two processes")
                curves[kind,] = timed.curve(thinned(SIZES), partial(sampler, pair, kind))
            return timed.calibration(curves)
    except (OSError, WorkerFailed) as trouble:
        return Calibration.unavailable(KEYS, f"The two processes could not work together: {trouble}")


def reference(pair: WorkerPool) -> Callable[[], float]:
    """Return a sampler of one message of each kind, which tell how fast two processes exchange at the moment."""
    each = [sampler(pair, kind, _REFERENCE) for kind in KINDS]
    return lambda: sum(sample() for sample in each)


def sampler(pair: WorkerPool, kind: str, size: int) -> Callable[[], float]:
    """Return a function that exchanges some messages back to back and returns the seconds of the fastest.

    With as many processes as processors, one is often set aside for some milliseconds: a cost of sharing.
    """
    times = _FEWEST

    def sample() -> float:
        nonlocal times
        seconds = min(pair.exchange(kind, int(size), times))
        times = min(max(_FEWEST, round(_BLOCK_S / seconds)), _MOST)
        return seconds

    return sample
