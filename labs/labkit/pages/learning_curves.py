"""What more data and cleaner data are worth: published laws, a prediction for any task, and pictures with wrong labels.

Only `more` is a prediction without a lab. `Pool` measures, with a network of which only the last layer learns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labkit.experiment import Axis, Experiment, Outcome, Unavailable
from labkit.models import random_features
from labkit.models.datasets import cats
from labkit.predict import compute_optimal
from labkit.predict.learning_curve import PowerLaw, more_data
from labkit.units import quantity

# Loss of a language model in nats a token against the tokens it learns from, the model never too small.
KAPLAN = PowerLaw(scale=5.4e13**0.095, exponent=0.095)  # Kaplan et al. 2020, equation 1.2
HOFFMANN, REFITTED = (PowerLaw(scale=law.B, exponent=law.b, floor=law.E)  # Hoffmann et al. 2022, equation 10
                      for law in (compute_optimal.PUBLISHED, compute_optimal.REFITTED))
FLATTEST, STEEPEST = 0.07, 0.35  # Hestness et al. 2017, over translation, language, pictures and speech
NOW = (2, 5, 10, 20, 40)
LESS = (0.2, 0.5, 1, 2, 3, 5, 10)
FLOORS = (0, 25, 50, 75)  # % of the error now
EXPONENTS = (FLATTEST, 0.1, 0.14, 0.2, 0.28, STEEPEST, 0.5)
MOST = 1e6  # times as much data: beyond what anybody gathers


def more() -> Experiment:
    """Return the experiment on how many times as much data an error that is lower by some points takes."""

    def predict(less, now, exponent, floor):
        least = now * floor / 100
        if now - less <= least:
            return Unavailable(f"From {quantity(now, '%')}, {less:g} points less is not above {quantity(least, '%')}, "
                               f"where {floor} % of today's error stays: no amount of such data does it.")
        factor = more_data(now, now - less, exponent, least)
        if factor > MOST:
            return Unavailable(f"Of {quantity(now, '%')}, {less:g} points less take more than a million times as much "
                               f"data, at an exponent of {exponent} with {floor} % that stay.")
        return Outcome(factor, "times", note=f"From {quantity(now, '%')} to {quantity(now - less, '%')} wrong.")

    return Experiment(
        title="Data for a lower error",
        quantity="Data, of today's",
        unit="times",
        axes=[
            Axis("less", "Less error", LESS, start=1, unit="points", log=True),
            Axis("now", "Error now", NOW, start=10, unit="%", log=True),
            Axis("exponent", "Exponent of the task", EXPONENTS, start=0.2, log=True),
            Axis("floor", "Of that, data cannot take away", FLOORS, unit="%"),
        ],
        predict=predict,
        readout="At an error of {now}, of which {floor} stay, and an exponent of {exponent}, {less} less take {value} "
                "the data.",
    )


@dataclass(frozen=True)
class Pool:
    """Pictures to learn from and pictures to test on, as features.

    Args:
        pictures: those to learn from.
        seen: their features.
        shown, truth: features of the others, and what they show.
    """

    pictures: cats.Pictures
    seen: np.ndarray
    shown: np.ndarray
    truth: np.ndarray

    @classmethod
    def drawn(cls, count: int = 2000, tested: int = 1000, seed: int = 25) -> Pool:
        """Draw the pictures, `count` to learn from."""
        pictures = cats.draw(count + tested, seed=seed)
        found = random_features.features(pictures.images.numpy())
        return cls(pictures[:count], found[:count], found[count:], pictures.truth[count:].numpy())

    def errors(self, counts: Sequence[int]) -> list[float]:
        """Return the share of wrong answers after learning from the first so many pictures, with right labels."""
        truth = self.pictures.truth.numpy()
        return [self._error(truth[:count]) for count in counts]

    def scattered(self, share: float, seed: int = 0) -> float:
        """Return the share of wrong answers if `share` of the labels, anywhere, name one of the other classes."""
        rng, labels = np.random.default_rng(seed), self.pictures.truth.numpy().copy()
        wrong = rng.choice(len(labels), round(share * len(labels)), replace=False)
        labels[wrong] = (labels[wrong] + rng.integers(1, len(cats.CLASSES), len(wrong))) % len(cats.CLASSES)
        return self._error(labels)

    def together(self, share: float) -> float:
        """Return the share of wrong answers if as many labels are wrong, all of cats, coat by coat, called cars.

        Raises:
            ValueError: a share above that of the cats.
        """
        labels, wrong = self.pictures.truth.numpy().copy(), round(share * len(self.pictures))
        coats = self.pictures.coats.numpy()
        order = np.argsort(coats, kind="stable")[(coats < 0).sum():]  # the cats, those of a coat side by side
        if wrong > len(order):
            raise ValueError(f"{share:.0%} of the pictures are more than the {len(order)} cats.")
        labels[order[:wrong]] = cats.CLASSES.index("car")
        return self._error(labels)

    def _error(self, labels: np.ndarray) -> float:
        return random_features.readout_error(self.seen[:len(labels)], labels, self.shown, self.truth)
