"""Cats in coats that a network has seen, and in coats that it has not.

The prediction is the usual assumption: what held on pictures like those of the training holds on others too. The
measurement shows the network new cats in each coat.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from labkit.experiment import Axis, Comparison, Experiment, Outcome
from labkit.models.datasets import cats
from labkit.models.evaluation import Predictions, evaluate
from labkit.predict.generalisation import wilson

CATS_A_COAT = 1000
SEED = 77  # of no training set: a test holds the lab to that


def pictures(coat: str) -> cats.Pictures:
    """Return cats in one coat that no network was trained on."""
    return cats.load(CATS_A_COAT, coats=[coat], seed=SEED, balance=(1, 0, 0))


def share(predictions: Predictions) -> Outcome:
    """Return the share of right answers in %, with its 95 % interval."""
    return _outcome(int(predictions.right.sum()), len(predictions.right))


def many_coloured(comparison: Comparison, trained_on: str) -> Outcome:
    """Return the share in % of all many-coloured cats in `comparison` that one network recognised."""
    shares = [row.measured.value for row in comparison.rows
              if row.point["trained_on"] == trained_on and row.point["coat"] in cats.MANY_COLOURED]
    return _outcome(round(sum(shares) * CATS_A_COAT / 100), len(shares) * CATS_A_COAT)


def _outcome(right: int, tested: int) -> Outcome:
    value, low, high = wilson(right, tested)
    return Outcome(100 * value, "%", low=100 * low, high=100 * high)


def experiment(networks: Mapping[str, nn.Module], familiar: Mapping[str, Predictions]) -> Experiment:
    """Return the experiment.

    Args:
        networks: trained networks, by what their cats looked like.
        familiar: for each, its answers on new pictures of the kind that it was trained on.
    """

    def predict(trained_on, coat):
        return share(familiar[trained_on])

    def measure(trained_on, coat):
        return share(evaluate(networks[trained_on], pictures(coat)))

    return Experiment(
        title="Cats in new coats",
        quantity="Recognised as cats",
        unit="%",
        axes=[Axis("trained_on", "Trained on", tuple(networks)), Axis("coat", "Coat", cats.COATS)],
        predict=predict,
        measure=measure,
        readout="Trained on {trained_on}, the network should recognise {value} of {coat} cats.",
    )
