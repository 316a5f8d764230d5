"""What one dense layer costs on this machine, timed alone, in the framework that will run it.

In a network a layer does not always find its weights where it left them: meanwhile the other layers had their turn,
and have pushed them out of the caches if all weights together do not fit. So each layer is timed twice, with the same
weights again and again (near), and with many copies in turn, whose weights have to come from memory (far).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle

import torch

from labkit import device as devices
from labkit.models.networks.dense import DenseNet
from labkit.progress import report
from labkit.specs.calibration import Calibration
from labkit.timing import clock
from labkit.timing.drift import DriftCorrected, thinned, timed

SECONDS = 9  # about how long it takes
WIDTHS = (64, 128, 256, 512, 1024, 2048)
FAR_WIDTHS = WIDTHS[2:]  # the weights of smaller ones stay near, unless there are hundreds of layers
BATCHES = (1, 2, 8, 16, 32, 128, 512)
SETS = tuple(n * 2**20 for n in (1, 2, 4, 8, 12, 16, 24, 32, 128))  # bytes of weights used in turn
KEYS = (*(("near", width) for width in WIDTHS), *((place, width) for width in FAR_WIDTHS for place in ("far", "climb")))
LARGEST = 1.5e9  # FLOP of a layer: more would take seconds on a small machine
_REFERENCE = (256, 64)  # width and batch of the layer that tells how fast the machine runs at the moment
_BUDGET = 0.05


def calibrate(device: torch.device) -> Calibration:
    """Time one layer and its ReLU.

    Returns:
        `("near", 256)` and `("far", 256)`, by width: seconds of an inference; the work is the batch. `("climb", 256)`:
        seconds for a batch of 1; the work is the bytes of the weights that are used in turn, from one layer's on.
    """
    devices.settle()
    corrected = DriftCorrected(reference(device), budget=_BUDGET, seconds=SECONDS)
    curves = {}
    for done, width in enumerate(WIDTHS):
        report(done / len(WIDTHS), f"Calibrating: layers of {width} neurons")
        batches, one = [batch for batch in thinned(BATCHES) if 2 * batch * width**2 <= LARGEST], 4 * width**2
        layers = [DenseNet(width).to(device) for _ in range(SETS[-1] // one if width in FAR_WIDTHS else 1)]

        def seconds(count, batch, width=width, layers=layers):
            return corrected(_sampler(layers[:count], width, batch, device))

        near = curves["near", width] = [[batch, seconds(1, batch)] for batch in batches]
        if len(layers) > 1:
            climb = [[size, seconds(size // one, 1)] for size in thinned(SETS) if size >= 2 * one]
            curves["climb", width] = [[one, near[0][1]], *climb]
            curves["far", width] = [[1, climb[-1][1]], *([batch, seconds(None, batch)] for batch in batches[1:])]
    return corrected.calibration(curves)


def reference(device: torch.device) -> Callable[[], float]:
    """Return a sampler of the layer that every other is timed beside."""
    width, batch = _REFERENCE
    return _sampler([DenseNet(width).to(device)], width, batch, device)


def seconds(width: int, depth: int, batch: int, *, reference_seconds: float,
            budget: float = 0.4) -> tuple[clock.Timing, float]:
    """Time one inference of a whole network in turn with the reference kernel, by `labkit.timing.drift.timed`.

    Args:
        width, depth: of a `labkit.models.networks.dense.DenseNet`.
        batch: examples.
        reference_seconds: seconds that the reference kernel took when the machine was calibrated.
        budget: seconds to spend.
    """
    device = devices.best()
    devices.settle()
    network = _sampler([DenseNet(width, depth).to(device)], width, batch, device)
    return timed(network, reference(device), reference_seconds, budget)


def _sampler(networks, width, batch, device):
    """Return a sampler of an inference, by the next network at each call."""
    data, turns = torch.rand(batch, width, device=device), cycle(networks)

    sample = clock.sampler(lambda: next(turns)(data), devices.sync(device))
    return torch.inference_mode()(sample)
