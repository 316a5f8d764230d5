"""What data-parallel processes train: a network, its examples, and how many of them each process takes at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING

from labkit.inputs import whole
from labkit.specs.network import PICTURE

if TYPE_CHECKING:
    from torch import Tensor, nn

    from labkit.models.datasets.cats import Pictures

NETWORKS = ("cats", "dense")
_FLOAT = 4  # bytes of a 32-bit number
_COPIES = 5  # of each parameter: itself, its gradient, the gradient in a bucket, and Adam's two moments


@dataclass(frozen=True)
class Job:
    """What every process does in a step of training.

    Args:
        network: `"cats"`, the convolutions of Lab 1.3 on pictures, or `"dense"`, equal layers on random vectors.
        width: channels after the first convolution, or neurons in each dense layer.
        depth: dense layers; nothing to the cats.
        batch: examples in a step of one process.
        seed: of the weights at the start and of the order of the examples.
        pictures: how many pictures the processes share out in training.

    Raises:
        ValueError: a network that there is not, or a number that is no whole number from 1 up (the seed: from 0).
    """

    network: str = "cats"
    width: int = 16
    depth: int = 2
    batch: int = 64
    seed: int = 0
    pictures: int = 8192

    def __post_init__(self):
        if self.network not in NETWORKS:
            raise ValueError(f"There is no network {self.network!r}: choose one of {', '.join(NETWORKS)}.")
        whole(width=self.width, depth=self.depth, batch=self.batch, pictures=self.pictures)
        whole(seed=self.seed, least=0)

    def as_dict(self) -> dict:
        """Return the fields as numbers and words that go over JSON."""
        return asdict(self)

    def build(self) -> nn.Module:
        """Return the network with the weights that the seed gives it."""
        import torch

        torch.manual_seed(self.seed)
        return _network(self.network, self.width, self.depth)

    def parameters(self) -> int:
        """Return how many weights and biases the network has, without taking memory for them."""
        return _parameters(self.network, self.width, self.depth)

    def gradients(self) -> int:
        """Return the bytes of gradients that every step exchanges."""
        return _FLOAT * self.parameters()

    def memory(self) -> int:
        """Return about how many bytes one process needs for weights, gradients, the optimiser's state and inputs."""
        return _COPIES * self.gradients() + _FLOAT * self.batch * (math.prod(PICTURE) if self.network == "cats" else
                                                                   self.width * (self.depth + 1))

    def inputs(self, rank: int) -> tuple[Tensor, Tensor]:
        """Return one batch of random inputs and its labels, other ones for each rank: for timing steps."""
        import torch

        dice = torch.Generator().manual_seed(1000 * self.seed + rank)
        if self.network == "cats":
            return torch.rand(self.batch, *PICTURE, generator=dice), torch.randint(3, (self.batch,), generator=dice)
        return (torch.rand(self.batch, self.width, generator=dice),
                torch.randint(self.width, (self.batch,), generator=dice))

    def shown(self) -> tuple[Pictures, Pictures]:
        """Return the pictures to train on and 1,024 others to test on; the same for every seed and rank.

        Raises:
            ValueError: the dense network, which has none.
        """
        if self.network != "cats":
            raise ValueError("The dense network reads random vectors, from which nothing can be learned: train 'cats'.")
        from labkit.models.datasets import cats

        return cats.load(self.pictures, seed=1), cats.load(1024, seed=2)


def _network(name: str, width: int, depth: int) -> nn.Module:
    from labkit.models.networks.cats import CatNet
    from labkit.models.networks.dense import DenseNet

    return CatNet(width) if name == "cats" else DenseNet(width, depth)


@cache
def _parameters(name: str, width: int, depth: int) -> int:
    import torch

    with torch.device("meta"):
        return sum(parameter.numel() for parameter in _network(name, width, depth).parameters())


@dataclass(frozen=True)
class History:
    """What training did.

    Args:
        losses: of each step, the mean over all processes.
        accuracies: [steps done, share of the test pictures that are right] wherever it was looked.
        seconds: of the training, without that looking.
        samples: pictures seen by all processes together.
        weights: a digest of the weights of each rank at the end; equal where the weights are, bit by bit.
    """

    losses: list[float]
    accuracies: list[list[float]]
    seconds: float
    samples: int
    weights: list[str]

    @classmethod
    def of(cls, reports: Sequence[dict], batch: int) -> History:
        """Return the history from each rank's own report (`Worker.train`), of `batch` examples per rank and step."""
        losses = [sum(each) / len(reports) for each in zip(*(report["losses"] for report in reports), strict=True)]
        return cls(losses, reports[0]["accuracies"], reports[0]["seconds"], len(losses) * batch * len(reports),
                   [report["weights"] for report in reports])
