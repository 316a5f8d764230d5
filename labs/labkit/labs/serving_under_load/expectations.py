"""What Lab 3.3 expects of its measurements."""

from __future__ import annotations

from labkit.expectation import Expectation

SLOW_CLIENTS = Expectation(
    "slow-clients",
    "Clients that send a byte every tenth of a second were cut off after {seconds:.1f} s, where 1 s was allowed.",
    "The service is so busy or so slow here that its own timers run late.",
    lambda seconds: seconds < 5)

BATCHES_SHARE = Expectation(
    "batches-share",
    "In a batch of 8, a picture takes {share:.0%} of what a picture alone takes the network.",
    "The weights are not what takes the time here: they may fit into the caches, or the core computes so slowly "
    "(without vector units, for instance) that fetching them does not count. Batches then win little, and the choices "
    "of this lab lie closer together.",
    lambda share: share < 0.8)

PREDICTION = Expectation(
    "prediction",
    "The predicted times are off by {error:.0%} in the median.",
    "Queues magnify: a server that is a tenth slower than when it was calibrated can have twice the queue. Other "
    "programs, a core that is shared, or a clock that changed between calibration and measurement do that.",
    lambda error: error < 0.5)

KNEE = Expectation(
    "knee",
    "The predicted knee lies at {share:.0%} of the measured one.",
    "The knee moves with the server's speed: other programs or a shared core have changed it since the calibration.",
    lambda share: 0.5 < share < 2)

BEYOND_CAPACITY = Expectation(
    "beyond-capacity",
    "At 150 % of the capacity the median answer takes {times:.1f} times as long as at 10 %.",
    "The server was faster than its calibration says, and the queue did not fill: measure again on a quiet machine.",
    lambda times: times > 3)

WINDOW_COSTS = Expectation(
    "window-costs",
    "At a third of the load, a window of 20 ms makes p99 {times:.1f} times as long.",
    "A batch takes so long here that 20 ms are little beside it.",
    lambda times: times > 1)

RELIEF = Expectation(
    "relief",
    "Under too much load, batches of 8 cut the predicted p99 to {larger:.0%}, two servers to {two:.0%}.",
    "Batches win little on this machine, so that a larger limit does not relieve it.",
    lambda larger, two: larger < 1 and two < 1)

BATCHES_GAIN = Expectation(
    "batches-gain",
    "In batches of 8 the server answered {gain:.1f} times as many requests a second as one at a time.",
    "Where the network is quick, or its core slow without vector units, HTTP or the arithmetic limit the server, and "
    "batches do not help.",
    lambda gain: gain > 1)

COORDINATED_OMISSION = Expectation(
    "coordinated-omission",
    "One stop of the server: p99 is {opened:.3f} s in the open loop, {closed:.3f} s in the closed one, which hides it.",
    "Something else stopped the server for long as well, so that slow answers are no rarity in the closed loop either: "
    "a neighbour on the same core, for instance.",
    lambda opened, closed: opened > 2 * closed)

RIGHT_ANSWERS = Expectation(
    "right-answers",
    "Under the flood, {wrong} answers named another class than the network gives for the picture alone.",
    "Two scores that differ in the last digit can change places in a batch, where sums are taken in another order.",
    lambda wrong: wrong == 0)

SHED_NOT_LOST = Expectation(
    "shed-not-lost",
    "At twice the capacity {shed:.0f} % were turned away at once, and {lost} were lost.",
    "The server was faster than its calibration says, and had room for all; or it was so slow that some waited for "
    "longer than the generator does.",
    lambda shed, lost: shed > 0 and lost == 0)

RECOVERY = Expectation(
    "recovery",
    "After the flood the median answer takes {calm:.3f} s again; p99 of the flood was {flooded:.3f} s.",
    "The server had not recovered when the few requests came: it is slower than the time that was given to it.",
    lambda calm, flooded: calm < flooded)
