"""What following streams of speech costs one core: the picture of a clip, and the recogniser, in batches and in turn.

All of it runs in the process that follows the lab's streams, by the same functions. The recogniser has learned nothing:
it takes as long as one that has.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch

from labkit.measure.instances import BATCHES, OWN, Device
from labkit.measure.probes.instances import NETWORKS, PICTURES, core_and_kernel
from labkit.models.networks.cats import CatNet
from labkit.models.sound import DIGITS
from labkit.progress import report
from labkit.runtimes import onnx_export
from labkit.specs.calibration import Calibration
from labkit.timing.drift import DriftCorrected, thinned

SECONDS = 5  # about how long it takes
WIDTH = 16  # channels of the recogniser
NETWORK = "the network alone"
KEYS = ((BATCHES,), (OWN,), (NETWORK,))


def recogniser() -> CatNet:
    """Return a recogniser of digits that has learned nothing."""
    return CatNet(WIDTH, classes=len(DIGITS))


def opened(device: Device, folder: str, count: int, *, hears: bool = True) -> None:
    """Let a device hold so many recognisers; their file lies in a folder."""
    path = Path(folder) / "digits.onnx"
    if not path.is_file():
        onnx_export.write(recogniser(), path)
    device.open(path, count, hears=hears)


def calibrate(device: torch.device) -> Calibration:
    """Time the recogniser on one core of the processor, whatever the device.

    Returns:
        `("one network, in batches",)`: seconds of a batch of clips; the work is the clips. `("the network alone",)`:
        the same without making their pictures. `("a network each",)`: seconds a clip; the work is the networks that
        take turns, one or more.
    """
    curves = {}
    with core_and_kernel() as (core, kernel, folder):
        timed = DriftCorrected(kernel, seconds=SECONDS)
        for key, hears in ((NETWORK, False), (BATCHES, True)):
            report(0.2 + 0.4 * hears, "Calibrating: streams of speech")
            opened(core, folder, NETWORKS[-1], hears=hears)
            curves[key,] = [[batch, batch * timed(partial(core.seconds, BATCHES, 1, batch))]
                            for batch in thinned(PICTURES)]
        curves[OWN,] = [[count, timed(partial(core.seconds, OWN, count))] for count in thinned(NETWORKS)]
        return timed.calibration(curves)
