"""The self-checks of Lab 2.4, *Dedicated or shared*."""

from __future__ import annotations

import math

from labkit.checks import Verdict, not_here, number, on_slider
from labkit.experiment import Experiment
from labkit.predict import neighbours as predicted


def fair(answer: float | None, cores: int, jobs: int) -> Verdict:
    """Check how many times as long a job of one thread takes if so many such jobs share some cores fairly."""
    return number(answer, 1 / predicted.fair_shares([1.0] * jobs, cores)[0], tolerance=0.02, hint=(
        "Each gets cores / jobs of a core, but never more than one. The time grows as the share falls."))


def memory_slowdown(answer: float | None, memory: float, times: float) -> Verdict:
    """Check the slowdown of a job that waits for memory for a share of its time, if memory takes `times` as long."""
    return number(answer, 1 - memory + memory * times, tolerance=0.01, hint=(
        "Only the part that waits for memory gets longer: leave the rest as it is, and add both."))


def nodes_until(answer: int | None, visited: float, chance: float) -> Verdict:
    """Check from how many nodes on a step meets a visited node with some probability.

    Args:
        answer: nodes.
        visited: the share of its time for which each node has neighbours.
        chance: the probability, 0 to 1.
    """
    return number(answer, math.ceil(math.log(1 - chance) / math.log(1 - visited)), tolerance=0, hint=(
        "None of N nodes is visited with probability (1 - share)^N. Find the N at which that falls below 1 - chance, "
        "and round up."))


def most_threads(answer: float | None, slowdown: Experiment, most: float, **point) -> Verdict:
    """Check the most threads a core on the slider with which a job is predicted to take no more than `most` times."""
    outcomes = {threads: slowdown.predict(threads=threads, **point) for threads in slowdown.axis("threads").values}
    there = {threads: outcome.value for threads, outcome in outcomes.items() if outcome}
    if not there:
        return not_here("This exercise needs a prediction that this machine cannot have. "
                        f"{next(iter(outcomes.values())).reason}")
    fitting = [threads for threads, value in there.items() if value <= most]
    return on_slider(answer, (0, *outcomes), lambda threads: threads == max(fitting, default=0), right=(
        "with more of them, a job has to wait for its turn."), hint=(
        "Set the sliders as the exercise says, and step the threads up until the slowdown passes the bound. 0 if even "
        "the fewest are too many."))
