"""The self-checks of Lab 2.6, *Surviving failures*."""

from __future__ import annotations

from labkit.checks import Verdict, number, on_slider
from labkit.experiment import Experiment
from labkit.predict import checkpoints


def time_between(answer: float | None, node: float, nodes: int) -> Verdict:
    """Check the hours between failures of a job on some nodes, of which each fails every `node` days."""
    return number(answer, checkpoints.between(nodes, node * 24), tolerance=0.02, hint=(
        "Twice as many nodes fail twice as often. Divide a node's time by their number, in hours."))


def interval(answer: float | None, save: float, between: float) -> Verdict:
    """Check Young's interval in minutes, from the seconds of a save and the hours between failures."""
    return number(answer, checkpoints.interval(save, between * 3600) / 60, tolerance=0.03, hint=(
        "The root of two times the save times the time between failures, all in seconds; then in minutes."))


def lost_work(answer: float | None, every: float, kills: int) -> Verdict:
    """Check the expected number of steps that some kills cost, with a save every so many steps."""
    return number(answer, kills * every / 2, tolerance=0.02, hint=(
        "A kill at a random moment loses half an interval on average."))


def slowest_restart(answer: float | None, plan: Experiment, wanted: float, **point) -> Verdict:
    """Check the longest restart on the slider, in minutes, with which a share in % of the time is still training."""
    values = plan.axis("restart").values
    longest = max(value for value in values if plan.predict(restart=value, **point).value >= wanted)
    hint = f"Step the restart up until less than {wanted:g} % is left, and take the one before."
    return on_slider(answer, values, lambda value: value == longest,
                     right="a fast restart is worth more than a fast save there.", hint=hint)
