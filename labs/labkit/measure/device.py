"""The device that this machine computes on, and what it is called."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import psutil
import torch


def best() -> torch.device:
    """Return the GPU (CUDA or Apple's) where PyTorch has one, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
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
