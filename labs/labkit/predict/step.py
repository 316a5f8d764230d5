"""Time and memory of one inference and of one training step of the cat network.

On a calibrated machine the time is the sum of the layers' own times. Of a catalogue machine only the datasheet is
known, which gives an order of magnitude: each layer takes its arithmetic at the peak rate, or reading and writing
everything once at the peak bandwidth, whichever is longer (the roofline of Williams, Waterman and Patterson, 2009).
"""

from __future__ import annotations

from itertools import pairwise

from labkit.predict import roofline
from labkit.predict.layers import at_peak
from labkit.predict.operators import interpolate, layer_time
from labkit.specs import network
from labkit.specs.calibration import Calibration, Key

MODES = ("inference", "training step")
ADAM_MOMENTS = 2  # Kingma and Ba 2015, algorithm 1: a first and a second moment for each parameter


def seconds(calibration: Calibration, mode: str, width: int, batch: int) -> dict[str, float]:
    """Return the parts of a step's time in seconds on a calibrated machine.

    Args:
        calibration: what the machine's layers cost (`labkit.measure.probes.operators`).
        mode: one of `MODES`.
        width: channels after the first convolution.
        batch: pictures in the step.
    """
    layers = network.cats(width)
    inference = layer_by_layer(calibration, ("infer",), width, batch)
    if mode == "inference":
        return {"forward": inference}
    both = layer_by_layer(calibration, ("train",), width, batch)
    update = interpolate(calibration.curve("optimiser"), network.parameters(layers))
    return {"forward": min(inference, both), "backward": max(both - inference, 0.0), "optimiser": update}


def layer_by_layer(calibration: Calibration, prefix: Key, width: int, batch: int) -> float:
    """Return the seconds of all layers of the cat network, one after the other.

    Args:
        calibration: curves of single layers, by a prefix, the layer's kind and its channels.
        prefix: `("infer",)`, `("train",)`, or how else the layers were timed.
        width, batch: as in `seconds`.
    """
    return sum(layer_time(calibration.group(*prefix, layer.kind), layer.probed_channels, batch)
               for layer in network.cats(width))


def floor(flops: float, bandwidth: float, mode: str, width: int, batch: int,
          size: int = network.FLOAT) -> dict[str, float]:
    """Return the least seconds that the datasheet allows, split by what bounds each layer.

    Args:
        flops: peak rate in FLOP/s.
        bandwidth: peak memory bandwidth in bytes/s.
        size: bytes of a number that a layer reads or writes; the optimiser's have `network.FLOAT` at least.
    """
    layers = network.cats(width)
    passes = [1 if mode == "inference" else (3 if place else 2) for place in range(len(layers))]
    work = [*at_peak(layers, batch, flops, bandwidth, passes=passes, size=size)]
    if mode != "inference":  # the update reads weight, gradient and moments, and writes weight and moments
        touched = (1 + 1 + ADAM_MOMENTS) + (1 + ADAM_MOMENTS)
        work.append((0.0, touched * max(size, network.FLOAT) * network.parameters(layers) / bandwidth))
    return roofline.bounds(work)


def memory(mode: str, width: int, batch: int) -> dict[str, float]:
    """Return the parts of a step's peak memory in bytes.

    Inference keeps the weights, the pictures, and at most one layer's input and output. Training keeps every
    layer's output for the way back, plus a gradient and two moments for each weight; its peak comes either when the
    way back begins, or at its last layer, where the output and two gradients of its size are alive at once.
    """
    layers = network.cats(width)
    weights = network.FLOAT * network.parameters(layers)
    pictures = network.FLOAT * batch * layers[0].inputs
    outputs = [network.FLOAT * batch * layer.outputs for layer in layers]
    if mode == "inference":
        pairs = [a + b for a, b in pairwise(outputs)]
        return {"weights": weights, "pictures": pictures, "activations": max(pairs)}
    way_back = max(sum(outputs[:i]) + 3 * outputs[i] for i in range(len(outputs) - 1))
    return {
        "weights": weights,
        "gradients": weights,
        "optimiser": ADAM_MOMENTS * weights,
        "pictures": pictures,
        "activations": max(way_back, sum(outputs)),
    }
