"""Ways to save what several ranks have learned: rank 0 alone in one file, or each rank its own part, at once or beside.

The parts are written by the framework's `torch.distributed.checkpoint`. Its files are pickles: read only your own.
"""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

import torch.distributed as group
from torch import Tensor, nn

from labkit.distributed.checkpoint import Checkpoints, state

WAYS = ("one file, all wait", "in parts, all wait", "in parts, beside the training")
ONE_FILE, PARTS, BESIDE = WAYS


def save(way: str, folder: Path, network: nn.Module, adam, side: group.ProcessGroup) -> Future:
    """Save on every rank at once; return what is done when all of it is on the device.

    Args:
        way: of `WAYS`.
        folder: that no other save has used.
        network, adam: the same on every rank, after a step at least.
        side: a group of all ranks for this alone, for `BESIDE` works while they train.

    Raises:
        OSError: it cannot be written.
    """
    import torch.distributed.checkpoint as parted

    done: Future = Future()
    tensors = state(network, adam)
    if way == ONE_FILE:
        if group.get_rank() == 0:
            Checkpoints(folder, {}).save(1, tensors)
        group.barrier(side)
    elif way == PARTS:
        parted.save(part(tensors), storage_writer=parted.FileSystemWriter(folder), process_group=side)
    else:
        return parted.async_save(part(tensors), storage_writer=parted.FileSystemWriter(folder), process_group=side)
    done.set_result(None)
    return done


def part(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return this rank's part of each tensor: its share of the rows."""
    rank, ranks = group.get_rank(), group.get_world_size()
    parts = {name: value.tensor_split(ranks)[rank] if value.dim() else value for name, value in tensors.items()}
    return {f"{name}/{rank}": value for name, value in parts.items()}
