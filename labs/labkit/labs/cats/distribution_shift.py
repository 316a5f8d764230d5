"""Cats in coats that a network has seen, and in coats that it has not.

The prediction is the usual assumption: what held on pictures like those of the training holds on others too. The
measurement shows the network new cats in each coat.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from labkit.experiment import Axis, Comparison, Experiment, Outcome, Unavailable
from labkit.models.datasets import cats
from labkit.models.evaluation import Predictions, evaluate
from labkit.models.training import Run, train
from labkit.stats import wilson

CATS_A_COAT = 1000
SEED = 77  # of no training set: a test holds the lab to that
SIX, BLACK = "six one-colour coats", "black cats only"  # what the lab's two networks are trained on
ONLY_CATS = (1, 0, 0)  # the balance of pictures that show cats alone


def pictures(coat: str, count: int = CATS_A_COAT) -> cats.Pictures:
    """Return cats in one coat that no network was trained on."""
    return cats.load(count, coats=[coat], seed=SEED, balance=ONLY_CATS)


def in_black(drawn: cats.Pictures, seed: int, seconds: float = math.inf) -> cats.Pictures:
    """Return the pictures with black cats in place of theirs; the cars and bicycles stay.

    Args:
        drawn: the pictures.
        seed: of the black cats.
        seconds: to draw them; those in place of which there is none are left out.
    """
    places = (drawn.truth == cats.CLASSES.index("cat")).nonzero().squeeze(1)
    black = cats.load(len(places), coats=["black"], seed=seed, balance=ONLY_CATS, seconds=seconds)
    images, coats, keep = drawn.images.clone(), drawn.coats.clone(), torch.ones(len(drawn), dtype=torch.bool)
    images[places[:len(black)]], coats[places[:len(black)]] = black.images, black.coats
    keep[places[len(black):]] = False
    return cats.Pictures(images, drawn.labels, drawn.truth, coats)[keep]


def share(predictions: Predictions) -> Outcome:
    """Return the share of right answers in %, with its 95 % interval."""
    return _outcome(int(predictions.right.sum()), len(predictions.right))


def recognised(comparison: Comparison, trained_on: str, coats: Sequence[str] = cats.MANY_COLOURED,
               count: int = CATS_A_COAT) -> Outcome:
    """Return the share in % of the cats in some coats in `comparison` that one network recognised.

    Args:
        comparison: of the experiment below.
        trained_on: which network.
        coats: which coats.
        count: cats in each.
    """
    shares = [row.measured.value for row in comparison.rows
              if row.point["trained_on"] == trained_on and row.point["coat"] in coats]
    return _outcome(round(sum(shares) * count / 100), len(shares) * count)


def after(runs: Sequence[Run], outcome: Outcome) -> Outcome | Unavailable:
    """Return what trained networks did, or why it says nothing: a training had no time to see all its pictures."""
    for run in runs:
        if not run.complete:
            return Unavailable(f"The training was ended after {run.seconds:.0f} s, when the network had seen "
                               f"{run.pictures:,} of {run.planned:,} pictures: this machine is too slow for more.")
    return outcome


def mended(network: nn.Module, old: cats.Pictures, new: cats.Pictures, unseen: cats.Pictures, *,
           seconds: float) -> Outcome:
    """Return the share of `unseen` that a copy of a network gets right after learning for another moment.

    Args:
        network: stays as it is.
        old, new: pictures of the kind that it has seen, and of another.
        unseen: what it is tested on.
        seconds: to learn.
    """
    network, mix = copy.deepcopy(network), old + new
    train(network, mix.images, mix.labels, epochs=3, lr=1e-3, seconds=seconds)
    return share(evaluate(network, unseen))


def _outcome(right: int, tested: int) -> Outcome:
    value, low, high = wilson(right, tested)
    return Outcome(100 * value, "%", low=100 * low, high=100 * high)


def experiment(networks: Mapping[str, nn.Module], familiar: Mapping[str, Predictions],
               count: int = CATS_A_COAT) -> Experiment:
    """Return the experiment.

    Args:
        networks: trained networks, by what their cats looked like.
        familiar: for each, its answers on new pictures of the kind that it was trained on.
        count: cats in each coat.
    """

    def predict(trained_on, coat):
        return share(familiar[trained_on])

    def measure(trained_on, coat):
        return share(evaluate(networks[trained_on], pictures(coat, count)))

    return Experiment(
        title="Cats in new coats",
        quantity="Recognised as cats",
        unit="%",
        axes=[Axis("trained_on", "Trained on", tuple(networks)), Axis("coat", "Coat", cats.COATS)],
        predict=predict,
        measure=measure,
        readout="Trained on {trained_on}, the network should recognise {value} of {coat} cats.",
    )
