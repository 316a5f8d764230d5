"""What Lab 2.6 expects of its measurements, and what it means where they come out otherwise."""

from __future__ import annotations

from labkit.expectation import Expectation

_BUSY = "Something else used the cores or the disk meanwhile."

SAME_WEIGHTS = Expectation(
    "same-weights",
    "Killed and started again, {equal:.0f} of {runs:.0f} end with the weights of the unbroken one, to the last bit.",
    "Here the same sum comes out otherwise in another process: a library that chooses its kernels anew at each start.",
    lambda runs, equal: runs == equal)

TRAININGS_PREDICTED = Expectation(
    "trainings-predicted", "The predicted trainings are off by {comparison:.0%} in the median, less than 40 %.",
    "Starting the framework takes most of them, and it took longer or shorter than when it was timed. " + _BUSY,
    lambda comparison: comparison < 0.4)

RESTART_RULES = Expectation(
    "restart-rules",
    "A failure costs {restart:.1f} s of starting again and {repeated:.2f} s of repeated steps: starting rules.",
    "Steps take long here beside the framework's start, or saves were far apart.",
    lambda restart, repeated: restart > repeated)

LOSS_BOUNDED = Expectation(
    "loss-bounded",
    "No kill lost more than {most:.0f} steps, with a save every {every:.0f}: at most two beyond the interval.",
    "A save failed, or the kill came late after the step at which it was due.",
    lambda most, every: most <= every + 2)

SAVES_PREDICTED = Expectation(
    "saves-predicted", "The predicted saves are off by {comparison:.0%} in the median, less than 50 %.",
    "The disk does not take as long from one write to the next. " + _BUSY, lambda comparison: comparison < 0.5)

BESIDE_WAITS_LESS = Expectation(
    "beside-waits-less",
    "Beside the training, a save of the large network keeps it waiting {ratio:.2f} times as long as in parts with all "
    "waiting, less than 0.8 times.",
    "Copying the state in memory takes as long here as writing it, as on a disk that answers before it has written.",
    lambda ratio: ratio < 0.8)

BESIDE_IS_NOT_FREE = Expectation(
    "beside-is-not-free",
    "While it is written, the steps beside it take {steps:.0f} ms longer in all: more than nothing.",
    "Two cores or more are idle here, and the writing took one of those.", lambda steps: steps > 0)
