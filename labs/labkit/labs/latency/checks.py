"""The self-checks of Lab 3.1, *Latency*."""

from __future__ import annotations

from numbers import Real

from labkit import stats
from labkit.checks import Verdict, holds, not_here, number, pays_from
from labkit.experiment import Experiment
from labkit.labs.latency import experiments as latency
from labkit.predict import tail_at_scale

_FAR = 30  # times off the prediction: no such network, or no seconds


def needed(answer: int | None, percentile: float) -> Verdict:
    """Check how many answers a percentile needs, until the slowest lies above it in 95 cases of 100."""
    return number(answer, stats.samples_needed(percentile), tolerance=0.002, hint=(
        "All n answers lie below the percentile with probability qⁿ, where q is its share (0.999 for p99.9). Find the "
        "smallest n for which that is 0.05 or less: divide the logarithm of 0.05 by that of q, and round up."))


def threads_pay(answer: int | None, experiment: Experiment) -> Verdict:
    """Check the narrowest width on the slider at which all threads beat one in the runtime; 0 for none."""
    most = experiment.axis("threads").values[-1]
    if most == 1:
        return not_here("This machine has one core: more threads than one cannot be compared with it.")

    def gain(width):
        at = {"width": width, "batch": 1, "way": latency.RUNTIME}
        return experiment.predict(threads=1, **at).value / experiment.predict(threads=most, **at).value

    gains = {width: gain(width) for width in latency.WIDTHS}
    return pays_from(answer, gains, right="below it, there is too little to share.", hint=(
        f"Set the way to the runtime and the batch to 1. Step through the widths with 1 thread and with {most}. Take "
        "the first width at which all threads take less time; 0 if there is none."))


def fan_out(answer: float | None, nodes: int, percentile: float) -> Verdict:
    """Check the share of requests, in %, in which one of several nodes or more is slower than its own percentile."""
    return number(answer, 100 * tail_at_scale.slow_share(1 - percentile / 100, nodes), tolerance=0.01, hint=(
        "All nodes are fast with probability qᴺ, where q is the percentile's share. Take that from 1, in percent."))


def long_enough(answer, experiment: Experiment, width: int, percentile: float) -> Verdict:
    """Check the seconds of many answers of a network in the runtime, on one thread: enough for a percentile."""
    usual = experiment.predict(width=width, batch=1, way=latency.RUNTIME, threads=1).value

    def fits(seconds):
        seconds = list(seconds)
        if not all(isinstance(s, Real) and not isinstance(s, bool) and 0 < s < float("inf") for s in seconds):
            raise ValueError("it must be a list of seconds, one for each answer")
        value, low, high = stats.percentile(seconds, percentile)
        median = latency.Tail(seconds).at(50).value
        return usual / _FAR < median < usual * _FAR, (
            f"p{percentile:g} is {1e6 * value:,.0f} µs ({1e6 * low:,.0f} to {1e6 * high:,.0f}), "
            f"{value / median:.1f} medians.")

    expected = (f"{stats.samples_needed(percentile):,} times or more, whose median lies between "
                f"{usual / _FAR:.2g} and {usual * _FAR:.2g} s")
    return holds(answer, fits, expected=expected, right="that many answers carry the percentile.", hint=(
        f"Open the network of width {width} with latency.ready('runtime', {width}) and clock "
        f"{stats.samples_needed(percentile):,} answers or more with latency.each."))
