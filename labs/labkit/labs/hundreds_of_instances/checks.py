"""The self-checks of Lab 4.2, *Hundreds of instances*."""

from __future__ import annotations

import math

from labkit.checks import Verdict, not_here, number, on_slider
from labkit.experiment import Experiment
from labkit.predict import instances as predicted


def served(answer: int | None, seconds: float, period: float) -> Verdict:
    """Check how many sources with a period are answered, if a picture takes so many seconds."""
    return number(answer, predicted.served(lambda _: seconds, period), tolerance=0, hint=(
        "A picture of each has to fit the period: divide the period by the time of a picture and round down."))


def worst(answer: int | None, seconds: float, period: float, deadline: float) -> Verdict:
    """Check how many sources are answered in time if their pictures all come at the same moment."""
    return number(answer, predicted.served(lambda _: seconds, min(period, deadline)), tolerance=0, hint=(
        "The last of them has to be done before the deadline, or the next picture if that comes sooner."))


def fewest_pictures(answer: int | None, seconds: float, each: float, share: float) -> Verdict:
    """Check the fewest pictures in a batch of whose time the start is a share at most.

    Args:
        answer: pictures.
        seconds: of the start.
        each: seconds of each picture.
        share: of the batch's time.
    """
    return number(answer, math.ceil(seconds * (1 - share) / share / each - 1e-9), tolerance=0, hint=(
        "Start / (start + pictures × time of each) must not exceed the share. Solve for the pictures and round up."))


def shared_by(answer: int | None, room: int, active: float, late: float) -> Verdict:
    """Check how many sources share some room, if a share of the answers may be late, within 3 %."""
    return number(answer, predicted.multiplexed(active, room, late), tolerance=0.03, hint=(
        "Call predicted.missed(sources, active, room) with more and more sources, until the share that is late passes "
        "what is allowed."))


def largest(answer: int | None, experiment: Experiment, **point) -> Verdict:
    """Check the largest number of instances on the slider that the memory holds."""
    counts = experiment.axis("instances").values
    fits = [count for count in counts if experiment.predict(instances=count, **point)]
    if not fits:
        return not_here("This exercise needs a prediction that this machine cannot have. "
                        f"{experiment.predict(instances=1, **point).reason}")
    right = "of the next number, only a part would fit."
    return on_slider(answer, counts, lambda count: count == max(fits), right=right, hint=(
        "Set the sliders as the exercise says and step up until the Explorer says that memory does not suffice."))
