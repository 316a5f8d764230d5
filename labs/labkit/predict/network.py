"""What the cat network costs, counted from its shape: parameters, operations and bytes.

The counts follow the layers of `labkit.networks.cats.CatNet`; a test holds them to the framework's own counters.
A multiplication and an addition count as two operations (FLOP).
"""

from __future__ import annotations

from dataclasses import dataclass

FLOAT = 4  # bytes of a 32-bit floating-point number (IEEE 754)
CLASSES = 3


@dataclass(frozen=True)
class Layer:
    """One layer with weights.

    Args:
        kind: `"conv32"` for a convolution that reads a picture of side 32, and so on; `"dense"` for the last layer.
        channels: what its cost depends on: channels written by the first layer, which reads the colours, and
            channels (or features) read by every other.
        read, written: numbers in its input and output, for one picture.
        parameters: weights and biases.
        flop: operations of one forward pass over one picture.
    """

    kind: str
    channels: int
    read: int
    written: int
    parameters: int
    flop: int


def layers(width: int, size: int = 32) -> list[Layer]:
    """Return the cat network's layers for a `width` in channels and a picture `size` in pixels."""
    found, channels, side = [], 3, size
    for outputs in (width, 2 * width, 4 * width):
        after = side // 2
        found.append(Layer(
            kind=f"conv{side}",
            channels=outputs if not found else channels,
            read=channels * side**2,
            written=outputs * after**2,
            parameters=outputs * (9 * channels + 1),
            flop=2 * 9 * channels * outputs * after**2,
        ))
        channels, side = outputs, after
    features = channels * side**2
    dense = Layer("dense", features, features, CLASSES, CLASSES * (features + 1), 2 * features * CLASSES)
    return [*found, dense]


def parameters(width: int, size: int = 32) -> int:
    """Return how many numbers the network learns."""
    return sum(layer.parameters for layer in layers(width, size))


def forward_flop(width: int, batch: int = 1, size: int = 32) -> int:
    """Return the operations of one inference."""
    return batch * sum(layer.flop for layer in layers(width, size))


def training_flop(width: int, batch: int = 1, size: int = 32) -> int:
    """Return the operations of one training step.

    Every layer runs forward, and backward for its weights and for its input; the first needs no gradient of the
    picture. The optimiser's few operations per parameter are left out.
    """
    first, *rest = layers(width, size)
    return batch * (2 * first.flop + 3 * sum(layer.flop for layer in rest))
