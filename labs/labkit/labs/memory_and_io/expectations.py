"""What Lab 3.4 expects of its measurements, and what it means where they come out otherwise."""

from __future__ import annotations

from labkit.expectation import Expectation

_BUSY = "Something else used the memory, the cores or the disk meanwhile."

STORAGE_COSTS = Expectation(
    "storage-costs",
    "With its weights read from storage each time, an answer takes {ratio:.0f} times as long as from memory, more than "
    "twice.",
    "What lies below this system caches as well, or memory here is hardly faster than the drive.",
    lambda ratio: ratio > 2)

MAP_IS_NO_COPY = Expectation(
    "map-is-no-copy",
    "Read out of the system's memory, a model takes {ratio:.1f} times as long as one that is mapped, more than 0.9 "
    "times: a map copies nothing.",
    "Fetching page by page costs more here than a copy in one piece, as with a hypervisor that answers each page "
    "fault.", lambda ratio: ratio > 0.9)

BATCH_SHARES = Expectation(
    "batch-shares",
    "For 64 inputs at once, reading from storage costs {ratio:.1f} times the answer from memory, and for one "
    "{alone:.1f} times: the batch shares the reading.",
    "Answering 64 takes as short as answering one here, so that reading weighs as much. " + _BUSY,
    lambda ratio, alone: ratio < alone)

ANSWERS_PREDICTED = Expectation(
    "answers-predicted", "The predicted answers are off by {comparison:.0%} in the median, less than 40 %.",
    "Storage here is not as fast from one read to the next as it was. " + _BUSY, lambda comparison: comparison < 0.4)

HITS_PREDICTED = Expectation(
    "hits-predicted", "The predicted share of hits is off by {comparison:.0%} in the median, less than 10 %.",
    "The cache does not keep what was asked for last.", lambda comparison: comparison < 0.1)

SKEW_HELPS = Expectation(
    "skew-helps",
    "With a quarter of the models in memory, {skewed:.0f} % of the skewed requests find theirs, and {even:.0f} % of "
    "the even ones: skew makes memory worth more.",
    "The cache does not keep what is asked for most.", lambda skewed, even: skewed > 1.3 * even)

MEAN_PREDICTED = Expectation(
    "mean-predicted", "The predicted mean times are off by {comparison:.0%} in the median, less than 40 %.",
    "Storage here is not as fast from one read to the next as it was. " + _BUSY, lambda comparison: comparison < 0.4)

HALF_NEVER_SEES = Expectation(
    "half-never-sees",
    "With three quarters of the models in memory, half of the requests take {ratio:.1f} times p50 with all in memory, "
    "or less; expected are less than 2.5 times.",
    "Reading beside it takes what the answers need: memory bandwidth, or the core. " + _BUSY,
    lambda ratio: ratio < 2.5)

HUNDREDTH_SEES = Expectation(
    "hundredth-sees", "One request in a hundred takes {ratio:.0f} times p50 there, more than twice.",
    "What lies below this system caches as well, so that a miss costs little.", lambda ratio: ratio > 2)
