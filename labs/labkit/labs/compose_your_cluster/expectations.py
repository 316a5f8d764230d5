"""What Lab 5.1 expects."""

from __future__ import annotations

from labkit.expectation import Expectation

SHARE = Expectation(
    "share",
    "This machine reached {here:.2f} of its own peak in training; published trainings of ResNet-50 reached {low:.2f} "
    "to {high:.2f} of theirs.",
    "A small network on a CPU starts many small operations: its share says more about them than about the peak. Where "
    "it is higher, the matrix product that stands for the peak was disturbed.",
    lambda here, low, high: low / 2 < here < 2 * high)

WITHIN_THREE = Expectation(
    "within-three",
    "A planner that knows nothing of this machine but its peak is off by {error:.0%} in the median.",
    "The share of the peak that others reach is not this machine's. Put its own in, as the text says.",
    lambda error: error < 2)

EVIDENCE_MEDIAN = Expectation(
    "evidence-median",
    "Half of the published systems are predicted within a factor of {median:.2f}.",
    "A formula or a table has changed: read the rows on the page of the evidence.",
    lambda median: median < 1.5)

INSIDE = Expectation(
    "inside",
    "{inside:.0%} of the published figures lie in the printed interval.",
    "The intervals are too narrow for these rows: distrust them for yours.",
    lambda inside: inside > 0.7)

DEADLINE_COSTS = Expectation(
    "deadline-costs",
    "A third of the time takes {short:.0f} accelerators in place of {long:.0f}.",
    "The memory or the year's trainings bind, and not the deadline.",
    lambda short, long: short > 2 * long)
