"""What Lab 2.5 expects of its measurements, and what it means where they come out otherwise."""

from __future__ import annotations

from labkit.expectation import Expectation

_CHANCE = "With few seeds, chance alone may do that: more effort trains more of them."

GROWTH_PREDICTED = Expectation(
    "growth-predicted",
    "For sizes that no curve was fitted to, predicted errors are off by {comparison:.0%} in the median, less than "
    "15 %.",
    "The curve bends where it was not fitted. " + _CHANCE, lambda comparison: comparison < 0.15)

FLOOR_IS_THE_NETWORKS = Expectation(
    "floor-is-the-networks",
    "With all pictures, the narrowest network is wrong {ratio:.1f} times as often as the widest, more than twice: more "
    "data do not make up for that.",
    "There are too few pictures here for the networks to come near their floors.", lambda ratio: ratio > 2)

STRAIGHT_MISSES = Expectation(
    "straight-misses",
    "A straight line without a floor promises {straight:.1f} % wrong for the largest size, fewer than the "
    "{measured:.1f} % that were measured.",
    "This run has too few pictures to come near the floor. " + _CHANCE, lambda straight, measured: straight < measured)

DIRT_PREDICTED = Expectation(
    "dirt-predicted", "The predicted errors with dirt are off by {comparison:.0%} in the median, less than 15 %.",
    "Some dirt is worse than nothing, and some is better. " + _CHANCE, lambda comparison: comparison < 0.15)

CAUSE_COSTS_MORE = Expectation(
    "cause-costs-more",
    "One label in five wrong costs {random:.1f} points if they are scattered, and {cause:.1f} if they have one cause: "
    "more than twice as many.",
    "The errors with a cause happened to hit pictures that the network could not tell anyway. " + _CHANCE,
    lambda random, cause: cause > 2 * random)

THROUGHOUT_AGREES = Expectation(
    "throughout-agrees",
    "In a network whose layers all learn, the same labels cost {random:.1f} and {cause:.1f} points: here too, errors "
    "with a cause cost more than scattered ones.",
    "This machine had no time to train it to its end, or two seeds are too few. " + _CHANCE,
    lambda random, cause: cause > random)

SOME_DIRT_IS_FREE = Expectation(
    "some-dirt-is-free",
    "Blue for red in one picture of five costs {blue:.1f} points, and pictures sent twice {twice:.1f}: each less than "
    "half of what scattered wrong labels cost, {random:.1f}.",
    _CHANCE, lambda blue, twice, random: max(blue, twice) < random / 2)

LEAK_FLATTERS = Expectation(
    "leak-flatters",
    "Once pictures of a test have leaked, {points:.1f} points fewer answers on them are wrong, more than 1: the test "
    "reports what does not hold of new ones.",
    "A network with few weights cannot remember single pictures. " + _CHANCE, lambda points: points > 1)

STRUCTURE_IS_FOUND = Expectation(
    "structure-is-found",
    "The schema finds every instalment whose structure is wrong ({found} of {wrong}), and nothing wrong with those in "
    "order.",
    "A mean lay far off by chance, or a rule of the library changed its meaning with its version.",
    lambda found, wrong, false: found == wrong and false == 0)

LABELS_TAKE_A_NETWORK = Expectation(
    "labels-take-a-network",
    "Of scattered wrong labels, a network that knows good pictures doubts {share:.0%} of the instalment, and of one in "
    "order {usual:.0%}: more than twice as many.",
    "The network is too often wrong itself to doubt anybody.", lambda share, usual: share > 2 * usual)

GATE_PAYS = Expectation(
    "gate-pays", "After all instalments, the gate has saved {points:.1f} points, more than 0.5.",
    "What got through did no harm this time, or the gate sent back too much. " + _CHANCE, lambda points: points > 0.5)

DATA_ARE_A_POWER = Expectation(
    "data-are-a-power",
    "With the same network, seconds grow with the pictures to the power of {power:.2f}, between 0.7 and 1.3.",
    "Something else used the cores meanwhile, or starting takes longer than a small training here.",
    lambda power: 0.7 < power < 1.3)

POINTS_MULTIPLY = Expectation(
    "points-multiply",
    "The first point of accuracy in the table takes {first:.2f} times the operations, the last {last:.2f} times: each "
    "multiplies them, the last by more.",
    "Two curves with other floors were fitted. " + _CHANCE, lambda first, last: 1 < first < last)
