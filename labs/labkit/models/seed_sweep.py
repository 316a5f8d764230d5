"""Small trainings that differ in their numbers only: same pictures, same first weights, same order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor, nn

from labkit import device as devices
from labkit.inputs import whole
from labkit.models import autocast, training
from labkit.models.datasets.cats import Pictures
from labkit.models.evaluation import evaluate
from labkit.models.networks.cats import CatNet, as_input
from labkit.models.networks.quantised import weighted
from labkit.models.networks.rounded import Rounded
from labkit.progress import report
from labkit.specs.number_format import Format

SCALE = 2.0**10  # of the loss at the beginning; the framework's scaler halves it wherever a gradient overflows
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Recipe:
    """How the numbers of a training are kept.

    Args:
        number_format: one of `labkit.models.autocast.DTYPES`, in which the processor computes, or one that is emulated.
        gradients: the format of the gradients where that is another; emulated only.
        master: whether the optimiser changes weights of 32 bits, and not the rounded ones; emulated only.
        scaled: whether the loss is scaled.
    """

    number_format: str | Format
    gradients: Format | None = None
    master: bool = True
    scaled: bool = False

    def apply_to(self, network: nn.Sequential) -> nn.Module:
        """Return a network that keeps its numbers so; the parameters are shared."""
        if isinstance(self.number_format, str):
            return autocast.Autocast(network, self.number_format)
        return Rounded(network, self.number_format, gradients=self.gradients, master=self.master)


def sweep_seeds(recipes: Mapping[str, Recipe], seeds: int, pictures: Pictures, unseen: Pictures, *, width: int = 8,
           epochs: int = 2, batch: int = 64, lr: float = 4e-3,
                seconds: float = math.inf) -> dict[str, list[float]]:
    """Train a cat network on the processor by some recipes, and return for each the shares of right answers by seed.

    Every training has one thread, so that its sums have one order however many processors there are.

    Args:
        recipes: how the numbers are kept, by name.
        seeds: how many trainings for each; a seed decides the first weights and the order of the pictures.
        pictures: to learn from.
        unseen: others.
        width, epochs, batch, lr: as in `labkit.models.training.train`.
        seconds: no training is begun that would not end within them, but the first: then there are fewer seeds, and
            perhaps none for the last recipes.

    Raises:
        ValueError: a number of seeds that is no whole number from 1 up; and as `train`.
    """
    whole(seeds=seeds)
    found, longest, begin = {name: [] for name in recipes}, 0.0, perf_counter()
    with devices.threads(1):
        for seed in range(seeds):
            for done, (name, recipe) in enumerate(recipes.items()):
                report((seed + done / len(recipes)) / seeds, f"Training in {name}")
                start = perf_counter()
                if longest and start - begin + longest > seconds:
                    return found
                network = recipe.apply_to(_fresh(width, seed))
                scaler = torch.amp.GradScaler("cpu", init_scale=SCALE) if recipe.scaled else None
                training.train(network, pictures.images, pictures.labels, epochs=epochs, batch=batch, lr=lr,
                               seed=seed, device=CPU, scaler=scaler)
                found[name].append(evaluate(network, unseen).accuracy)
                longest = max(longest, perf_counter() - start)
    return found


def _fresh(width, seed) -> CatNet:
    torch.manual_seed(seed)
    return CatNet(width)


def magnitudes(pictures: Pictures, *, width: int = 8, batch: int = 64, lr: float = 4e-3,
               seed: int = 0) -> tuple[dict[int, int], dict[int, int]]:
    """Return how large the numbers are that a training in fp32 works with, once it has seen its pictures.

    Returns:
        How many gradients, of activations and of weights, there are by power of two, rounded down; and the same for
        what one more step adds to a weight, as a fraction of the weight.
    """
    network, slopes = _fresh(width, seed), []
    adam = training.optimiser(network, lr)

    def watch(layer, read, written):
        written.register_hook(slopes.append)

    with devices.threads(1):
        for some, labels in zip(pictures.images.split(batch), pictures.labels.split(batch), strict=True):
            training.step(network, adam, as_input(some), labels)
        before = [weights.detach().clone() for weights in network.parameters()]
        for layer in filter(weighted, network):
            layer.register_forward_hook(watch)
        training.step(network, adam, as_input(pictures.images[:batch]), pictures.labels[:batch])
    slopes += [weights.grad for weights in network.parameters()]
    changes = [(after - old) / old for after, old in zip(network.parameters(), before, strict=True)]
    return _powers(slopes), _powers(changes)


def _powers(numbers: Sequence[Tensor]) -> dict[int, int]:
    every = torch.cat([some.detach().flatten() for some in numbers])
    every = every[every.isfinite() & (every != 0)]
    powers, counts = (torch.frexp(every).exponent - 1).unique(return_counts=True)
    return dict(zip(powers.tolist(), counts.tolist(), strict=True))
