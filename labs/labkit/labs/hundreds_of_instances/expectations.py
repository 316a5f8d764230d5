"""What Lab 4.2 expects of its measurements, and what it means where they come out otherwise."""

from __future__ import annotations

from labkit.expectation import Expectation

_BUSY = "Something else used the core meanwhile, or its speed changed since it was calibrated."

PREDICTED = Expectation(
    "predicted", "The predicted numbers of sources are off by {comparison:.0%} in the median, less than 50 %.",
    _BUSY, lambda comparison: comparison < 0.5)

APART_PREDICTED = Expectation(
    "apart-predicted", "With threads and processes, they are off by {comparison:.0%} in the median, less than 60 %.",
    "Threads and processes wake each other up in another way here. " + _BUSY, lambda comparison: comparison < 0.6)

HOLDS_BELOW = Expectation(
    "holds-below", "With half of the sources that were answered in time, {late:.1f} % of the answers are late: "
    "less than 20 %.",
    "The core was taken away for longer than the deadline, more than once. " + _BUSY, lambda late: late < 20)

BATCHES_GAIN = Expectation(
    "batches-gain", "With the small network, batches serve {ratio:.1f} times as many sources, more than 1.2 times.",
    "A run starts so cheaply here, or computes so slowly, that there is nothing to share.", lambda ratio: ratio > 1.2)

BATCHES_IDLE = Expectation(
    "batches-idle", "With the large network, batches serve {ratio:.2f} times as many, less than 1.6 times.",
    "One picture leaves this core idle: its vector units are wide, or a run starts slowly.", lambda ratio: ratio < 1.6)

OWN_COSTS = Expectation(
    "own-costs", "With a large network for each, the core serves {ratio:.0%} of the sources that it serves with one "
    "for all: less than 95 %.",
    "The caches hold all those weights, or memory brings them as fast as the core computes.",
    lambda ratio: ratio < 0.95)

PROCESSES_WEIGH = Expectation(
    "processes-weigh", "A further process takes {ratio:.0f} times the memory of a further large network in one "
    "process, more than 3 times.",
    "The system counts what processes share, or this runtime takes little of its own.", lambda ratio: ratio > 3)

MEMORY_PREDICTED = Expectation(
    "memory-predicted", "The predicted memory is off by {comparison:.0%} in the median, less than 50 %.",
    "This system gives memory in larger pieces, or keeps what was freed.", lambda comparison: comparison < 0.5)

TOGETHER_COSTS = Expectation(
    "together-costs", "When the pictures of all come at once, {ratio:.0%} of the sources are in time: less than 90 %.",
    "The core was slower while the sources came one by one. " + _BUSY, lambda ratio: ratio < 0.9)

SILENCE_SHARED = Expectation(
    "silence-shared", "With about six times as many sources as there is room for, each active for a tenth of its "
    "time, {late:.1f} % of the answers are late: less than 25 %.", _BUSY, lambda late: late < 25)

SILENCE_SPENT = Expectation(
    "silence-spent", "With about sixteen times as many, {late:.0f} % are late: more than 10 %.",
    "The core was slower while the sources came one by one. " + _BUSY, lambda late: late > 10)
