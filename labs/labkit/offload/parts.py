"""The cat network in parts that may run on different computers, and what travels between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from labkit.models.datasets.cats import CLASSES
from labkit.models.networks.cats import CatNet, as_input

SIZE = 32  # pixels of a picture's side
SCORES = len(CLASSES)
LAYERS = 4


def stages(network: CatNet) -> list[nn.Module]:
    """Return the network's layers, each with the bend after it: three convolutions and the decision."""
    modules = list(network)
    return [nn.Sequential(*modules[at:at + 2]).eval() for at in range(0, len(modules), 2)]


def shapes(width: int) -> list[tuple[int, ...]]:
    """Return the shape of what may be sent for one picture: the picture, then what each convolution writes."""
    return [(3, SIZE, SIZE), *((width * 2**k, SIZE // 2 ** (k + 1), SIZE // 2 ** (k + 1)) for k in range(LAYERS - 1))]


def run(some: Sequence[nn.Module], data: Tensor) -> Tensor:
    """Run some layers; byte pictures become floats first."""
    if data.dtype == torch.uint8:
        data = as_input(data)
    for stage in some:
        data = stage(data)
    return data


def pack(data: Tensor) -> bytes:
    """Return one picture or what a layer made of it as bytes."""
    values = data.contiguous().numpy()
    return values.tobytes() if values.dtype == np.uint8 else values.astype("<f4", copy=False).tobytes()


def unpack(width: int, layers: int, content: bytes) -> Tensor:
    """Return what `pack` packed, as a batch of one."""
    values = np.frombuffer(content, np.uint8 if layers == 0 else "<f4").astype(np.uint8 if layers == 0 else np.float32)
    return torch.from_numpy(values.reshape(1, *shapes(width)[layers]))
