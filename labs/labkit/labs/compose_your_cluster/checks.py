"""The self-checks of Lab 5.1, *Compose your cluster*."""

from __future__ import annotations

from numbers import Real

from labkit.checks import Verdict, holds, number, on_slider
from labkit.labs.compose_your_cluster.experiments import bill
from labkit.predict import training_time

_INPUTS = ("deadline_seconds", "frame_bytes", "round_trip_seconds")  # of exercise 4


def hours(answer: float | None) -> Verdict:
    """Check the accelerator hours of training 8.03 billion parameters on 15e12 tokens with H100s at 40 % of 989e12."""
    work = training_time.operations(8.03e9, 15e12)
    return number(answer, training_time.seconds(work, 1, 989e12, 0.4) / 3600, tolerance=0.02, hint=(
        "Six operations for each parameter and token, over the rate that arrives: 989e12 FLOP/s times 0.4. In hours."))


def conversations(answer: float | None) -> Verdict:
    """Check how many conversations of the assistant the memory of its replica holds."""
    return number(answer, bill("assistant")["conversations_held"].value, tolerance=0.05, hint=(
        "Of 80e9 bytes nine tenths, less 4 GiB; times the accelerators of a replica; less the weights, 70.6e9 bytes "
        "and five per cent; over 1,300 tokens of 327,680 bytes."))


def cheapest(answer: float | None) -> Verdict:
    """Check a deadline in days with which the 8-billion model trains on at most four accelerators."""
    def fits(days):
        if isinstance(days, bool) or not isinstance(days, Real):
            raise ValueError("a deadline is a number of days")
        plan = bill("language-model", training={"deadline_days": float(days)})
        count = plan["training_accelerators"].value
        return count <= 4, f"{days:g} days: {count:g} accelerators."

    expected = "days in which four accelerators or fewer are done"
    return holds(answer, fits, expected=expected, right="the same hours, on fewer accelerators.", hint=(
        "Accelerators times days stay the same: how many accelerator days does the bill have? The memory of the "
        "training state needs its accelerators too."))


def edge(answer: str | None) -> Verdict:
    """Check which of three inputs of the retailer, made stricter, lowers the streams that a device serves."""
    right = "less time, fewer streams a device."
    return on_slider(answer, _INPUTS, lambda name: name == "deadline_seconds", right=right, hint=(
        "Halve each in turn, or double it: 'deadline_seconds', 'frame_bytes' or 'round_trip_seconds'. Which changes "
        "the streams that a device serves, if everything is answered at the edge?"))
