"""The network of Lab 1.3: three convolutions and a decision."""

from __future__ import annotations

from numbers import Integral

import torch
from torch import Tensor, nn

from labkit.models.datasets.cats import CLASSES
from labkit.specs.network import SIDE


class CatNet(nn.Sequential):
    """Tells a cat from a car and a bicycle.

    Each convolution halves the picture's side and looks at 3 × 3 neighbours; the last layer weighs what they found.

    Args:
        width: channels after the first convolution; the next two have twice and four times as many.
        size: side of the picture in pixels, a multiple of 8.
        classes: how many it tells apart.

    Shapes: float pictures (n, 3, size, size) in, scores (n, classes) out.

    Raises:
        ValueError: a width that is no whole number from 1 up, or a size that is not a multiple of 8.
    """

    def __init__(self, width: int = 16, size: int = SIDE, classes: int = len(CLASSES)):
        if not all(isinstance(n, Integral) for n in (width, size)) or width < 1 or size < 8 or size % 8:
            raise ValueError("CatNet needs a whole width of 1 or more and a size that 8 divides, not "
                             f"{width!r} and {size!r}.")
        super().__init__(
            nn.Conv2d(3, width, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.Flatten(),
            nn.Linear(4 * width * (size // 8) ** 2, classes),
        )


def as_input(images: Tensor) -> Tensor:
    """Return byte pictures (n, 3, size, size) as floats between -1 and 1, which is what the network reads.

    Raises:
        ValueError: the pictures are not bytes.
    """
    if images.dtype != torch.uint8:
        raise ValueError(f"Pictures are bytes from 0 to 255 (torch.uint8), not {images.dtype}.")
    return images.float().div_(127.5).sub_(1)
