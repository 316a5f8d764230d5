"""What Lab 2.4 expects of its measurements, and what it means where they come out otherwise."""

from __future__ import annotations

from labkit.expectation import Expectation

_BUSY = "Something else used the cores meanwhile: a guest that nobody invited."

FREE_CORE = Expectation(
    "free-core",
    "With a core for everybody, a job that computes takes {ratio:.2f} times as long beside its neighbours, 0.75 to "
    "1.35 times: about as long as alone.",
    "Two cores here are two threads of one, or one core's clock falls when the other works. " + _BUSY,
    lambda ratio: 0.75 < ratio < 1.35)

FAIR_TURNS = Expectation(
    "fair-turns",
    "On one core with one neighbour it takes {ratio:.1f} times as long, 1.6 to 3.2 times: they take turns.",
    "The scheduler does not give equal shares here, as between sessions or control groups. " + _BUSY,
    lambda ratio: 1.6 < ratio < 3.2)

CORES_PREDICTED = Expectation(
    "cores-predicted", "The predicted slowdowns by cores are off by {comparison:.0%} in the median, less than 35 %.",
    "The scheduler does not give equal shares here. " + _BUSY, lambda comparison: comparison < 0.35)

RESOURCES_PREDICTED = Expectation(
    "resources-predicted",
    "The predicted slowdowns by resources are off by {comparison:.0%} in the median, less than 35 %.",
    "Memory or the disk is not shared here as it was while it was calibrated. " + _BUSY,
    lambda comparison: comparison < 0.35)

MEMORY_BOUND_SUFFERS = Expectation(
    "memory-bound-suffers",
    "Beside a neighbour that fills the memory's bandwidth, the large network takes {large:.2f} times as long, and the "
    "small one {small:.2f} times: who waits for memory suffers no less.",
    "The cores here do not fill the memory's bandwidth, or the small network does not fit the caches that it has to "
    "share.", lambda large, small: large > 0.85 * small)

READER_SUFFERS = Expectation(
    "reader-suffers",
    "Beside a neighbour on the disk, the training that reads takes {reading:.2f} times as long, and the one that does "
    "not {plain:.2f} times.",
    "Reading costs the processor more than the disk here, or a cache lies below this system.",
    lambda reading, plain: reading > plain)

TOTAL_GROWS = Expectation(
    "total-grows",
    "On all cores, a training and its equal get {total:.0f} % of the work of one done, more than 115 %.",
    "Two cores here are two threads of one, or there is one core alone. " + _BUSY, lambda total: total > 115)

IDLE_IS_USED = Expectation(
    "idle-is-used",
    "On one core, a training that waits for its disk and a neighbour that computes get {total:.0f} % done together, "
    "more than 105 %: the wait is put to use.",
    "Reading costs the processor here, so that little of it is idle, or the turns cost more than the wait. " + _BUSY,
    lambda total: total > 105)

SAME_WEIGHTS = Expectation(
    "same-weights",
    "Trained beside neighbours, the weights differ from those alone by {distance:.2%} of their length at most, and two "
    "seeds by {spread:.0%}: less than a hundredth of that.",
    "A library here adds in another order when it is disturbed, or with another number of threads.",
    lambda distance, spread: distance < spread / 100)

CLOCK_COSTS = Expectation(
    "clock-costs",
    "Stopped by the clock, a training beside neighbours saw {seen:.0%} of the pictures, less than 85 %.",
    "With enough cores for all, neighbours cost no time, and a deadline costs nothing.", lambda seen: seen < 0.85)
