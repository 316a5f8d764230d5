"""What more data cost in computation: the loss of a language model by its parameters and tokens (Hoffmann et al. 2022).

loss = E + A / parameters^a + B / tokens^b, with the constants of the third approach of doi:10.48550/arXiv.2203.15556,
section 3.3; training takes 6 · parameters · tokens operations (Kaplan et al. 2020, doi:10.48550/arXiv.2001.08361).
"""

from __future__ import annotations

from typing import NamedTuple

from labkit.inputs import above_zero


class Law(NamedTuple):
    """The constants: E in nats for a token, A and B in nats, the two powers without a unit."""

    E: float
    A: float
    B: float
    a: float
    b: float

    def tokens_for(self, parameters: float) -> float:
        """Return the tokens for which so many parameters are the best use of the operations."""
        above_zero(parameters=parameters)
        return (self.b * self.B / (self.a * self.A) * parameters**self.a) ** (1 / self.b)

    @property
    def power(self) -> float:
        """The power of the data by which the operations grow, with the best model for them."""
        return 1 + self.b / self.a

    @property
    def halving(self) -> float:
        """How many times the operations it takes to halve the distance of the loss to E, with the best model."""
        return 2 ** (self.power / self.b)


PUBLISHED = Law(1.69, 406.4, 410.7, 0.34, 0.28)
# Fitted anew to the points of the paper's own figure (Besiroglu et al. 2024, doi:10.48550/arXiv.2404.10102).
REFITTED = Law(1.8172, 482.01, 2085.43, 0.3478, 0.3658)
E, A, B, a, b = PUBLISHED


def flop(parameters: float, tokens: float) -> float:
    """Return the operations of a training."""
    above_zero(parameters=parameters, tokens=tokens)
    return 6 * parameters * tokens


def loss(parameters: float, tokens: float) -> float:
    """Return the loss after training, in nats for a token."""
    above_zero(parameters=parameters, tokens=tokens)
    return E + A / parameters**a + B / tokens**b


def best_parameters(tokens: float) -> float:
    """Return the parameters for which these tokens are the best use of the operations.

    At the optimum the two terms fall alike with the operations: a A / parameters^a = b B / tokens^b.
    """
    above_zero(tokens=tokens)
    return (a * A / (b * B) * tokens**b) ** (1 / a)


def operations(target: float) -> float:
    """Return the least operations that reach a loss.

    Raises:
        ValueError: a loss at or below E, which no training reaches.
    """
    if not target > E:
        raise ValueError(f"No training reaches a loss of {target!r}: by this law it stays above {E}.")
    # With the best parameters, A / parameters^a is (b / a) of B / tokens^b.
    tokens = (B * (1 + b / a) / (target - E)) ** (1 / b)
    return flop(best_parameters(tokens), tokens)
