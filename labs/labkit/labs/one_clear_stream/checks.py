"""The self-checks of Lab 3.5, *One clear stream*."""

from __future__ import annotations

import math

from labkit.checks import Verdict, not_here, number, on_slider
from labkit.experiment import Experiment
from labkit.predict import instances as predicted


def streams(answer: int | None, seconds: float, hop: float) -> Verdict:
    """Check how many streams a core follows, if a clip takes so many seconds, and each has one every `hop` seconds."""
    return number(answer, predicted.served(lambda _: seconds, hop), tolerance=0, hint=(
        "A clip of each stream has to fit the time between two: divide it by the time of a clip, and round down."))


def cores(answer: int | None, streams: int, seconds: float, hop: float) -> Verdict:
    """Check how many cores some streams need; the rest as in `streams`."""
    return number(answer, math.ceil(streams / predicted.served(lambda _: seconds, hop)), tolerance=0, hint=(
        "How many streams does one core follow? Divide, and round up: no part of a core can be bought."))


def softer(answer: float | None, ratio: float, apart: float) -> Verdict:
    """Check by how many dB the other voice is softer in the microphone of the wanted one.

    Args:
        answer: dB.
        ratio: dB by which the wanted voice is louder where both are heard alike.
        apart: dB by which a voice is softer in the other's microphone.
    """
    return number(answer, ratio + apart, tolerance=0.001, hint="Decibels of one thing after the other add up.")


def enough(answer: float | None, voices: Experiment, wanted: float) -> Verdict:
    """Check the least ratio on the slider at which a share of digits in % should be recognised, by one microphone."""
    one = voices.axis("microphones").values[0]
    shares = {ratio: voices.predict(ratio=ratio, microphones=one) for ratio in voices.axis("ratio").values}
    if missing := [share for share in shares.values() if not share]:
        return not_here(missing[0].reason)
    fits = [ratio for ratio, share in shares.items() if share.value >= wanted]
    return on_slider(answer, tuple(shares), lambda ratio: ratio == min(fits, default=None),
                     right="below it, the loudness of the other voice decides.", hint=(
        f"Set one microphone for both, and step the slider up until {wanted:g} % are predicted."))
