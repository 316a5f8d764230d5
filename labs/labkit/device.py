"""The device that this machine computes on, and what it is called."""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import psutil
import torch

from labkit import host
from labkit.host import container_memory, cores, processor


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


def of_process(local: int, processes: int) -> torch.device:
    """Return a GPU of its own for one of some processes where the machine has one for each, else the CPU.

    Args:
        local: which of the machine's processes, from 0.
        processes: how many of them train together on this machine.
    """
    enough = torch.cuda.is_available() and torch.cuda.device_count() >= processes
    return torch.device("cuda", local) if enough else torch.device("cpu")


def sync(device: torch.device):
    """Return the function that waits for the device to finish, or None where calls finish by themselves."""
    return {"cuda": torch.cuda.synchronize, "mps": torch.mps.synchronize}.get(device.type)


def memory(device: torch.device) -> int:
    """Return how many bytes of memory a program on the device may use at most."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    if device.type == "mps":
        return torch.mps.recommended_max_memory()
    return min(psutil.virtual_memory().total, container_memory() or math.inf)


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


def settle() -> None:
    """Let nothing stand between an operation and the processor but the operation.

    The C library keeps freed memory for the next operation instead of returning it to the system: glibc hands every
    block above a threshold back at once, and taking it again costs a page fault for each 4 KiB, so that a convolution
    can take four times as long. Freeing one block of nearly 32 MiB, the most that the threshold may become, raises it
    for the rest of the process (mallopt(3), M_MMAP_THRESHOLD). Elsewhere this does nothing.

    The framework uses no more threads than there are processors to run them: in a container that sees the whole
    computer but may use a part of it, it starts one for every core that it sees, and all wait for each other.
    """
    torch.empty(31 * 2**20, dtype=torch.uint8)
    enough = max(1, math.floor(cores()))
    if torch.get_num_threads() > enough:
        torch.set_num_threads(enough)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let the framework use `count` threads inside the block; raises `ValueError` for fewer than one."""
    if not isinstance(count, int) or count < 1:
        raise ValueError(f"The framework runs on a whole number of threads from 1 up, not {count!r}.")
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def has_tf32(device: torch.device) -> bool:
    """Return whether the device can multiply 32-bit floats with 10 bits of fraction: NVIDIA's, from Ampere on."""
    return device.type == "cuda" and torch.version.hip is None and torch.cuda.get_device_capability(device) >= (8, 0)


@contextmanager
def tf32(on: bool) -> Iterator[None]:
    """Let NVIDIA's GPUs multiply 32-bit floats in TF32 inside the block, in matrix products and convolutions, or not.

    PyTorch does so in convolutions unless told otherwise. Version 2.9 renamed the switches and refuses to mix the two.
    """
    new = hasattr(torch.backends.cuda.matmul, "fp32_precision")
    name, value = ("fp32_precision", "tf32" if on else "ieee") if new else ("allow_tf32", on)
    switches = torch.backends.cuda.matmul, torch.backends.cudnn.conv if new else torch.backends.cudnn
    before = [getattr(switch, name) for switch in switches]
    try:
        for switch in switches:
            setattr(switch, name, value)
        yield
    finally:
        for switch, kept in zip(switches, before, strict=True):
            setattr(switch, name, kept)


def name(device: torch.device) -> str:
    """Return what the processor or GPU calls itself."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{processor()}, {_processors()}"


def fingerprint(device: torch.device) -> str:
    """Return a text that differs between kinds of devices; unlike some names, it is found at once."""
    return name(device) if device.type == "cuda" else host.fingerprint()


def _processors() -> str:
    """Say how many processors there are, how many of them are hyper-threads, and how many may be used."""
    threads, usable = os.cpu_count() or 1, cores()
    physical = min(psutil.cpu_count(logical=False) or threads, threads)
    text = f"{physical} core{'s' if physical > 1 else ''}"
    if physical < threads:
        text += f" ({threads} hyper-threads)"
    if usable < physical:
        text += f", of which this process may use {usable:g}"
    return text
