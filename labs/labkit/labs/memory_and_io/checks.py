"""The self-checks of Lab 3.4, *Memory and I/O*."""

from __future__ import annotations

from labkit.checks import Verdict, number, on_slider
from labkit.experiment import Experiment
from labkit.predict import memory_ladder, model_cache


def share_unseen(answer: float | None, percentile: float) -> Verdict:
    """Check the largest share of requests in % that may call back to storage without a percentile showing it."""
    return number(answer, 100 - percentile, tolerance=0.001, hint=(
        "A percentile leaves out the slowest requests. Which share are these?"))


def answers_lost(answer: float | None, alone: float, fetch: float, missing: float) -> Verdict:
    """Check by which factor calls back to storage lower the answers a second of one server that waits for them.

    Args:
        answer: the factor, above 1.
        alone, fetch: seconds of an answer from memory, and of fetching a model.
        missing: the share of requests that must fetch theirs, 0 to 1.
    """
    return number(answer, model_cache.mean(alone, fetch, missing) / alone, tolerance=0.01, hint=(
        "The mean time of a request is the answer's, and the missing share times that of fetching. Divide it by the "
        "answer's alone."))


def largest(answer: float | None, deadline: float, bandwidth: float) -> Verdict:
    """Check the most bytes of weights that can be fetched within a deadline (s) at a bandwidth (bytes/s)."""
    return number(answer, memory_ladder.most(deadline, bandwidth), tolerance=0.01, hint=(
        "Bandwidth times time, in bytes: the first byte and the answer itself come on top."))


def enough_memory(answer: float | None, hits: Experiment, wanted: float, **point) -> Verdict:
    """Check the least share on the slider, in % of the models, with which a wanted share of requests is a hit."""
    shares = hits.axis("share").values
    enough = next(share for share in shares if hits.predict(share=share, **point).value >= wanted)
    hint = f"Step the share in memory up until {wanted:g} % find their model there, and take that share."
    return on_slider(answer, shares, lambda share: share == enough, right="what lies beyond is asked for seldom.",
                     hint=hint)
