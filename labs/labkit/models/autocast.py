"""Training in the number formats that a device has: the framework's own mixed precision, and what is missing, and why.

In fp64 all numbers have 64 bits. In tf32 the GPU's units round what they multiply. In bf16 and fp16 the framework's
*autocast* multiplies in 16 bits, while the weights that the optimiser changes keep 32 (Micikevicius et al. 2018,
arXiv:1710.03740); fp16 has its loss scaled, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn

from labkit import device as devices

DTYPES = ("fp64", "fp32", "tf32", "bf16", "fp16")  # in which a convolution can be trained
_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Autocast(nn.Module):
    """A network that computes in a format.

    Args:
        network: its parameters are shared, and become 64-bit floats for fp64.
        dtype: one of `DTYPES`; tf32 and fp32 differ by a switch of the device, which `tf32_for` sets.

    Shapes: float pictures in, scores out, in 32 bits or more.

    Raises:
        ValueError: another format.
    """

    def __init__(self, network: nn.Module, dtype: str):
        super().__init__()
        self.network, self.dtype = network.double() if _known(dtype) == "fp64" else network, dtype

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the scores."""
        with context(self.dtype, pictures.device):
            scores = self.network(cast_input(self.dtype, pictures))
        return scores.float() if self.dtype in _AUTOCAST else scores


def _known(dtype: str) -> str:
    """Return a format that networks are trained in; raises `ValueError` for another, with those that there are."""
    if dtype not in DTYPES:
        raise ValueError(f"A network cannot be trained in {dtype!r} here, but in {', '.join(DTYPES)}.")
    return dtype


def context(dtype: str, device: torch.device) -> AbstractContextManager:
    """Return a context in which layers compute in a format, their weights kept as they are."""
    return torch.autocast(device.type, _AUTOCAST[dtype]) if _known(dtype) in _AUTOCAST else nullcontext()


def cast_input(dtype: str, pictures: Tensor) -> Tensor:
    """Return pictures in the type in which the first layer of a network in a format takes them."""
    return pictures.double() if _known(dtype) == "fp64" else pictures


def activation_dtype(dtype: str) -> torch.dtype:
    """Return the type of the numbers that one layer hands to the next."""
    return _AUTOCAST.get(_known(dtype), torch.float64 if dtype == "fp64" else torch.float32)


def grad_scaler(dtype: str, device: torch.device) -> torch.amp.GradScaler | None:
    """Return what scales the loss in a format, or None for formats whose exponents reach far enough."""
    return torch.amp.GradScaler(device.type) if _known(dtype) == "fp16" else None


@contextmanager
def tf32_for(dtype: str, device: torch.device) -> Iterator[None]:
    """Let a GPU of NVIDIA's multiply 32-bit floats in tf32 inside the block, or in all their bits.

    PyTorch rounds them to tf32 in convolutions unless told otherwise.
    """
    if not devices.has_tf32(device):
        yield
        return
    with devices.tf32(dtype == "tf32"):
        yield
