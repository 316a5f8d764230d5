"""What Lab 2.3 expects of its measurements, and what it means where they come out otherwise."""

from __future__ import annotations

from labkit.expectation import Expectation

_BUSY = "Something else used the cores or the disk meanwhile, or two cores here are two threads of one."

COLD_IS_GONE = Expectation(
    "cold-is-gone", "After the files were dropped, {share:.0%} of their pages are still in memory: at most 10 %.",
    "This system keeps files in memory against what it was asked.", lambda share: share <= 0.1)

COLD_IS_SLOWER = Expectation(
    "cold-is-slower",
    "A loose file takes {ratio:.1f} times as long from storage as from memory, more than 1.1 times.",
    "What lies below this system caches as well: the host of a virtual machine, or the controller of the disk. Then a "
    "cold read here is a read of its memory.", lambda ratio: ratio > 1.1)

RECORDS_ARE_READY = Expectation(
    "records-are-ready",
    "A coded picture takes {ratio:.1f} times as long to prepare as a decoded one, more than twice.",
    "Handing batches over takes longer here than decoding does. " + _BUSY, lambda ratio: ratio > 2)

STEPS_PREDICTED = Expectation(
    "steps-predicted", "The predicted steps are off by {comparison:.0%} in the median, less than 40 %.",
    "The workers do not get the cores that they had while they were timed alone. " + _BUSY,
    lambda comparison: comparison < 0.4)

STALLS_PREDICTED = Expectation(
    "stalls-predicted",
    "Where the accelerator waits for a tenth of the time or more, the predicted stall is off by {error:.0%} in the "
    "median, less than 30 %.",
    "The loader is faster or slower than its stages were alone, and a stall near nothing shows it most. " + _BUSY,
    lambda error: error < 0.3)

SLOW_NEVER_WAITS = Expectation(
    "slow-never-waits",
    "An accelerator that takes 200 samples a second waits for {stall:.0f} % of the time: under 15 %.",
    "Not even 200 pictures a second can be fetched and prepared here. " + _BUSY, lambda stall: stall < 15)

WORKERS_OVERLAP = Expectation(
    "workers-overlap",
    "Without a worker a step takes {ratio:.2f} times as long as with one, more than 1.1 times: the accelerator waits "
    "while the process loads.",
    "Handing batches over costs as much here as the overlap saves, as on half a core. " + _BUSY,
    lambda ratio: ratio > 1.1)

SHARDS_ON_DISK = Expectation(
    "shards-on-disk",
    "From this machine's own storage, a picture of a shard is fetched and prepared {ratio:.1f} times as fast as a "
    "loose one, less than 3 times: shards gain little here.",
    "Opening a cold file is slow here, as on a disk with moving heads, in a network folder or under a virus scanner.",
    lambda ratio: ratio < 3)

LINK_PREDICTED = Expectation(
    "link-predicted", "The predicted rates over the link are off by {comparison:.0%} in the median, less than 40 %.",
    "Store, link and readers are processes of one computer here, and wait for each other's core. " + _BUSY,
    lambda comparison: comparison < 0.4)

SHARDS_OVER_LINK = Expectation(
    "shards-over-link",
    "Over a link with a round trip of 10 ms, one reader gets {ratio:.0f} times as many samples from shards as from "
    "loose files, more than 5 times.",
    "Preparing takes so long here that the wait for each file hardly counts. " + _BUSY, lambda ratio: ratio > 5)

READERS_HIDE_LATENCY = Expectation(
    "readers-hide-latency",
    "Eight readers of loose files get {ratio:.1f} times as much as one, more than 3 times: they wait at the same time.",
    "Eight processes are too many for this machine's cores. " + _BUSY, lambda ratio: ratio > 3)

READERS_SHARE = Expectation(
    "readers-share",
    "Four readers of shards get {ratio:.1f} times as much as one, less than 4 times: they share link and cores.",
    "One reader was slowed down by something else.", lambda ratio: ratio < 4)

MIXED_COSTS_REQUESTS = Expectation(
    "mixed-costs-requests",
    "As loose files, samples of picture, sound and text come {ratio:.1f} times as slowly as pictures, 2 to 5 times: "
    "each is three files.",
    "The bytes or the preparing of a sample count for more here than its three round trips.",
    lambda ratio: 2 < ratio < 5)
