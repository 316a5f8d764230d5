"""Networks of dense layers alone: the equal layers of Lab 1.2, and the cats of Lab 3.3 without convolutions."""

from __future__ import annotations

import math
from numbers import Integral

from torch import nn

from labkit.models.datasets.cats import CLASSES
from labkit.specs.network import PICTURE


class DenseNet(nn.Sequential):
    """Layers of neurons that each read all of the layer before, every one followed by a ReLU.

    Args:
        width: numbers read and neurons in each layer.
        depth: layers.

    Shapes: floats (n, width) in and out.

    Raises:
        ValueError: a width or depth that is no whole number from 1 up.
    """

    def __init__(self, width: int, depth: int = 1):
        if not all(isinstance(n, Integral) and n >= 1 for n in (width, depth)):
            raise ValueError(f"DenseNet needs whole numbers from 1 up, not a width of {width!r} and {depth!r} layers.")
        layers = ((nn.Linear(width, width), nn.ReLU(inplace=True)) for _ in range(depth))
        super().__init__(*(module for pair in layers for module in pair))


class DenseCats(nn.Sequential):
    """Tells a cat from a car and a bicycle by dense layers, which use each of their weights once for a picture.

    A convolution uses each of its weights at every place of the picture. Here the weights are most of what has to be
    moved, as in a language model, and a batch moves them once.

    Args:
        width: neurons in each of the two layers before the decision.

    Shapes: float pictures (n, 3, 32, 32) in, scores (n, 3) out.

    Raises:
        ValueError: a width that is no whole number from 1 up.
    """

    def __init__(self, width: int):
        if not isinstance(width, Integral) or width < 1:
            raise ValueError(f"DenseCats needs a whole width from 1 up, not {width!r}.")
        super().__init__(nn.Flatten(), nn.Linear(math.prod(PICTURE), width), nn.ReLU(inplace=True),
                         nn.Linear(width, width), nn.ReLU(inplace=True), nn.Linear(width, len(CLASSES)))
