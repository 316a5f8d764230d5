"""The self-checks of Lab 2.3, *Feeding the cluster*."""

from __future__ import annotations

import math

from labkit.checks import SLACK, Verdict, not_here, number, on_slider
from labkit.experiment import Experiment
from labkit.predict import input_pipeline


def bandwidth(answer: float | None, accelerators: int, rate: float, size: float, cached: float) -> Verdict:
    """Check the bytes a second of storage that keep accelerators fed.

    Args:
        answer: bytes/s.
        accelerators: how many.
        rate: samples a second that each takes.
        size: bytes of a sample.
        cached: the share of the samples that memory holds.
    """
    return number(answer, input_pipeline.needed(accelerators * rate, size, cached), tolerance=0.02, hint=(
        "Samples a second of all accelerators, times the bytes of a sample, times the share that is not in memory. "
        "Answer in bytes a second."))


def fewest_workers(answer: int | None, steps: Experiment, **point) -> Verdict:
    """Check the fewest workers on the slider with which the accelerator is predicted to wait as little as it can.

    Args:
        answer: the workers.
        steps: the experiment on the time of a step.
        point: its other axes.
    """
    from labkit.labs.feeding_the_cluster.experiments import WAITING

    waits = {workers: outcome.parts[WAITING] + outcome.parts["computing"] for workers in steps.axis("workers").values
             if (outcome := steps.predict(workers=workers, **point))}
    if not waits:
        return not_here("This exercise needs a prediction that this machine cannot have. "
                        f"{steps.predict(workers=1, **point).reason}")
    fewest = min(workers for workers, wait in waits.items() if wait <= SLACK * min(waits.values()))
    right = "more would only wait for each other."
    return on_slider(answer, tuple(waits), lambda workers: workers == fewest, right=right, hint=(
        "Set the sliders as the exercise says, start at no worker, and step up until the step gets no shorter, but for "
        "less than a twentieth."))


def readers_to_fill(answer: int | None, trip: float, rate: float, size: float) -> Verdict:
    """Check the fewest readers of loose files that keep a link busy, if nothing but the link takes time.

    Args:
        answer: the readers.
        trip: seconds of the round trip.
        rate: bytes/s of the link.
        size: bytes of a file.
    """
    return number(answer, math.ceil(1 + trip * rate / size), tolerance=0, hint=(
        "A reader needs a round trip and size / rate for each file, and keeps the link busy for size / rate of that. "
        "Divide the one by the other and round up."))


def shard(answer: float | None, trip: float, rate: float, share: float) -> Verdict:
    """Check the least bytes of a shard whose round trip costs a share of its time at most.

    Args:
        answer: bytes.
        trip, rate: as in `readers_to_fill`.
        share: of the whole time, for waiting.
    """
    return number(answer, trip * rate * (1 - share) / share, tolerance=0.02, hint=(
        "The round trip may be `share` of the whole, so that the bytes take (1 - share) / share times as long as it."))
