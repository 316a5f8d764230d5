"""How fast data moves between the processor's memory and the GPU's: the link that every batch has to cross."""

from __future__ import annotations

from collections.abc import Callable

import torch

from labkit import device as devices
from labkit.progress import report
from labkit.specs.calibration import Calibration
from labkit.timing import clock
from labkit.timing.drift import DriftCorrected, thinned

SECONDS = 2  # about how long it takes
DIRECTIONS = ("to the GPU", "from the GPU")
KEYS = tuple((direction,) for direction in DIRECTIONS)
SIZES = tuple(4**k for k in range(4, 13))  # bytes: 256 B to 16 MiB
REFERENCE = 4**8  # bytes of the copy that tells how fast the link is at the moment


def calibrate(device: torch.device) -> Calibration:
    """Time copies of pinned memory in both directions. Without a GPU they are missing.

    Returns:
        `("to the GPU",)` and `("from the GPU",)`: seconds of one copy; the work is bytes.
    """
    if device.type == "cpu":
        return Calibration.unavailable(KEYS, "This machine has no GPU that PyTorch can use.")
    timed = DriftCorrected(sampler(DIRECTIONS[0], REFERENCE, device))
    report(0, "Calibrating: copies to the GPU and back")
    return timed.calibration({
        (direction,): timed.curve(thinned(SIZES), lambda size, direction=direction: sampler(direction, size, device))
        for direction in DIRECTIONS})


def sampler(name: str, size: int, device: torch.device) -> Callable[[], float]:
    """Return a sampler of one copy of `size` bytes in the direction `name`, one of `DIRECTIONS`."""
    near = torch.empty(size, dtype=torch.uint8, pin_memory=device.type == "cuda")
    far = torch.empty(size, dtype=torch.uint8, device=device)
    source, target = (near, far) if name == DIRECTIONS[0] else (far, near)
    return clock.sampler(lambda: target.copy_(source, non_blocking=True), devices.sync(device))
