"""The device that this machine computes on, and what it is called."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psutil
import torch


@cache
def best() -> torch.device:
    """Return the GPU (CUDA or Apple's) where PyTorch has one that works, else the CPU.

    A GPU that is there may still refuse: an old one has no kernels in a new PyTorch, a virtual Mac's has no memory.
    """
    for kind, there in (("cuda", torch.cuda.is_available), ("mps", torch.backends.mps.is_available)):
        if there():
            try:
                torch.ones(8, device=kind).sum().item()
                return torch.device(kind)
            except RuntimeError as trouble:
                reason = str(trouble).splitlines()[0]
                warnings.warn(f"The GPU does not work with this PyTorch ({reason}); using the CPU.", stacklevel=2)
    return torch.device("cpu")


def sync(device: torch.device):
    """Return the function that waits for the device to finish, or None where calls finish by themselves."""
    return {"cuda": torch.cuda.synchronize, "mps": torch.mps.synchronize}.get(device.type)


def memory(device: torch.device) -> int:
    """Return how many bytes of memory a program on the device may use at most."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    if device.type == "mps":
        return torch.mps.recommended_max_memory()
    return min(psutil.virtual_memory().total, _container_limit())


def layout(device: torch.device) -> torch.memory_format:
    """Return the order in memory that convolutions read fastest, for weights and pictures.

    Apple's backend keeps PyTorch's usual order: the other has failed there on the way back (pytorch/pytorch#140902).
    """
    return torch.contiguous_format if device.type == "mps" else torch.channels_last


@contextmanager
def memory_for(what: str) -> Iterator[None]:
    """Turn an allocator's refusal inside the block into a `MemoryError` that names `what` was too large."""
    try:
        yield
    except RuntimeError as error:  # the CPU's, CUDA's and Apple's allocators share no narrower type
        if not re.search("out of memory|allocate memory|not enough memory", str(error)):
            raise
        raise MemoryError(f"{what} needs more memory than there is: choose a smaller one.") from error


def settle_allocator() -> None:
    """Let the C library keep freed memory for the next operation instead of returning it to the system.

    glibc hands every block above a threshold back at once, and taking it again costs a page fault for each 4 KiB:
    a convolution can take four times as long. Freeing one block of nearly 32 MiB, the most that the threshold may
    become, raises it for the rest of the process (mallopt(3), M_MMAP_THRESHOLD). Elsewhere this does nothing.
    """
    torch.empty(31 * 2**20, dtype=torch.uint8)


def _container_limit() -> float:
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            return int(Path(path).read_text())
        except (OSError, ValueError):  # not Linux, not a container, or "max"
            continue
    return float("inf")


def name(device: torch.device) -> str:
    """Return what the processor or GPU calls itself."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cores = os.cpu_count() or 1
    return f"{_processor()}, {cores} core{'s' if cores > 1 else ''}"


def _processor() -> str:
    try:
        if platform.system() == "Linux":
            lines = Path("/proc/cpuinfo").read_text().splitlines()
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
        if platform.system() == "Darwin":
            return subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"],
                                  capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, StopIteration, subprocess.SubprocessError):
        pass
    return platform.processor() or platform.machine()
