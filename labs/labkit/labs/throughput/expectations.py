"""What Lab 3.2, *Throughput*, expects of its measurements."""

from __future__ import annotations

from labkit.expectation import Expectation

LEARNED = Expectation(
    "learned", "The network learned in both formats: at least {right:.0f} % are right.",
    "The quantiser saw too few pictures, or the training was unlucky. Rates do not depend on it.",
    lambda right: right > 80)

FLOOR = Expectation(
    "floor", "No batch is faster than its floor: the closest takes {times:.2f} times as long.",
    "The rates of the floor were measured while the machine was slower than now.",
    lambda times: times > 0.8)

BATCH_WAITS = Expectation(
    "batch-waits", "256 pictures at once take more than 20 times as long as one: {times:.0f} times.",
    "One picture takes so little here that starting the runtime is most of it.",
    lambda times: times > 20)

BATCH_GAIN = Expectation(
    "batch-gain", "A batch of 64 gains a core little: {gain:.2f} times as many pictures a second.",
    "One picture alone leaves this core idle, or a batch of 64 no longer fits its caches.",
    lambda gain: 0.2 < gain < 15)

TOO_SHORT = Expectation(
    "too-short", "LoadGen does not believe the percentile of a run with {queries} queries: it needs {needed}.",
    "So short a run held enough queries here: the machine is fast.",
    lambda queries, needed, valid: not valid and queries < needed)

PERCENTILES = Expectation(
    "percentiles", "Our count over the trace and LoadGen's own percentiles are the same, within {apart:.1%}.",
    "A few slow samples weigh much in a short run: a percentile that stands on one of them moves by one.",
    lambda apart: apart < 0.05)

LITTLE = Expectation(
    "little", "Little's law holds in every scenario, within {apart:.1%}.",
    "Both sides count the same samples. Only those at the edges of a run can differ, and this run was short.",
    lambda apart: apart < 0.05)

SLOW_ONES = Expectation(
    "slow-ones", "No percentile came out at less than a quarter of its prediction; the lowest is {least:.2f} of it.",
    "LoadGen was disturbed while it was calibrated, so that its tail was taken for longer than it is.",
    lambda least: least > 0.25)

RATES = Expectation(
    "rates", "No rate is more than four times its prediction; the highest is {most:.2f} of it.",
    "The machine, or LoadGen's calls, were slower during the calibration than they are now.",
    lambda most: most < 4)

HIGHEST = Expectation(
    "highest", "The highest valid rate, {found:,.0f}/s, is not beyond four times the predicted {predicted:,.0f}/s.",
    "The machine was slower during the calibration than it is now.",
    lambda found, predicted: found < 4 * predicted)
