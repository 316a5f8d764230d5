"""How fast the machine reads what it has near: from the first-level cache to memory, as one curve.

The same numbers are added up again and again. As long as they fit a cache they come from there; the larger their set,
the farther away they lie.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from labkit import device as devices
from labkit.progress import report
from labkit.specs.calibration import Calibration
from labkit.timing import clock
from labkit.timing.drift import DriftCorrected, thinned

SECONDS = 7  # about how long it takes
KEYS = (("read",), ("triad",))
SETS = tuple(part * 2**k for k in range(13, 30) for part in (2, 3))  # bytes: 16 KiB, 24 KiB … 1.5 GiB
LARGEST = {"cpu": 2**28, "cuda": 2**32, "mps": 2**29}  # bytes of the triad's three arrays, far beyond the caches
_PASSES = {"cpu": 2**25, "mps": 2**27, "cuda": 2**31}  # bytes read in one call: long against the cost of starting it
_SHARE = 1 / 16  # of the memory that the largest set may take: beyond the caches of every machine known
_REFERENCE = 2**19  # bytes of the read that tells how fast the processor runs at the moment
_BUDGET = 0.07


def calibrate(device: torch.device) -> Calibration:
    """Time reading and the triad.

    Returns:
        `("read",)`: seconds to read a set once when it has just been read; the work is its bytes. `("triad",)`:
        seconds of STREAM's triad; the work is the bytes of its three arrays together.
    """
    devices.settle()
    timed = DriftCorrected(reference(device), budget=_BUDGET, seconds=SECONDS)
    report(0, "Calibrating: caches and memory")
    sets = [size for size in SETS if size <= devices.memory(device) * _SHARE]
    numbers = torch.ones(sets[-1] // 4, device=device)
    curve = timed.curve(thinned(sets), lambda size: reader(size, device, numbers))
    largest = _fitting(device)
    return timed.calibration({("read",): curve, ("triad",): [[largest, timed(triad(largest, device))]]})


def reference(device: torch.device) -> Callable[[], float]:
    """Return a sampler of the read that every other is timed beside."""
    return reader(_REFERENCE, device)


def _fitting(device) -> int:
    return min(LARGEST[device.type], 2 ** (int(devices.memory(device) / 8).bit_length() - 1))


def reader(size: int, device: torch.device, numbers: torch.Tensor | None = None) -> Callable[[], float]:
    """Return a sampler of reading `size` bytes once, all threads together, each its own part.

    Args:
        size: bytes.
        device: where they lie.
        numbers: 32-bit floats whose first are read; some of its own unless given.

    One call of the framework goes over the set many times, so that starting the call costs next to nothing.
    """
    threads = torch.get_num_threads() if device.type == "cpu" else 1
    passes = max(1, _PASSES[device.type] // size)
    numbers = torch.ones(size // 4, device=device) if numbers is None else numbers
    rows = again_and_again(numbers[: size // 4], threads, passes)
    sums = torch.empty(threads, passes, device=device)
    sample = clock.fastest(clock.sampler(lambda: torch.sum(rows, dim=2, out=sums), devices.sync(device)))
    return lambda: sample() / passes


def again_and_again(numbers: torch.Tensor, threads: int, passes: int) -> torch.Tensor:
    """Return numbers as rows (threads, passes, each thread's part), without those left over: passes share memory."""
    return numbers[: len(numbers) // threads * threads].view(threads, 1, -1).expand(threads, passes, -1)


def triad(size: int, device: torch.device) -> Callable[[], float]:
    """Return a sampler of the triad a = b + s × c over three arrays of `size` bytes together.

    It is the last of the four kernels of STREAM (McCalpin 1995), in 32-bit floats, and counts as STREAM does: two
    arrays read and one written, without what the caches move besides. The framework fills the arrays with all its
    threads, so that each has its part in memory near it.
    """
    first, second, result = (torch.ones(size // 12, device=device) for _ in range(3))
    return clock.fastest(clock.sampler(lambda: torch.add(first, second, alpha=3.0, out=result), devices.sync(device)))
