"""The self-checks of Lab 4.4, *Edge, cloud or both*."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING

from labkit.checks import Verdict, holds, number
from labkit.machine import Machine
from labkit.specs import network

if TYPE_CHECKING:
    from labkit.labs.edge_cloud_or_both.experiments import Team

_SENT, _RIGHT = 0.15, 98.0  # exercise 4: the share of pictures that may go to the cloud, and the accuracy to reach in %


def payload(answer: int | None, width: int, cut: int) -> Verdict:
    """Check the bytes that travel for a picture when a network of some width is cut after some layers."""
    return number(answer, network.payload(width, cut), tolerance=0, hint=(
        "Each convolution halves the side of the picture; the first writes `width` channels, each further one twice as "
        "many as the one before it. What it wrote are 32-bit numbers."))


def widest(answer: int | None) -> Verdict:
    """Check the widest network whose activations after the first layer take no more bytes than the picture."""
    fits = max(width for width in range(1, 65) if network.payload(width, 1) <= network.payload(width, 0))
    return number(answer, fits, tolerance=0, hint=(
        "The picture has 32 × 32 points of three bytes. After the first layer, 16 × 16 points have `width` numbers of "
        "four bytes each."))


def turning(answer: float | None, machine: Machine, team: Team, backend: str, deadline: float) -> Verdict:
    """Check the round trip in seconds at which the cloud's answers begin to miss a deadline, at 50 Mbit/s."""
    from labkit.labs.edge_cloud_or_both import experiments as offload

    expected = offload.turning(machine, team, backend, deadline)
    if expected == 0:
        right = "here even a link without latency is too slow."
        return holds(answer, lambda trip: trip == 0, expected="0", right=right, hint=(
            "On this machine computing and sending alone take longer than the deadline: the answer is 0."))
    return number(answer, expected, tolerance=0.1, hint=(
        "Take from the deadline what the answer needs without the round trip: the other parts in the breakdown of the "
        "first Explorer, of 'edge, small' and of 'cloud' at 50 Mbit/s. Answer in seconds."))


def threshold(answer: float | None, team: Team) -> Verdict:
    """Check a confidence for which the cascade asks the cloud rarely and is right nearly always, on `team.shown`."""
    from labkit.models.evaluation import evaluate

    small, large = evaluate(team.small, team.shown), evaluate(team.large, team.shown)

    def fits(confidence):
        if isinstance(confidence, bool) or not isinstance(confidence, Real) or not 0 <= confidence <= 1:
            raise ValueError("a confidence is a probability from 0 to 1")
        sure = small.confidence >= confidence
        right = 100 * float((small.right & sure | large.right & ~sure).double().mean())
        asked = 1 - float(sure.double().mean())
        return asked <= _SENT and right >= _RIGHT, (
            f"At {confidence:g}: {asked:.0%} of the pictures go to the cloud, {right:.1f} % are right.")

    expected = f"a confidence with which at most {_SENT:.0%} ask the cloud and {_RIGHT:g} % are right"
    return holds(answer, fits, expected=expected, right="rarely asked, nearly always right.", hint=(
        f"At most {_SENT:.0%} of the pictures may go to the cloud, and {_RIGHT:g} % must be right: a higher confidence "
        "asks more often."))
