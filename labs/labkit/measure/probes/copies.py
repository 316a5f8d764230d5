"""How fast data moves between the processor's memory and the GPU's: the link that every batch has to cross."""

from __future__ import annotations

from collections.abc import Callable

import torch

from labkit import device as devices
from labkit.progress import report
from labkit.specs.calibration import Costs
from labkit.timing import clock
from labkit.timing.drift import Paced

SECONDS = 2  # about how long it takes
NAMES = ("to the GPU", "from the GPU")
SIZES = tuple(4**k for k in range(4, 13))  # bytes: 256 B to 16 MiB
PACEMAKER = 4**8  # bytes of the copy that tells how fast the link is at the moment


def calibrate(device: torch.device) -> Costs:
    """Time copies of pinned memory in both directions: seconds against bytes. Without a GPU they are missing."""
    if device.type == "cpu":
        return Costs.unavailable(NAMES, "This machine has no GPU that PyTorch can use.")
    timed = Paced(sampler(NAMES[0], PACEMAKER, device))
    report(0, "Calibrating: copies to the GPU and back")
    return timed.costs({name: timed.curve({size: sampler(name, size, device) for size in SIZES}) for name in NAMES})


def sampler(name: str, size: int, device: torch.device) -> Callable[[], float]:
    """Return a sampler of one copy of `size` bytes in the direction `name`, one of `NAMES`."""
    near = torch.empty(size, dtype=torch.uint8, pin_memory=device.type == "cuda")
    far = torch.empty(size, dtype=torch.uint8, device=device)
    source, target = (near, far) if name == NAMES[0] else (far, near)
    return clock.sampler(lambda: target.copy_(source, non_blocking=True), devices.sync(device))
