"""What Lab 3.6 expects of its measurements, and what it means where they come out otherwise."""

from __future__ import annotations

from labkit.expectation import Expectation

_BUSY = "Something else used the cores meanwhile, or this machine has one core, or half of one."

LEARNED = Expectation(
    "learned", "On text that it has not seen, the model loses {own:.2f} nats a byte. Knowing nothing but how often "
    "each byte comes costs {letters:.2f}.",
    "The training ended too soon: this machine came to few steps in its seconds. `\"long\"` gives it more.",
    lambda own, letters: own < letters)

SAME_TEXT = Expectation(
    "same-text", "With and without a cache, {share:.0%} of the tokens are the same.",
    "Sums in another order differ in the last digit. Where two bytes are equally likely, that decides, and the texts "
    "go apart from there. Neither is wrong.", lambda share: share == 1)

CACHE_SAVES = Expectation(
    "cache-saves", "With 448 tokens so far, a token without a cache takes {times:.1f} times as long as with one, more "
    "than twice.",
    "Starting an operation takes longer here than computing it, as on a GPU that this model is too small for. " + _BUSY,
    lambda times: times > 2)

FIRST_IS_LONG = Expectation(
    "first-is-long", "The first token after 128 tokens of prompt takes {times:.1f} times as long as a further one, "
    "more than 1.5 times, and far less than 128 times.",
    "Reading is arithmetic and writing is memory traffic: this machine has more of the first beside the second than "
    "most have, or far less, as without vector units. " + _BUSY, lambda times: 1.5 < times < 100)

TOKENS_PREDICTED = Expectation(
    "tokens-predicted", "The predicted times of a token are off by {comparison:.0%} in the median, less than 40 %.",
    "The parts do not take as long together as they did alone. " + _BUSY, lambda comparison: comparison < 0.4)

FIRST_PREDICTED = Expectation(
    "first-predicted", "The predicted times to the first token are off by {comparison:.0%} in the median, less than "
    "40 %.", "The parts do not take as long together as they did alone. " + _BUSY, lambda comparison: comparison < 0.4)

BATCH_SHARES = Expectation(
    "batch-shares", "A step for 16 users takes {times:.1f} times as long as for one, less than 10 times: they share "
    "the weights.",
    "Arithmetic binds already, as on a core without vector units: then every user costs as much as the first.",
    lambda times: times < 10)

CONTINUOUS_GAINS = Expectation(
    "continuous-gains", "With answers of many lengths, continuous batching writes {times:.2f} times as many tokens a "
    "second as static batching, more than 1.1 times.",
    "Reading the prompts takes most of the time here, and that is the same in both ways. " + _BUSY,
    lambda times: times > 1.1)

SERVING_PREDICTED = Expectation(
    "serving-predicted", "The predicted tokens a second are off by {comparison:.0%} in the median, less than 40 %.",
    "A run lasts for seconds, and the machine's speed changed meanwhile. " + _BUSY, lambda comparison: comparison < 0.4)

CACHE_MEMORY = Expectation(
    "cache-memory", "The cache takes {share:.1%} of the bytes that were counted, 90 to 110 %.",
    "The system counts memory in its own way: it compresses it, or has moved some of it to a drive.",
    lambda share: 0.9 < share < 1.1)
