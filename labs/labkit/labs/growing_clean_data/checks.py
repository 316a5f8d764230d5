"""The self-checks of Lab 2.5, *Growing, clean data*."""

from __future__ import annotations

from labkit.checks import Verdict, holds, number
from labkit.labs.growing_clean_data import kinds
from labkit.predict.learning_curve import more_data, worth


def half(answer: float | None, exponent: float) -> Verdict:
    """Check how many times the data half the error takes, without a floor."""
    return number(answer, 2 ** (1 / exponent), tolerance=0.02, hint=(
        "The error is a constant times the samples to the power of minus the exponent. Set it to half, and solve for "
        "the samples."))


def with_floor(answer: float | None, now: float, wanted: float, exponent: float, floor: float) -> Verdict:
    """Check how many times the data lower an error from `now` to `wanted`, by a curve with an exponent and a floor."""
    return number(answer, more_data(now, wanted, exponent, floor), tolerance=0.02, hint=(
        "Take the floor off both errors first. Then it is as without one: the ratio, to the power of one over the "
        "exponent."))


def clean_worth(answer: float | None, samples: int, wrong: float, classes: int, explained: float) -> Verdict:
    """Check as how many clean samples some count of which a share of the labels is wrong at random.

    Args:
        answer: the number of clean samples.
        samples, wrong: how many there are, and the share of wrong labels, 0 to 1.
        classes: among which a wrong label is scattered.
        explained: the share of the variance that the network explains, 0 to below 1.
    """
    return number(answer, samples * worth(wrong, classes, explained), tolerance=0.02, hint=(
        "Work out what a label says, s = 1 - w k / (k - 1), and then the fraction above the line and below it."))


def test_floor(answer: float | None, error: float, wrong: float) -> Verdict:
    """Check the wrong answers in % that a test reports of which a share of the labels is wrong, at random.

    Args:
        answer: in %.
        error: truly wrong answers in %.
        wrong: share of the test's labels, 0 to 1; a wrong answer and a wrong label agree half of the time (3 classes).
    """
    share = error / 100
    return number(answer, 100 * (share * (1 - wrong) + (1 - share) * wrong + share * wrong / 2), tolerance=0.03, hint=(
        "A right answer counts as wrong where the label is wrong; a wrong answer where the label is right, and half of "
        "the time where both are wrong."))


def unseen(answer: str | None) -> Verdict:
    """Check which kind of dirt no schema can find, whatever its rules."""
    return holds(answer, lambda kind: kind in (kinds.RANDOM, kinds.CAUSE),
                 expected=f"{kinds.RANDOM} or {kinds.CAUSE}",
                 right="to a program that does not know a cat, a wrong label is a label like any other.",
                 hint="Which kind leaves size, fingerprint, colours and classes as they should be?")
