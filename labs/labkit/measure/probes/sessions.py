"""What whole cat networks cost in ONNX Runtime on one thread, in each number format that it has.

Some widths and batches are timed, with weights drawn by chance: the time does not depend on what they say.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from labkit.models.networks.cats import CatNet
from labkit.progress import report
from labkit.runtimes.onnx_export import in_format
from labkit.runtimes.onnx_session import SIDE, Network
from labkit.specs.calibration import Calibration
from labkit.specs.execution import ONNX_FORMATS
from labkit.timing import clock
from labkit.timing.drift import DriftCorrected, thinned, timed

SECONDS = 12  # about how long it takes
WIDTHS = (4, 8, 16, 32, 64)
BATCHES = (1, 2, 8, 64)
KEYS = tuple((name, width) for name in ONNX_FORMATS for width in WIDTHS)
_REFERENCE = (16, 16)  # width and batch of the network that tells how fast the machine runs at the moment


def calibrate(device: torch.device) -> Calibration:
    """Time networks on one thread of the processor, whatever the device.

    Returns:
        `("int8 static", 16)` and so on, by format and width: seconds of a run; the work is the batch.
    """
    with tempfile.TemporaryDirectory() as folder:
        corrected, curves = DriftCorrected(reference(), seconds=SECONDS), {}
        for done, (dtype, width) in enumerate(KEYS):
            report(done / len(KEYS), f"Calibrating: ONNX Runtime, {dtype}, {width} channels")
            network = Network(file(dtype, width, folder))
            curves[dtype, width] = corrected.curve(thinned(BATCHES), network.sampler)
        return corrected.calibration(curves)


def reference() -> Callable[[], float]:
    """Return a sampler of the small network that every other is timed beside."""
    return _sampler("fp32", *_REFERENCE)


def seconds(dtype: str, width: int, batch: int, *, beside: tuple[int, int], reference_seconds: float,
            budget: float = 0.3) -> tuple[clock.Timing, float]:
    """Time one run in turn with the reference kernel; the result is that of `labkit.timing.drift.timed`.

    Args:
        dtype: one of `labkit.specs.execution.ONNX_FORMATS`.
        width: channels after the first convolution.
        batch: pictures in a run.
        beside: width and batch of the calibrated run that is the reference kernel, in the same format.
        reference_seconds: seconds that it took when the machine was calibrated.
        budget: seconds to spend.
    """
    return timed(_sampler(dtype, width, batch), _sampler(dtype, *beside), reference_seconds, budget)


def _sampler(dtype, width, batch):
    with tempfile.TemporaryDirectory() as folder:
        return Network(file(dtype, width, folder)).sampler(batch)


def file(dtype: str, width: int, folder: str | Path) -> Path:
    """Write an untrained network of a width into a folder, in one of `labkit.specs.execution.ONNX_FORMATS`."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 3, SIDE, SIDE), np.uint8)
    return in_format(dtype, CatNet(width), Path(folder) / f"{dtype}-{width}.onnx", noise)
