"""What Lab 1.2, *Nodes and synapses*, expects of its measurements."""

from __future__ import annotations

from labkit.expectation import Expectation

ALONE_IS_BEST = Expectation(
    "alone-is-best", "Layers timed alone predict better ({alone:.0%} off in the median) than two numbers "
    "({two:.0%}).",
    "Where arithmetic is slow, without vector instructions for one, every layer is bound by it, and two numbers say "
    "nearly all; or the machine was disturbed while its layers were timed.",
    lambda alone, two: alone < two)

NEURONS_ARE_WORK = Expectation(
    "neurons-are-work", "Twice the neurons take longer ({neurons:.2f} times) than twice the computers ({computers:.2f} "
    "times).",
    "Something else used the machine while one of the two ran. Run the cell again.",
    lambda neurons, computers: neurons > computers)

WITHIN_HALF = Expectation(
    "within-half", "From layers timed alone, the times are predicted to within half in the median: off by {error:.0%}.",
    "Something else used the machine during the calibration or just now, or its memory is shared with neighbours. "
    "Close what runs beside it, and calibrate again: labkit.machine.this('layers', again=True).",
    lambda error: error < 0.5)
