"""What Lab 2.7 expects of its measurements, and what it means where they come out otherwise."""

from __future__ import annotations

from labkit.expectation import Expectation

_BUSY = "Something else used the cores or the memory meanwhile."

MEMORY_PREDICTED = Expectation(
    "memory-predicted", "What a process holds is predicted within {worst:.0%} at every point, less than 10 %.",
    "This version of PyTorch gathers ahead, or frees, otherwise than the one that was counted.",
    lambda worst: worst < 0.1)

CHANGES_PREDICTED = Expectation(
    "changes-predicted", "With other batches, models and processes it is predicted within {worst:.0%}, less than 10 %.",
    "This version of PyTorch gathers ahead, or frees, otherwise than the one that was counted.",
    lambda worst: worst < 0.1)

TWO_WAYS_AGREE = Expectation(
    "two-ways-agree",
    "The system counts {ratio:.2f} times the memory that the tensors add up to, 0.9 to 1.2 times.",
    "The C library keeps freed memory for later, or the product of matrices keeps room to work in.",
    lambda ratio: 0.9 < ratio < 1.2)

SHARDS_SAVE = Expectation(
    "shards-save", "Whole, the model takes {ratio:.1f} times the memory of its shards, more than 1.5 times.",
    "Activations weigh more than the model here.", lambda ratio: ratio > 1.5)

BYTES_PREDICTED = Expectation(
    "bytes-predicted", "What a process sends is predicted within {worst:.1%} at every point, less than 2 %.",
    "This version of PyTorch exchanges otherwise than the one that was counted.", lambda worst: worst < 0.02)

SHARDS_SEND = Expectation(
    "shards-send", "By ZeRO-3 a process sends {ratio:.2f} times the bytes of data parallel training, 1.9 to 2.1 times.",
    "The library no longer carries a reduce-scatter by an all-reduce: then it is 1.5.",
    lambda ratio: 1.9 < ratio < 2.1)

EXCHANGE_PREDICTED = Expectation(
    "exchange-predicted", "The predicted exchanges are off by {comparison:.0%} in the median, less than 40 %.", _BUSY,
    lambda comparison: comparison < 0.4)

SHARDS_TAKE_LONGER = Expectation(
    "shards-take-longer",
    "By themselves, the exchanges of ZeRO-3 take {ratio:.1f} times as long as those of data parallel training, more "
    "than 1.2 times.",
    "A few large messages cost more for each byte than many small ones here. " + _BUSY, lambda ratio: ratio > 1.2)
