"""The self-checks of Lab 4.1, *A smaller machine*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labkit.checks import Verdict, holds, not_here, number, pays_from
from labkit.experiment import Experiment, Unavailable
from labkit.labs.a_smaller_machine import experiments as small
from labkit.predict import small_machine as predicted

if TYPE_CHECKING:
    from labkit.models.datasets.cats import Pictures

LOST = 1.0  # percentage points that a mended network may lose


def file_size(answer: int | None, width: int) -> Verdict:
    """Check the bytes of weights and biases in an int8 file of the cat network."""
    parts = predicted.file("int8 dynamic", width)
    return number(answer, parts["weights"] + parts["biases"], tolerance=0.01, hint=(
        "Count the parameters as in Lab 1.3. Those that are no biases are weights, of one byte each; there is one bias "
        "for each channel written, of four bytes each."))


def faster_from(answer: int | None, experiment: Experiment) -> Verdict:
    """Check the narrowest width on the slider at which static int8 beats fp32, one picture at a time; 0 for none."""
    def gain(width):
        at = {"width": width, "batch": 1, "device": small.THIS}
        return experiment.predict(dtype="fp32", **at).value / experiment.predict(dtype="int8 static", **at).value

    gains = {width: gain(width) for width in small.WIDTHS}
    return pays_from(answer, gains, right="below it, int8 saves less than the conversions cost.", hint=(
        "Set the device to this machine and the batch to 1, and step through the widths with fp32 and with int8 "
        "static. Take the first width at which int8 takes less time; 0 if there is none."))


def largest_batch(answer: int | None, experiment: Experiment, width: int, limit: int) -> Verdict:
    """Check the largest batch on the slider that trains within a memory limit."""
    least = experiment.predict(job="train", width=width, batch=1)
    if isinstance(least, Unavailable):
        return not_here(least.reason)
    batch = small.largest(experiment, width, limit)
    return number(answer, batch or 0, tolerance=0, hint=(
        "Set the second Explorer to train at this width, and raise the batch until the memory passes the limit. The "
        "answer is the last batch before; 0 if not even a batch of 1 fits."))


def mended(answer, original, pictures: Pictures, bits: int) -> Verdict:
    """Check a network with few bits a weight: as good as the original, give or take a percentage point."""
    from labkit.models.evaluation import evaluate
    from labkit.models.networks.quantised import Quantised

    def good(network):
        if not isinstance(network, Quantised) or network.bits > bits:
            raise ValueError(f"it must be a Quantised network with {bits} bits a weight or fewer")
        before, after = 100 * evaluate(original, pictures).accuracy, 100 * evaluate(network, pictures).accuracy
        return after >= before - LOST, (
            f"{before:.1f} % right in 32 bit, {after:.1f} % with {network.bits} bits a weight.")

    expected = f"a Quantised network with {bits} bits a weight that loses {LOST:g} point or less"
    return holds(answer, good, expected=expected, right="the network has learned to live with few levels.", hint=(
        "Quantise a copy with Quantised.of, then train it as the lab does: more pictures, more epochs, or a smaller "
        "rate at the end."))
