"""Checkpoints of a training: on the disk whole or not at all, seen to be whole when they are read, the last two kept.

A checkpoint is one safetensors file. It is written beside its place, reaches the device, and is moved to its place in
one step. Its name holds a digest of its bytes: a file that was cut off, or of which a bit has changed, has another one,
and the checkpoint before it is taken.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import torch
import torch.distributed as group
from safetensors import safe_open
from safetensors.torch import load, save
from torch import Tensor, nn

from labkit import cache
from labkit.inputs import whole
from labkit.units import quantity

KEPT = 2
SPARE = 2**20  # bytes that a save leaves free
_DIGITS = 16  # hexadecimal ones of the digest, 64 bits
_NAME = re.compile(rf"step-(\d{{8}})-([0-9a-f]{{{_DIGITS}}})\.safetensors")
_MOMENTS = ("exp_avg", "exp_avg_sq", "step")  # what Adam keeps of each parameter


class NotSaved(OSError):
    """There is no room for a checkpoint, or it could not be written; the message says why. The ones before are there.
    """


class AnotherTraining(ValueError):
    """The checkpoints of a folder are of another training; the message says how they differ."""


@dataclass(frozen=True)
class Checkpoint:
    """What was saved after a step.

    Args:
        step: the last one that it has in it.
        content: the bytes of the file.
        broken: the names of later files that are not whole.
    """

    step: int
    content: bytes
    broken: tuple[str, ...] = ()


class Checkpoints:
    """The checkpoints of one training, in a folder that nobody else writes to.

    Args:
        folder: made when the first one is saved.
        training: what must be the same for a training to go on from them, by name.
    """

    def __init__(self, folder: Path, training: dict):
        self.folder, self._training = Path(folder), training

    def paths(self) -> list[Path]:
        """Return the files, the oldest first, whole or not."""
        return sorted(path for path in self.folder.glob("step-*") if _NAME.fullmatch(path.name))

    def save(self, step: int, tensors: dict[str, Tensor]) -> Path:
        """Write a checkpoint, then remove all but the last `KEPT`.

        Raises:
            NotSaved: there is no room, which is found out before anything is written, or the disk filled up or failed
                in the middle. The checkpoints before it are untouched.
        """
        content = save(tensors, {"training": json.dumps(self._training)})
        path = self.folder / f"step-{step:08}-{_digest(content)}.safetensors"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for part in self.folder.glob(".step-*.part"):  # of a process that was killed while it wrote
                part.unlink()
            if (free := shutil.disk_usage(self.folder).free) < len(content) + SPARE:
                raise NotSaved(f"Step {step} is not saved: a checkpoint takes {quantity(len(content), 'B')}, and "
                               f"{self.folder} has {quantity(free, 'B')} free. Make room there, or take another "
                               "folder.")
            cache.write_atomically(path, content)
            _settle(self.folder)
        except NotSaved:
            raise
        except OSError as trouble:
            raise NotSaved(f"Step {step} is not saved: {self.folder} cannot be written "
                           f"({trouble.strerror or trouble}). The checkpoints before it are still there.") from trouble
        for old in self.paths()[:-KEPT]:
            old.unlink(missing_ok=True)
        return path

    def newest(self) -> Checkpoint | None:
        """Return the newest checkpoint that is whole, None where there is none.

        Raises:
            AnotherTraining: it is of another network, or of other settings.
        """
        broken = []
        for path in reversed(self.paths()):
            step, digest = _NAME.fullmatch(path.name).groups()
            try:
                content = path.read_bytes()
            except OSError:
                content = b""
            if _digest(content) == digest:
                self._check(path)
                return Checkpoint(int(step), content, tuple(broken))
            broken.append(path.name)
        return None

    def _check(self, path: Path) -> None:
        with safe_open(path, "pt") as file:
            saved = json.loads((file.metadata() or {}).get("training", "{}"))
        differ = [f"{name} was {saved.get(name)!r} and is now {now!r}" for name, now in self._training.items()
                  if saved.get(name) != now]
        if differ:
            raise AnotherTraining(f"The checkpoints in {self.folder} are of another training: {', '.join(differ)}. "
                                  "Name another folder, or train with the settings that they have.")


def state(network: nn.Module, adam: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return what training goes on from: the weights, and what the optimiser keeps of each, by name."""
    tensors = {f"network/{name}": value for name, value in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        tensors |= {f"adam/{name}/{kind}": adam.state[parameter][kind] for kind in _MOMENTS}
    return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}


def restore(network: nn.Module, adam: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back what `state` returned."""
    network.load_state_dict({name.removeprefix("network/"): value for name, value in tensors.items()
                             if name.startswith("network/")})
    for name, parameter in network.named_parameters():
        kept = {kind: tensors[f"adam/{name}/{kind}"] for kind in _MOMENTS}
        adam.state[parameter] = {kind: value.to(parameter.device) if value.dim() == 0  # Adam counts in a scalar
                                 else torch.empty_like(parameter).copy_(value) for kind, value in kept.items()}


class Keeper:
    """Saves a training of several ranks now and then, and takes it up again. Rank 0 writes and reads for all.

    Args:
        checkpoints: where; only rank 0 uses it.
        every: steps between two saves.
        rank: of this process.
        tell: is told what was done.

    Raises:
        ValueError: an `every` that is no whole number from 1 up.
    """

    def __init__(self, checkpoints: Checkpoints, every: int, rank: int, tell: Callable[[dict], None]):
        whole(every=every)
        self._checkpoints, self._every, self._rank, self._tell = checkpoints, every, rank, tell

    def resume(self, network: nn.Module, adam: torch.optim.Optimizer) -> int:
        """Put back the newest whole checkpoint, on all ranks, and return its step; 0 where there is none."""
        found = self._checkpoints.newest() if self._rank == 0 else None
        device = next(network.parameters()).device
        at = torch.tensor([found.step, len(found.content)] if found else [0, 0], device=device)
        group.broadcast(at, 0)
        step, size = at.tolist()
        if size:
            content = torch.frombuffer(bytearray(found.content if found else size), dtype=torch.uint8).to(device)
            group.broadcast(content, 0)
            restore(network, adam, load(content.cpu().numpy().tobytes()))
        self._tell({"begun": step, "broken": found.broken if found else ()})
        return step

    def after(self, step: int, network: nn.Module, adam: torch.optim.Optimizer) -> None:
        """Save after every so many steps, while the other ranks wait; where that fails, say so and go on."""
        if step % self._every == 0 and self._rank == 0:
            begin = perf_counter()
            try:
                self._checkpoints.save(step, state(network, adam))
                self._tell({"saved": step, "seconds": perf_counter() - begin})
            except NotSaved as trouble:
                self._tell({"not saved": step, "why": str(trouble)})


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGITS]


def _settle(folder: Path) -> None:
    """Let a folder's new entry reach the device, where the system offers that."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
