"""What Lab 2.2 expects of its measurements, and what it means where they come out otherwise."""

from __future__ import annotations

from labkit.expectation import Expectation

_BUSY = "Something else used the cores meanwhile, or two cores here are two threads of one."

BATCH_COUNTS = Expectation(
    "batch-counts",
    "A step with ten times the pictures takes {ratio:.1f} times as long: more than 2 and less than 20 times.",
    "Where it is less, starting the operations takes longer than their arithmetic, and a small batch is a waste; where "
    "it is more, the larger batch no longer fits the caches, or the machine slowed down meanwhile.",
    lambda ratio: 2 < ratio < 20)

LONG_MESSAGES = Expectation(
    "long-messages",
    "An all-reduce of 64 MiB takes {ratio:,.0f} times as long as one of 16 bytes: more than 20 times.",
    "Here a short message takes nearly as long as a long one: the processes wait for their turn on a core. "
    + _BUSY, lambda ratio: ratio > 20)

TWO_NUMBERS = Expectation(
    "two-numbers",
    "Latency and bandwidth alone explain the all-reduces within {off:.0%} in the median, less than 60 %.",
    "The line of two numbers fits badly here: caches of other sizes, or a neighbour that came and went. The prediction "
    "uses the measured curve and not the line.", lambda off: off < 0.6)

EXCHANGE_SHOWS = Expectation(
    "exchange-shows",
    "Exchanging the most gradients makes a step longer by {share:.2f} times what the all-reduce takes by itself, more "
    "than 0.2 times.",
    "Nearly all of the exchange is hidden here, though there is nothing to hide it behind: this machine has cores to "
    "spare, or the difference of two times was lost in its noise.", lambda share: share > 0.2)

PREDICTED = Expectation(
    "predicted", "The predicted steps are off by {comparison:.0%} in the median, less than 50 %.",
    "Two processes do not get two whole cores here, or the machine changed its speed in a way that the steps "
    "beside did not show. " + _BUSY, lambda comparison: comparison < 0.5)

CONVOLUTIONS_GAIN_MORE = Expectation(
    "convolutions-gain-more",
    "The second node makes the cat network {cats:.2f} times as fast and the dense network {dense:.2f} times: it gains "
    "more where more is computed for each byte that is exchanged.",
    "The dense network's step was slowed down alone, or the cats' together. " + _BUSY,
    lambda cats, dense: cats > dense)

NO_MORE_THAN_TWO = Expectation(
    "no-more-than-two", "Two nodes are at most about twice as fast as one: {cats:.2f} times, less than 2.5.",
    "More than twice as fast cannot come from the second node alone: the half batch fits a cache that the whole one "
    "does not, or the machine was slower while one process was measured.", lambda cats: cats < 2.5)

ROUND_TRIPS = Expectation(
    "round-trips",
    "Over a link with a round trip of 10 ms a step takes {seconds:.3f} s, which is more than the round trip.",
    "The emulated link did not delay the messages: tell us which backend it was.", lambda seconds: seconds > 0.01)

BACKENDS_AGREE = Expectation(
    "backends-agree",
    "The two emulated links agree: namespaces take {least:.2f} to {most:.2f} times as long as the hook, within a "
    "factor of 2.5.",
    "The process that moves the packets got too little of the cores here; trust the hook more.",
    lambda least, most: least > 0.4 and most < 2.5)

FAR_IS_SLOWER = Expectation(
    "far-is-slower", "A step over 10 ms takes {ratio:.1f} times as long as one over the loopback.",
    "The step is so long on this machine that the round trip is lost in its noise.", lambda ratio: ratio > 1)

TALK_AT_1024 = Expectation(
    "talk-at-1024", "At 1,024 nodes of this kind {share:.0f} % of a step is communication, more than half.",
    "This machine computes slowly for the speed of its loopback, so the turn comes at more nodes.",
    lambda share: share > 50)

LARGE_BATCHES_COST = Expectation(
    "large-batches-cost",
    "A batch of 1,024 needs {ratio:.1f} times the pictures of a batch of 16, more than twice.",
    "Few runs were possible, and one odd one among them moves the mean; with `long` effort there are more.",
    lambda ratio: ratio > 2)

TURN = Expectation(
    "turn", "1,024 nodes need {ratio:.1f} times as long to learn as the best number of nodes.",
    "Exchanging costs next to nothing on this machine, or it was disturbed when it was calibrated.",
    lambda ratio: ratio > 1)

TIME_TO_LEARN = Expectation(
    "time-to-learn",
    "The times until the network has learned are {least:.1f} to {most:.1f} times as long as predicted: within a factor "
    "of 5.", "Whoever trains also reads and shuffles pictures and looks at the accuracy, which the prediction leaves "
    "out; on a slow or busy machine that weighs more.", lambda least, most: least > 0.2 and most < 5)
