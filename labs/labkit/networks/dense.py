"""The network of Lab 1.2: equal layers, one after the other."""

from __future__ import annotations

from numbers import Integral

from torch import nn


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
