"""Models as files, the ways to their weights, and a cache of the models in use.

A model is a stack of square layers. An answer multiplies by every weight once, as one token of a language model does:
little arithmetic for the bytes.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, load_file, save_file

from labkit.inputs import above_zero, whole

SIDE = 512  # numbers that go into a layer, and that come out of it
LAYER = 4 * SIDE**2  # bytes of a layer's weights: 1 MiB
PAGE = 1024  # weights in a page of memory: 4 KiB
Weights = list[torch.Tensor]


class BrokenModel(ValueError):
    """A file that holds no such model; the message names it."""


def drawn(layers: int, seed: int = 0) -> Weights:
    """Return the random weights of a model."""
    whole(layers=layers)
    dice = torch.Generator().manual_seed(seed)
    return [torch.randn(SIDE, SIDE, generator=dice) * (2 / SIDE) ** 0.5 for _ in range(layers)]


def write(path: Path, layers: int, seed: int = 0) -> None:
    """Write a model of random weights; raises `OSError` where there is no room."""
    save_file({f"{place:04}": layer for place, layer in enumerate(drawn(layers, seed))}, path)


def read(path: Path) -> Weights:
    """Read a model's file into memory of this process, whole.

    Raises:
        FileNotFoundError: there is none.
        BrokenModel: it is cut off, or holds something else.
    """
    return _checked(path, lambda: load(path.read_bytes()))


def mapped(path: Path) -> Weights:
    """Map a model's file into memory: a page is fetched when it is first touched; raises as `read` does.

    On the processor, `safetensors.torch.load_file` is a map.
    """
    return _checked(path, lambda: load_file(path))


def _checked(path: Path, get: Callable[[], dict]) -> Weights:
    try:
        held = get()
    except SafetensorError as trouble:
        raise BrokenModel(f"{path.name} is no model, or is cut off ({trouble}). Write it again.") from trouble
    if not held or any(tensor.shape != (SIDE, SIDE) for tensor in held.values()):
        raise BrokenModel(f"{path.name} holds another network than layers of {SIDE} times {SIDE} weights.")
    return [held[name] for name in sorted(held)]


def touch(weights: Weights) -> None:
    """Ask for one number of each page, so that all of them are in memory."""
    for layer in weights:
        layer.view(-1)[::PAGE].sum()


def answer(weights: Weights, inputs: torch.Tensor) -> torch.Tensor:
    """Return the network's answers to `inputs`, float32 (n, SIDE)."""
    for layer in weights:
        inputs = (inputs @ layer).relu()
    return inputs


class ModelCache:
    """Keeps the models that were asked for last, in no more than some bytes.

    Args:
        budget: bytes of weights that may be held.
        load: fetches a model that is not held.

    Raises:
        ValueError: no budget.
    """

    def __init__(self, budget: float, load: Callable[[Path], Weights] = read):
        above_zero(budget=budget)
        self.budget, self.held, self._load = budget, 0, load
        self._models: OrderedDict[Path, tuple[int, Weights]] = OrderedDict()

    @property
    def paths(self) -> list[Path]:
        """The models that are held, the least recently used first."""
        return list(self._models)

    def get(self, path: Path) -> tuple[Weights, bool]:
        """Return a model, and whether it was held; what was not asked for longest makes room for it.

        Raises:
            MemoryError: a model larger than the budget.
            FileNotFoundError, BrokenModel: as `read`.
        """
        if path in self._models:
            self._models.move_to_end(path)
            return self._models[path][1], True
        size = os.stat(path).st_size
        if size > self.budget:
            raise MemoryError(f"{path.name} has {size:,} bytes, and the cache may hold {self.budget:,.0f}: give it "
                              "more, or take a smaller model.")
        while self.held + size > self.budget:
            _, (gone, _) = self._models.popitem(last=False)
            self.held -= gone
        weights = self._load(path)
        self._models[path] = size, weights
        self.held += size
        return weights, False
