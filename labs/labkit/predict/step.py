"""Time and memory of one inference and of one training step of the cat network.

On a calibrated machine the time is the sum of the layers' own times. Of a catalogue machine only the datasheet is
known, which gives an order of magnitude: each layer takes its arithmetic at the peak rate, or reading and writing
everything once at the peak bandwidth, whichever is longer (the roofline of Williams, Waterman and Patterson, 2009).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from labkit.predict import network
from labkit.predict.operators import along, operation

MODES = ("inference", "training step")
ADAM_MOMENTS = 2  # Kingma and Ba 2015, algorithm 1: a first and a second moment for each parameter


def seconds(operators: Mapping, mode: str, width: int, batch: int) -> dict[str, float]:
    """Return the parts of a step's time in seconds on a calibrated machine.

    Args:
        operators: the machine's own costs (`Machine.operators`).
        mode: one of `MODES`.
        width: channels after the first convolution.
        batch: pictures in the step.
    """
    layers = network.layers(width)
    forward = sum(operation(operators["infer"][layer.kind], layer.channels, batch) for layer in layers)
    if mode == "inference":
        return {"forward": forward}
    both = sum(operation(operators["train"][layer.kind], layer.channels, batch) for layer in layers)
    update = along(operators["optimiser"], network.parameters(width))
    return {"forward": min(forward, both), "backward": max(both - forward, 0.0), "optimiser": update}


def floor(flops: float, bandwidth: float, mode: str, width: int, batch: int) -> dict[str, float]:
    """Return the least seconds that the datasheet allows, split by what bounds each layer.

    Args:
        flops: peak rate in FLOP/s.
        bandwidth: peak memory bandwidth in bytes/s.
    """
    bound = {"arithmetic": 0.0, "memory traffic": 0.0}
    for first, layer in enumerate(network.layers(width)):
        passes = 1 if mode == "inference" else (3 if first else 2)
        arithmetic = passes * batch * layer.flop / flops
        traffic = passes * network.FLOAT * (batch * (layer.read + layer.written) + layer.parameters) / bandwidth
        bound["arithmetic" if arithmetic >= traffic else "memory traffic"] += max(arithmetic, traffic)
    if mode != "inference":  # the update reads weight, gradient and moments, and writes weight and moments
        touched = (1 + 1 + ADAM_MOMENTS) + (1 + ADAM_MOMENTS)
        bound["memory traffic"] += touched * network.FLOAT * network.parameters(width) / bandwidth
    return bound


def memory(mode: str, width: int, batch: int) -> dict[str, float]:
    """Return the parts of a step's peak memory in bytes.

    Inference keeps the weights, the pictures, and at most one layer's input and output. Training keeps every
    layer's output for the way back, plus a gradient and two moments for each weight; its peak comes either when the
    way back begins, or at its last layer, where the output and two gradients of its size are alive at once.
    """
    layers = network.layers(width)
    weights = network.FLOAT * network.parameters(width)
    pictures = network.FLOAT * batch * layers[0].read
    written = [network.FLOAT * batch * layer.written for layer in layers]
    if mode == "inference":
        pairs = [a + b for a, b in pairwise(written)]
        return {"weights": weights, "pictures": pictures, "activations": max(pairs)}
    kept = max(sum(written[:i]) + 3 * written[i] for i in range(len(written) - 1))
    return {
        "weights": weights,
        "gradients": weights,
        "optimiser": ADAM_MOMENTS * weights,
        "pictures": pictures,
        "activations": max(kept, sum(written)),
    }
