"""What Lab 4.5 expects of its measurements, and what it means where they come out otherwise."""

from __future__ import annotations

from labkit.expectation import Expectation

WHOLE_AS_RIGHT = Expectation(
    "whole-as-right",
    "In whole numbers, the network is off by {points:.1f} points of right answers from floats, less than 2.",
    "A network that has learned for a short time has answers that a rounding turns: take more effort.",
    lambda points: points < 2)

CYCLES_EXACT = Expectation(
    "cycles-exact", "The predicted cycles are off by {comparison:.0%}: they can be counted.",
    "The circuit or the formula was changed, and the other was not.", lambda comparison: comparison == 0)

PLACED_AS_PREDICTED = Expectation(
    "placed-as-predicted",
    "The clock of the circuit that was placed here is {ratio:.2f} of the predicted one, within 20 %.",
    "Another version of the tools finds other places and wires: the record says which version it is of.",
    lambda ratio: 0.8 < ratio < 1.2)

CPU_HAS_A_TAIL = Expectation(
    "cpu-has-a-tail",
    "One answer in a thousand takes the CPU {ratio:.1f} times the median, more than 1.3 times; the circuit's takes 1.",
    "Nothing else ran on this machine for a while, or its clock is coarse.", lambda ratio: ratio > 1.3)
