"""The self-checks of Lab 3.2, *Throughput*."""

from __future__ import annotations

from labkit.checks import Verdict, holds, number, on_slider
from labkit.labs.throughput import experiments as throughput
from labkit.labs.throughput.experiments import BATCHES, Plan
from labkit.measure.mlperf_log import Log
from labkit.predict import throughput as predicted
from labkit.predict.small_machine import PICTURE

_NEAR = 1.1  # two times this near to each other are the same


def queries(answer: int | None, share: float) -> Verdict:
    """Check how many queries, none of them late, LoadGen needs to believe a percentile; `share` is 0.999 for p99.9."""
    return number(answer, predicted.queries_needed(0, share), tolerance=0.005, hint=(
        "If a part 1 - q of all queries were late, n queries would all be in time with the probability of qⁿ. LoadGen "
        "wants that to be 1 % or less: n is log(0.01) / log(q), rounded up."))


def in_time(answer: int | None, plan: Plan, deadline: float) -> Verdict:
    """Check the largest batch on the slider of which all answers are there within a deadline in seconds."""
    def fits(batch):
        larger = [other for other in BATCHES if other > batch]
        return ((batch == 0 or plan.turn(batch) <= deadline * _NEAR)
                and (not larger or plan.turn(larger[0]) >= deadline / _NEAR))

    return on_slider(answer, (0, *BATCHES), fits, right="the next larger one takes longer.", hint=(
        "Set the scenario to Offline and read the time of a batch below the number, from the left end of the slider "
        "on. Take the last batch that is within the deadline; 0 if none is."))


def in_work(answer: float | None, system: str) -> Verdict:
    """Check how many samples a published device has in work at a time, at the least, by Little's law."""
    latency, rate = throughput.published()[system]
    return number(answer, predicted.together(rate, latency), tolerance=0.03, hint=(
        f"It answers {rate:,.0f} samples a second with everything at hand, and one alone in {1e3 * latency:.3g} ms: "
        "multiply, in seconds."))


def machines(answer: float | None, rate: float, bandwidth: float) -> Verdict:
    """Check how many machines with a rate in pictures/s a link of so many bytes/s can feed with pictures as bytes."""
    return number(answer, bandwidth / (rate * PICTURE), tolerance=0.1, hint=(
        f"A picture has {PICTURE:,} bytes. Multiply by the pictures that one machine answers in a second, and "
        "divide the link's bytes a second by that."))


def doubted(answer: Log | None) -> Verdict:
    """Check a run that LoadGen calls invalid for want of queries alone."""
    def fits(log):
        if log.valid:
            raise ValueError("LoadGen calls it valid")
        facts = log.facts
        return not facts["early_stopping_met"] and facts["result_min_duration_met"] and facts["result_min_queries_met"]

    expected = "the log of a run long enough and complete that was stopped early"
    right = "long enough, with all that was asked for, and still not believed."
    return holds(answer, fits, expected=expected, right=right, hint=(
        "Ask for few queries and a short time: MultiStream, a tenth of a second, queries=10. The duration must be "
        "kept, and the queries too few for the percentile."))
