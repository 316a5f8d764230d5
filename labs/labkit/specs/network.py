"""What a network costs, counted from its shape: parameters, operations and bytes.

A network is a list of layers, whether it is one neuron or tells cats from cars. A test holds every count to the
framework's own counters. A multiplication and an addition count as two operations (FLOP).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labkit.inputs import whole

FLOAT = 4  # bytes of a 32-bit floating-point number (IEEE 754)
RESNET_50_FLOP, RESNET_50_PARAMETERS = 8.2e9, 25.6e6  # of one answer (Reddi et al. 2020, table I)
CLASS_NAMES = ("cat", "car", "bicycle")  # what the cat network tells apart, in the order of its scores
COLOURS, CLASSES = 3, len(CLASS_NAMES)  # what it reads at each point, and how many it tells apart
SIDE = 32  # of the pictures that it reads, in points
PICTURE = (COLOURS, SIDE, SIDE)  # the shape of one


@dataclass(frozen=True)
class Layer:
    """One layer with weights, and the activation after it.

    Args:
        kind: `"dense"`, or `"conv32"` for a convolution that reads a picture of side 32, and so on.
        channels: its in-channels and its out-channels; a dense layer has one for each number.
        inputs, outputs: numbers in its input and output, for one example.
        parameters: weights and biases.
        flop: operations of one forward pass over one example. Biases and activations are left out.
        relu: whether a ReLU follows: what is negative becomes zero.
    """

    kind: str
    channels: tuple[int, int]
    inputs: int
    outputs: int
    parameters: int
    flop: int
    relu: bool = True

    @property
    def probed_channels(self) -> int:
        """The channels by which the time of such a layer is calibrated."""
        return probed_channels(self.kind, *self.channels)

    def bytes_moved(self, batch: int = 1) -> int:
        """Return the bytes of a forward pass that reads weights and input once, and writes the output once."""
        return FLOAT * (self.parameters + batch * (self.inputs + self.outputs))


def probed_channels(kind: str, in_channels: int, out_channels: int) -> int:
    """Return the channels by which a layer's time is calibrated: its in-channels; of the first, which reads colours,
    its out-channels.
    """
    return out_channels if kind == "conv32" else in_channels


def dense(inputs: int, neurons: int, *, relu: bool = True) -> Layer:
    """Return a layer of `neurons` that all read the same numbers; one neuron is a layer of 1.

    Raises:
        ValueError: a size that is no whole number from 1 up. So do all functions here.
    """
    whole(inputs=inputs, neurons=neurons)
    return Layer("dense", (inputs, neurons), inputs, neurons, neurons * (inputs + 1), 2 * inputs * neurons, relu)


def convolution(in_channels: int, out_channels: int, side: int) -> Layer:
    """Return a convolution: 3 × 3 neighbours of every second point of a square picture.

    Args:
        in_channels, out_channels: colours or features of a point.
        side: of the picture that it reads, in points; zeros are put around it.
    """
    whole(in_channels=in_channels, out_channels=out_channels, side=side)
    after = (side + 1) // 2
    return Layer(
        kind=f"conv{side}",
        channels=(in_channels, out_channels),
        inputs=in_channels * side**2,
        outputs=out_channels * after**2,
        parameters=out_channels * (9 * in_channels + 1),
        flop=2 * 9 * in_channels * out_channels * after**2,
    )


def deep(width: int, depth: int) -> list[Layer]:
    """Return `depth` dense layers of `width` neurons, which read `width` numbers: `models.networks.dense`."""
    whole(width=width, depth=depth)
    return [dense(width, width)] * depth


def cats(width: int, size: int = SIDE) -> list[Layer]:
    """Return the layers of `models.networks.cats.CatNet` for a `width` in channels and a picture `size` in pixels."""
    whole(width=width, size=size)
    channels = (COLOURS, width, 2 * width, 4 * width)
    found = [convolution(channels[i], channels[i + 1], size // 2**i) for i in range(3)]
    return [*found, dense(found[-1].outputs, CLASSES, relu=False)]


def parameters(layers: Sequence[Layer]) -> int:
    """Return how many numbers the network learns."""
    return sum(layer.parameters for layer in layers)


def forward_flop(layers: Sequence[Layer], batch: int = 1) -> int:
    """Return the operations of one inference."""
    whole(batch=batch)
    return batch * sum(layer.flop for layer in layers)


def training_flop(layers: Sequence[Layer], batch: int = 1) -> int:
    """Return the operations of one training step.

    Every layer runs forward, and backward for its weights and for its input; the first needs no gradient of the
    data. The optimiser's few operations per parameter are left out.
    """
    return 3 * forward_flop(layers, batch) - batch * layers[0].flop


def bytes_moved(layers: Sequence[Layer], batch: int = 1) -> int:
    """Return the bytes that one inference reads and writes, layer by layer."""
    whole(batch=batch)
    return sum(layer.bytes_moved(batch) for layer in layers)


def working_set(layers: Sequence[Layer], batch: int = 1) -> int:
    """Return the bytes that one inference has in use: all weights, and the largest pair of a layer's input and output.
    """
    whole(batch=batch)
    return FLOAT * (parameters(layers) + batch * max(layer.inputs + layer.outputs for layer in layers))


def saved_activations(layers: Sequence[Layer], batch: int = 1) -> int:
    """Return the bytes that a forward pass keeps for the way back, beside the weights.

    Every layer keeps its input, which the gradient of its weights needs, and a ReLU keeps its output, which the
    next layer reads: so only the last one's is counted on top.
    """
    whole(batch=batch)
    last = layers[-1].outputs if layers[-1].relu else 0
    return FLOAT * batch * (sum(layer.inputs for layer in layers) + last)


def counts(layers: Sequence[Layer], batch: int = 1) -> dict[str, int]:
    """Return every count by name, as `labkit.models.counters.count` returns the framework's."""
    return {
        "parameters": parameters(layers),
        "bytes of parameters": FLOAT * parameters(layers),
        "operations": forward_flop(layers, batch),
        "operations in training": training_flop(layers, batch),
        "bytes moved": bytes_moved(layers, batch),
        "bytes saved": saved_activations(layers, batch),
    }


def payload(width: int, cut: int) -> int:
    """Return the bytes that travel for a picture when the first `cut` layers of the cat network run elsewhere.

    A picture has a byte for each number, what a layer writes has a 32-bit float; after all layers nothing is sent.
    """
    layers = cats(width)
    if cut == 0:
        return layers[0].inputs
    return FLOAT * layers[cut - 1].outputs if cut < len(layers) else 0
