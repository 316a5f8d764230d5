"""What Lab 1.1, *Your machine*, expects of its measurements."""

from __future__ import annotations

from labkit.expectation import Expectation

_DISTURBED = ("Something else used the machine during the calibration or just now, or its speed changed faster than "
              "the point beside each point could show. Close what runs beside it, and calibrate again: "
              "labkit.machine.this(…, again=True).")

LARGE_PRODUCTS = Expectation(
    "large-products",
    "The largest product runs at more than twice the rate of the smallest: {times:.1f} times as fast.",
    "Arithmetic is so slow here, without vector instructions for one, that even a small product takes long against the "
    "cost of starting it; or the machine was disturbed during the calibration.",
    lambda times: times > 2)

CACHE = Expectation(
    "cache", "The nearest cache is read faster than memory: {times:.1f} times as fast.",
    "Adding numbers up takes longer here than fetching them, as on a CPU without vector instructions or on one "
    "core of many, so that caches cannot show; or a neighbour held the cache.",
    lambda times: times > 1)

RIDGE = Expectation(
    "ridge", "The ridge, at {ridge:.1f} FLOP/byte, lies between an addition of arrays (1/12) and a product of side "
    "1,024 (171).",
    "An addition is bound by arithmetic here, or even a large product by memory: the arithmetic is very slow, or very "
    "fast, beside the memory.",
    lambda ridge: 1 / 12 < ridge < 171)

PRODUCTS = Expectation(
    "products", "Matrix products are predicted to within half in the median: off by {error:.0%}.", _DISTURBED,
    lambda error: error < 0.5)

READS = Expectation(
    "reads", "Reads from caches and memory are predicted to within half in the median: off by {error:.0%}.",
    f"{_DISTURBED} A cache that is shared with neighbours has another size from minute to minute.",
    lambda error: error < 0.5)

MOVES = Expectation(
    "moves", "Moving bytes is predicted to within half in the median: off by {error:.0%}.",
    f"{_DISTURBED} Disks and networks are shared more than arithmetic; on one core the two ends of a message take "
    "turns.",
    lambda error: error < 0.5)
