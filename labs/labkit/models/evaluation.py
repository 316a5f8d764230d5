"""What a classifier makes of pictures: how many it gets right, what it takes the others for, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from labkit.models.datasets.cats import CLASSES, Pictures
from labkit.models.training import probabilities


@dataclass(frozen=True)
class Predictions:
    """A network's answers on some pictures.

    Args:
        pictures: what it saw, n of them.
        answers: int64 (n,), the class that it finds most probable.
        confidence: float (n,), that class's probability.
    """

    pictures: Pictures
    answers: Tensor
    confidence: Tensor

    @property
    def right(self) -> Tensor:
        """Bool (n,): whether the answer is what the picture shows."""
        return self.answers == self.pictures.truth

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return float(self.right.double().mean())

    def taken_for(self) -> list[int]:
        """Return how many pictures each class of `CLASSES` was the answer for."""
        return torch.bincount(self.answers, minlength=len(CLASSES)).tolist()

    def worst(self, count: int) -> Predictions:
        """Return the `count` wrong answers that the network was surest of, or all where there are fewer."""
        wrong = (~self.right).nonzero().squeeze(1)
        return self.only(wrong[self.confidence[wrong].argsort(descending=True)][:count])

    def only(self, chosen: Tensor) -> Predictions:
        """Return the answers on the pictures at these indices."""
        return Predictions(self.pictures[chosen], self.answers[chosen], self.confidence[chosen])


def evaluate(network: nn.Module, pictures: Pictures) -> Predictions:
    """Show pictures to a network."""
    confidence, answers = probabilities(network, pictures.images).max(1)
    return Predictions(pictures, answers, confidence)
