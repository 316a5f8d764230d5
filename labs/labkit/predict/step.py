"""Time and memory of one inference and of one training step of the cat network.

On a calibrated machine the time is the sum of the layers' own times. Of a catalogue machine only the datasheet is
known, which gives an order of magnitude: each layer takes its arithmetic at the peak rate, or reading and writing
everything once at the peak bandwidth, whichever is longer (the roofline of Williams, Waterman and Patterson, 2009).
"""

from __future__ import annotations

from itertools import pairwise

from labkit.predict import roofline
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
    return sum(layer_time(calibration.group(*prefix, layer.kind), _channels(layer), batch)
               for layer in network.cats(width))


def _channels(layer: network.Layer) -> int:
    """What a layer's cost depends on: the first, which reads the colours, is known by the channels that it writes."""
    read, written = layer.channels
    return written if layer.kind == "conv32" else read


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
    work = [(n * batch * layer.flop / flops, n * layer.moved(batch) * size / network.FLOAT / bandwidth)
            for n, layer in zip(passes, layers, strict=True)]
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
