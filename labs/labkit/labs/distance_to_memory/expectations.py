"""What Lab 4.3 expects of its measurements, and what it means where they come out otherwise."""

from __future__ import annotations

from labkit.expectation import Expectation

_BUSY = "Something else used the cores, the memory or the disk meanwhile."

LADDER_PREDICTED = Expectation(
    "ladder-predicted", "The predicted answers are off by {comparison:.0%} in the median, less than 40 %.",
    "The machine is not as fast as when it was calibrated. " + _BUSY, lambda comparison: comparison < 0.4)

CACHE_IS_NEARER = Expectation(
    "cache-is-nearer",
    "From memory, an answer takes {ratio:.1f} times as long as from the cache, more than 1.3 times.",
    "The caches here are smaller than the model, or others fill them.", lambda ratio: ratio > 1.3)

COLD_IS_COLD = Expectation(
    "cold-is-cold",
    "A read after dropping takes {ratio:.1f} times as long as one out of the page cache, more than twice.",
    "What lies below this system caches the file: a hypervisor's host, or the drive's controller.",
    lambda ratio: ratio > 2)

WEIGHTS_FEEL_DISTANCE = Expectation(
    "weights-feel-distance",
    "With its weights fetched from another machine, an answer takes {far:.0f} times as long as from memory, more than "
    "ten times.",
    "Answering takes as long as sending here: the processor is slow beside the link.", lambda far: far > 10)

INPUTS_HARDLY = Expectation(
    "inputs-hardly",
    "With 64 inputs fetched from there, and the weights at home, it takes {inputs:.1f} times as long: less than a "
    "fifth of those {weights:.0f} times.",
    "A message to another process costs much here, as on one core.", lambda inputs, weights: inputs < weights / 5)

LINE_PREDICTED = Expectation(
    "line-predicted", "The predicted round trips are off by {comparison:.0%} in the median, less than 40 %.",
    "What the caches keep changes from one moment to the next here. " + _BUSY, lambda comparison: comparison < 0.4)

BANDWIDTH_HARDLY = Expectation(
    "bandwidth-hardly",
    "With ten times the bandwidth, asking is worth it up to {ratio:.2f} times the round trip, less than 1.5 times: the "
    "question is short.",
    "The machine's speed changed between the two.", lambda ratio: ratio < 1.5)
