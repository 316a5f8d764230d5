"""How fast the machine reads a file that its memory still holds: a warm read, out of the system's page cache."""

from __future__ import annotations

import torch

from labkit.measure.probes import storage
from labkit.specs.calibration import Calibration

SECONDS = 4  # about how long it takes
KEYS = (("random",),)


def calibrate(device: torch.device) -> Calibration:
    """Time single reads as `labkit.measure.probes.storage.calibrate` does, of a file that has just been read."""
    return storage.calibrate(device, "warm", ("random",))
