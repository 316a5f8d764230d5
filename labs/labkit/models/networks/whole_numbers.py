"""Dense networks in whole numbers alone, as a small circuit computes them: the model that the circuit has to equal.

Activations and weights are bytes, sums are whole. What leaves a hidden layer is divided by a power of two, which a
circuit has for nothing, and cut off at 0 and 127: rounding and ReLU in one (Jacob et al. 2018,
doi:10.1109/CVPR.2018.00286, with their scales held to powers of two). A bias is the weight of an input that is always
`ONE`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

ONE = 127  # the input whose weight is the bias; a byte's largest


@dataclass(frozen=True)
class Layer:
    """A dense layer.

    Args:
        weights: bytes (neurons, inputs + 1), the biases last.
        shift: bits by which its sums are divided, 1 or more; 0 for the last layer, whose sums are the scores.
    """

    weights: np.ndarray
    shift: int = 0


def scores(layers: Sequence[Layer], pictures: np.ndarray) -> np.ndarray:
    """Return the scores (n, classes) of pictures (n, inputs), whole numbers from -128 to 127."""
    values = pictures.astype(np.int64)
    for layer in layers:
        ones = np.full((len(values), 1), ONE)
        values = np.hstack([values, ones]) @ layer.weights.T.astype(np.int64)
        if layer.shift:
            values = ((values + (1 << (layer.shift - 1))) >> layer.shift).clip(0, ONE)
    return values


def quantised(network: nn.Sequential, inputs: np.ndarray) -> list[Layer]:
    """Return the whole-number version of a network of dense layers with a ReLU after each but the last.

    Args:
        network: reads floats from -1 to 1.
        inputs: bytes (n, inputs) from -128 to 127 that show how large activations get; 127 stands for 1.
    """
    dense = [module for module in network if isinstance(module, nn.Linear)]
    layers, scale, values = [], 1 / ONE, inputs.astype(np.float64) / ONE
    for place, module in enumerate(dense):
        with torch.no_grad():
            weights = torch.cat([module.weight, module.bias[:, None] / (scale * ONE)], 1).double().numpy()
        values = np.hstack([values, np.full((len(values), 1), scale * ONE)]) @ weights.T
        step = np.abs(weights).max() / ONE
        whole = np.clip(np.rint(weights / step), -ONE, ONE).astype(np.int8)
        if place == len(dense) - 1:
            return [*layers, Layer(whole)]
        values = np.maximum(values, 0)
        shift = max(1, math.ceil(math.log2(max(values.max(), 1e-9) / (ONE * scale * step))))
        layers.append(Layer(whole, shift))
        scale *= step * 2**shift
    raise ValueError("There is no dense layer in the network.")


def drawn(*sizes: tuple[int, int]) -> list[Layer]:
    """Return layers of any weights, for what depends on sizes alone; a size is neurons and inputs, in order."""
    dice = np.random.default_rng(0)
    return [Layer(dice.integers(-ONE, ONE + 1, (neurons, inputs + 1)).astype(np.int8), 11 * (place < len(sizes) - 1))
            for place, (neurons, inputs) in enumerate(sizes)]


def as_bytes(images: np.ndarray) -> np.ndarray:
    """Return byte pictures (n, …), 0 to 255, as the network reads them: int8 (n, inputs)."""
    return (images.reshape(len(images), -1).astype(np.int16) - 128).astype(np.int8)


def noise(count: int, inputs: int) -> np.ndarray:
    """Return byte pictures (count, inputs) of noise, uint8."""
    return np.random.default_rng(1).integers(0, 256, (count, inputs), np.uint8)
