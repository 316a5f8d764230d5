"""What Lab 4.2's predictions stand on: pictures on one core by one network, by many in turn, and by a few processes.

All of it runs in the process that serves the lab's sources, by the same functions.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch

from labkit.measure.instances import BATCHES, OWN, PROCESSES, SHARED, THREADS, Device, schedule
from labkit.measure.probes import sessions
from labkit.processes import HelperFailed
from labkit.progress import report
from labkit.session import KEPT
from labkit.specs.calibration import Calibration
from labkit.timing.drift import DriftCorrected, thinned

SECONDS = 14  # about how long it takes
WIDTHS = (8, 16, 32, 64)
PICTURES = (1, 4, 16, 64)  # in a batch
NETWORKS = (1, 4, 16, 64)  # that take turns
FEW = 4  # threads or processes, each with the narrowest network, share the core
KEYS = (*((way, width) for way in (BATCHES, OWN) for width in WIDTHS), (THREADS,), (PROCESSES,))
_REFERENCE = 16  # channels of the network that tells how fast the machine runs
_PACE = 2.0  # periods of a few threads or processes, in the time that a picture of each takes alone
_PACED_S, _PATIENCE_S = 0.2, 10.0  # seconds of such a run, and of an answer in it


def calibrate(device: torch.device) -> Calibration:
    """Time networks on one core of the processor, whatever the device.

    Returns:
        `("one network, in batches", 8)`: seconds of a batch, by width; the work is its pictures.
        `("a network each", 8)`: seconds a picture; the work is the networks that take turns, one or more.
        `("a thread each",)` and `("a process each",)`: the processor's seconds a picture of the narrowest network; the
        work is how many of them share the core.
    """
    curves, missing = {}, {}
    with core_and_kernel() as (core, kernel, folder):
        timed = DriftCorrected(kernel, seconds=SECONDS)
        for done, width in enumerate(WIDTHS):
            report(done / len(WIDTHS), f"Calibrating: many networks, {width} channels")
            path = sessions.file("fp32", width, folder)
            core.open(path, NETWORKS[-1])
            curves[BATCHES, width] = [[batch, batch * timed(partial(core.seconds, BATCHES, 1, batch))]
                                      for batch in thinned(PICTURES)]
            curves[OWN, width] = [[count, timed(partial(core.seconds, OWN, count))] for count in thinned(NETWORKS)]
        for way in (THREADS, PROCESSES):
            try:
                with Device(FEW if way == PROCESSES else 1) as shared:
                    shared.open(sessions.file("fp32", WIDTHS[0], folder), FEW if way == THREADS else 1)
                    curves[way,] = [[FEW, timed(_paced(shared, way))]]
            except HelperFailed as trouble:
                missing[way,] = str(trouble)
        return timed.calibration(curves, missing)


@contextmanager
def core_and_kernel() -> Iterator[tuple[Device, Callable[[], float], str]]:
    """Yield a device of one process, the sampler of `reference`, and a folder for networks; `KEPT` keeps them."""
    with KEPT.open():
        folder = KEPT.start("networks", tempfile.TemporaryDirectory)
        with KEPT.held("core", Device) as core, KEPT.held("kernel", lambda: reference(folder)) as kernel:
            yield core, kernel, folder


@contextmanager
def reference(folder: str | Path) -> Iterator[Callable[[], float]]:
    """Run the small network that every other is timed beside, on the same core; yield a sampler of it."""
    with Device() as kernel:
        kernel.open(sessions.file("fp32", _REFERENCE, folder))
        yield lambda: kernel.seconds(SHARED)


def _paced(device: Device, way: str) -> Callable[[], float]:
    plan = schedule(FEW, _PACE * FEW * device.seconds(SHARED), _PACED_S)
    return lambda: device.serve(way, plan, _PATIENCE_S)[1]
