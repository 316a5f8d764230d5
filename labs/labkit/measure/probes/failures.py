"""What surviving a failure is made of: starting under torchrun, starting again after a kill, a step, and a save.

The saves are timed alone, by processes that do not train meanwhile. Starting again includes noticing the kill, ending
the other ranks, importing the framework and reading the checkpoint.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter

import torch

from labkit import cache
from labkit import device as devices
from labkit.distributed import elastic, saving
from labkit.distributed.job import Job
from labkit.distributed.pool import WorkerFailed, WorkerPool, kept_pool, room
from labkit.progress import report
from labkit.specs.calibration import Calibration
from labkit.timing.drift import DriftCorrected, thinned

SECONDS = 25  # about how long it takes
FIRST, AGAIN = "first", "again"
WIDTHS = (256, 512, 1024)  # of the networks that are saved
KEYS = (("starting", FIRST), ("starting", AGAIN), ("step",), *(("saving", way) for way in saving.WAYS))
JOB = Job("cats", width=8, batch=32, pictures=512)  # what is trained, killed and trained again
_SIDE = 384  # of the reference kernel's matrices
_STEPS, _KILLED = 60, 30
_BUDGET = 0.2


def saved(width: int) -> Job:
    """Return the network of a width that is saved: dense, of four layers."""
    return Job("dense", width, depth=4, batch=4)


def size(width: int) -> int:
    """Return the bytes of its weights and of Adam's two moments."""
    return 3 * saved(width).gradients()


def processes() -> int:
    """Return how many ranks train: 2, or 1 where two would only wait for each other's turn."""
    return 2 if room(2) else 1


def folder():
    """Return a folder for checkpoints that goes with its `with` block; raises `OSError` where it cannot be made."""
    return cache.scratch("checkpoints")


def reference() -> float:
    """Return the seconds of a matrix product on one thread, which tell how fast the machine runs at the moment."""
    matrix = torch.ones(_SIDE, _SIDE)
    with devices.threads(1):
        begin = perf_counter()
        matrix @ matrix
        return perf_counter() - begin


def saver(pool: WorkerPool, way: str, width: int, place: Path) -> Callable[[], float]:
    """Return a sampler of the seconds for which a save of the network of a width keeps all ranks waiting."""
    job, numbers = saved(width), itertools.count()

    def sample() -> float:
        with_number = place / f"{way}-{width}-{next(numbers)}"
        found = pool.saving(job, way, with_number)
        _clear(with_number)
        return max(rank["stall"] for rank in found)

    sample()
    return sample


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def calibrate(device: torch.device) -> Calibration:
    """Time what a failure costs, on the processor, whatever the device.

    Returns:
        `("starting", "first")`: seconds from the launch to the first step; `("starting", "again")`: from a kill until
        training goes on; `("step",)`: of a step; the work of each is 1. `("saving", way)`: seconds for which a save
        keeps all ranks waiting; the work is bytes of the checkpoint.
    """
    if not torch.distributed.is_available():
        return Calibration.unavailable(KEYS, "This PyTorch was built without torch.distributed.")
    try:
        with folder() as place:
            report(0, "Calibrating: a training that is killed")
            run = elastic.survive(JOB, _STEPS, place, every=_KILLED, processes=processes(),
                                  kills=[elastic.Kill(_KILLED, 0)])
            report(0.6, "Calibrating: saves")
            with kept_pool(processes()) as pool:
                timed = DriftCorrected(reference, budget=_BUDGET, seconds=3 * SECONDS)
                curves = {("saving", way): timed.curve(
                    [size(width) for width in thinned(WIDTHS)],
                    lambda bytes_, way=way: saver(pool, way, _width(bytes_), place)) for way in saving.WAYS}
    except OSError as trouble:
        return Calibration.unavailable(KEYS, f"Checkpoints cannot be written: {trouble.strerror or trouble}.")
    except (WorkerFailed, elastic.TrainingFailed) as trouble:
        return Calibration.unavailable(KEYS, f"The training could not be run: {trouble}")
    calibration = timed.calibration(curves)
    first, again = run.lives
    once = {("starting", FIRST): first.waited, ("starting", AGAIN): again.waited,
            ("step",): median(first.ticks + again.ticks)}
    return replace(calibration, curves={**{key: [[1, seconds]] for key, seconds in once.items()},
                                        **calibration.curves})


def _width(bytes_: int) -> int:
    return next(width for width in WIDTHS if size(width) == bytes_)
