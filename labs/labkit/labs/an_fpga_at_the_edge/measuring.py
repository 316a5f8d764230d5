"""What Lab 4.5 measures: a network in whole numbers, its circuit simulated and placed, and the network on the CPU."""

from __future__ import annotations

import ast
import tempfile
import textwrap
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

from labkit import device as devices
from labkit import effort
from labkit.experiment import Unavailable
from labkit.fpga import toolchain
from labkit.labs.common import Tail
from labkit.models import training
from labkit.models.datasets import cats
from labkit.models.networks import whole_numbers
from labkit.models.networks.cats import as_input
from labkit.runtimes import onnx_export
from labkit.specs.fpga import CLASSES, Circuit

SIDE, HIDDEN = 8, 16  # of a picture, and neurons
CPU = torch.device("cpu")


def shrunk(images: torch.Tensor, side: int = SIDE) -> torch.Tensor:
    """Return byte pictures (n, 3, 32, 32) as bytes (n, 3, side, side): each pixel the mean of some."""
    return nn.functional.avg_pool2d(images.float(), images.shape[-1] // side).round().byte()


@dataclass(frozen=True)
class Trained:
    """A network that tells cats from cars and bicycles by small pictures.

    Args:
        network: in floats, of dense layers.
        layers: the same in whole numbers.
        pictures: int8 (n, inputs), that it has not seen.
        truth: int64 (n,), what they show.
        right: the share of right answers of the network in floats, 0 to 1.
    """

    network: nn.Sequential
    layers: list[whole_numbers.Layer]
    pictures: np.ndarray
    truth: np.ndarray
    right: float

    @property
    def whole_right(self) -> float:
        """The share of right answers in whole numbers."""
        return float((whole_numbers.scores(self.layers, self.pictures).argmax(1) == self.truth).mean())


def train() -> Trained:
    """Train the network on the processor, within the time of the effort that holds now."""
    count, seconds = effort.pick(quick=(8_192, 6.0), usual=(16_384, 20.0), long=(32_768, 60.0))
    seen, unseen = cats.load(count, seconds=seconds), cats.load(2_000, seed=1)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE**2, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, CLASSES))
    small, asked = shrunk(seen.images), shrunk(unseen.images)
    with devices.threads(1):  # steps this small are over before a second thread has begun
        training.train(network, small, seen.labels, epochs=effort.pick(quick=20, usual=30, long=40), device=CPU,
                       seconds=seconds)
    with torch.no_grad():
        right = float((network.eval()(as_input(asked)).argmax(1) == unseen.truth).float().mean())
    layers = whole_numbers.quantised(network, whole_numbers.as_bytes(small[:2_000].numpy()))
    return Trained(network, layers, whole_numbers.as_bytes(asked.numpy()), unseen.truth.numpy(), right)


def source(name: str) -> str:
    """Return the text of a class of the circuit, or of a method as `Class.method`; Amaranth need not be there."""
    text = Path(toolchain.__file__).with_name("classifier.py").read_text("utf-8")
    node = ast.parse(text)
    for part in name.split("."):
        node = next(child for child in node.body if getattr(child, "name", "") == part)
    return textwrap.dedent(ast.get_source_segment(text, node, padded=True))


class Bench:
    """Places circuits on parts, and keeps what came out.

    Args:
        layers: of a trained network, for circuits of its size; others are of any weights, which changes some cells in
            a hundred.
    """

    def __init__(self, layers: list[whole_numbers.Layer] | None = None):
        self._layers = layers
        self.placed = cache(self._place)

    def layers(self, circuit: Circuit) -> list[whole_numbers.Layer]:
        """Return the layers of a circuit."""
        drawn = whole_numbers.drawn((circuit.hidden, circuit.inputs), (circuit.classes, circuit.hidden))
        shapes = [[layer.weights.shape for layer in layers] for layers in (self._layers or (), drawn)]
        return self._layers if shapes[0] == shapes[1] else drawn

    def _place(self, circuit: Circuit, part: str) -> toolchain.Placed | Unavailable:
        if reason := toolchain.missing():
            return Unavailable(reason)
        if effort.current() == effort.QUICK and not toolchain.warm():
            return Unavailable("The tools have to be compiled before their first use on a computer, which takes a "
                               "minute or two. Quick effort leaves that out; usual effort does it, once.")
        from labkit.fpga.classifier import Classifier
        from labkit.fpga.simulation import text

        return toolchain.place(text(Classifier(self.layers(circuit), circuit.lanes)), part,
                               limit=effort.pick(quick=40, usual=150, long=600))

    def simulated(self, circuit: Circuit, pictures: np.ndarray) -> tuple[list[int], list[int]] | Unavailable:
        """Return the answers of a circuit to pictures, int8 (n, inputs), and the cycles of each, in simulation."""
        if reason := toolchain.missing(("amaranth",)):
            return Unavailable(reason)
        from labkit.fpga.classifier import Classifier
        from labkit.fpga.simulation import simulate

        return simulate(Classifier(self.layers(circuit), circuit.lanes), pictures)


def on_the_cpu(network: nn.Sequential) -> Tail:
    """Clock answers of the network in ONNX Runtime on one thread, one right after the other, as the effort asks for."""
    from labkit.measure.probes import latency

    count, limit = effort.pick(quick=(3_000, 3.0), usual=(20_000, 8.0), long=(100_000, 30.0))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    picture = np.zeros((1, 3, SIDE, SIDE), np.float32)
    with tempfile.TemporaryDirectory() as folder, devices.threads(1):
        path = onnx_export.write(network, Path(folder) / "small-cats.onnx", SIDE)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return Tail(latency.each(lambda: session.run(None, {"pictures": picture}), count, limit=limit))
