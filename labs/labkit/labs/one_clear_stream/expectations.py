"""What Lab 3.5 expects of its measurements, and what it means where they come out otherwise."""

from __future__ import annotations

from labkit.expectation import Expectation

_CHANCE = "Another order of sums, as other processors have, gives another network. Train it with another seed."
_BUSY = "Something else used the core meanwhile, or its speed changed since it was calibrated."

CLEAR = Expectation(
    "clear", "Alone, {share:.0f} % of the digits of voices that it has not heard are recognised: 95 % or more.",
    f"It has learned less than it usually does. {_CHANCE}", lambda share: share >= 95)

SECOND_VOICE = Expectation(
    "second-voice", "With another voice as loud, {share:.0f} % are left: less than 65 %.",
    f"This network tells the two apart better than most. {_CHANCE}", lambda share: share < 65)

WORSE_THAN_NOISE = Expectation(
    "worse-than-noise",
    "With the other voice softer by 10 dB, {voice:.0f} % are recognised, and with noise as soft {noise:.0f} %: a voice "
    "disturbs more than noise does.", f"This network has learned to ignore what is soft, whatever it is. {_CHANCE}",
    lambda voice, noise: voice < noise - 5)

CHANNEL = Expectation(
    "channel", "In the microphone of the wanted voice, {share:.0f} % are recognised again: 80 % or more.",
    f"It has learned less than it usually does. {_CHANCE}", lambda share: share >= 80)

LEARNS_BOTH = Expectation(
    "learns-both", "After learning from two voices at once, the same network names both digits {ratio:.1f} times as "
    "often, more than 1.4 times.", f"The training was too short to learn it, or this order of sums was unlucky. "
    f"{_CHANCE}", lambda ratio: ratio > 1.4)

PREDICTED = Expectation(
    "predicted", "The predicted numbers of streams are off by {comparison:.0%} in the median, less than 40 %.",
    _BUSY, lambda comparison: comparison < 0.4)

MANY = Expectation(
    "many", "One core follows {count:,.0f} clear streams, more than 20.",
    "This core is slow, or shared with others. " + _BUSY, lambda count: count > 20)
