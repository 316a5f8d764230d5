"""The self-checks of Lab 4.5, *An FPGA at the edge*."""

from __future__ import annotations

from itertools import count, takewhile

from labkit.checks import Verdict, number, on_slider
from labkit.experiment import Experiment
from labkit.predict import fpga
from labkit.specs.fpga import PARTS, Circuit


def cycles(answer: int | None, inputs: int, hidden: int, lanes: int) -> Verdict:
    """Check the cycles that the first layer's products take: one for each input of each group, and for the biases."""
    return number(answer, hidden // lanes * (inputs + 1), tolerance=0, hint=(
        "There are as many groups as the lanes fit into the neurons. Each group reads every input once, and the one "
        "for the biases."))


def pictures(answer: float | None, clock: float, cycles: int) -> Verdict:
    """Check the pictures a second of a circuit that takes some cycles of a clock in Hz for each."""
    return number(answer, clock / cycles, tolerance=0.01, hint="A clock of so many Hz has so many cycles a second.")


def fewest_lanes(answer: int | None, experiment: Experiment, deadline: float, **point) -> Verdict:
    """Check the fewest lanes on the slider that answer within a deadline in s; 0 for none."""
    lanes = experiment.axis("lanes").values
    times = {count: experiment.predict(lanes=count, **point) for count in lanes}
    enough = [count for count, time in times.items() if time and time.value <= deadline]
    return on_slider(answer, (0, *lanes), lambda count: count == (enough[0] if enough else 0), hint=(
        "Step the lanes up until the time is within the deadline; 0 if the part is full before."),
        right="more lanes would stand idle until the next picture.")


def most_neurons(answer: int | None, inputs: int, part: str) -> Verdict:
    """Check the most hidden neurons, a multiple of 16, whose weights find room beside 16 lanes on a part."""
    fits = takewhile(lambda hidden: not fpga.too_large(Circuit(inputs, hidden, 16), PARTS[part]), count(16, 16))
    return number(answer, max(fits), tolerance=0.1, hint=(
        "A memory has 18,432 bits, and a weight 8. Leave one or two memories for the activations."))
