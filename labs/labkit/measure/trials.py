"""Small trainings that differ in their numbers only: same pictures, same first weights, same order."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from labkit.datasets.cats import Pictures
from labkit.measure import device as devices
from labkit.measure import formats, training
from labkit.measure.recognition import look
from labkit.networks.cats import CatNet, as_input
from labkit.networks.rounded import Rounded
from labkit.predict.formats import Format

SCALE = 2.0**10  # of the loss at the beginning; the framework's scaler halves it wherever a gradient overflows
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Way:
    """How the numbers of a training are kept.

    Args:
        form: a format of `labkit.measure.formats.FORMS`, which the processor computes in, or one that is emulated.
        gradients: the format of the gradients where that is another; emulated only.
        master: whether the optimiser changes weights of 32 bits, and not the rounded ones; emulated only.
        scaled: whether the loss is scaled.
    """

    form: str | Format
    gradients: Format | None = None
    master: bool = True
    scaled: bool = False

    def dress(self, network: nn.Sequential) -> nn.Module:
        """Return a network that keeps its numbers this way; the parameters are shared."""
        if isinstance(self.form, str):
            return formats.InFormat(network, self.form)
        return Rounded(network, self.form, gradients=self.gradients, master=self.master)


def trial(way: Way, seed: int, pictures: Pictures, unseen: Pictures, *, width: int = 8, epochs: int = 2,
          batch: int = 64, rate: float = 4e-3) -> float:
    """Train a cat network on the processor, on one thread, and return its share of right answers on `unseen`.

    Args:
        way: how its numbers are kept.
        seed: of the first weights and of the order of the pictures.
        pictures: to learn from.
        unseen: others.
        width, epochs, batch, rate: as in `labkit.measure.training.train`.
    """
    torch.manual_seed(seed)
    network = way.dress(CatNet(width))
    scaler = torch.amp.GradScaler("cpu", init_scale=SCALE) if way.scaled else None
    with devices.threads(1):  # sums in the same order on every machine
        training.train(network, pictures.images, pictures.labels, epochs=epochs, batch=batch, rate=rate, seed=seed,
                       device=CPU, scaler=scaler)
        return look(network, unseen).accuracy
