"""The self-checks of Lab 1.3, *Cats: train, then infer*."""

from __future__ import annotations

from labkit.checks import Verdict, holds, number, on_slider
from labkit.labs.cats.experiments import BATCHES
from labkit.machine import Machine
from labkit.predict import step
from labkit.specs import network

NEARLY = 1.1  # "within a tenth of the best"
SLACK = 1.03  # a reading off a curve may be this far off


def parameters(answer: int | None, width: int) -> Verdict:
    """Check the number of parameters of the cat network of a width."""
    return number(answer, network.parameters(network.cats(width)), tolerance=0, hint=(
        "A convolution has 9 weights for each pair of a channel read and a channel written, and one bias for each "
        "channel written; the last layer reads 4 × width channels of 4 × 4 points for 3 classes, plus 3 biases."))


def large_enough_batch(answer: int | None, machine: Machine, width: int) -> Verdict:
    """Check the smallest batch at which a picture costs at most a tenth more time than at the best batch."""
    each = {b: sum(step.seconds(machine.calibration("operators"), "inference", width, b).values()) / b for b in BATCHES}
    best = min(each.values())

    def fits(batch):
        smaller = [each[b] for b in BATCHES if b < batch]
        return each[batch] <= NEARLY * SLACK * best and all(time > NEARLY / SLACK * best for time in smaller)

    right = f"above a batch of {answer}, a picture costs hardly any less time."
    return on_slider(answer, BATCHES, fits, right=right, hint=(
        "Divide the time of an inference by its batch, for every batch; take the smallest batch whose time for one "
        "picture is at most 1.1 times the shortest."))


def activations_share(answer: float | None, width: int, batch: int) -> Verdict:
    """Check which share, in %, of a training step's peak memory the activations take."""
    parts = step.memory("training step", width, batch)
    return number(answer, 100 * parts["activations"] / sum(parts.values()), tolerance=0.05, hint=(
        "Read the breakdown under the curve: divide the activations by the sum of all parts, and give it in percent."))


def mended(answer, allowed: int = 300) -> Verdict:
    """Check a mended network: `answer` is the network and how many many-coloured pictures it was shown."""
    from labkit.labs.cats import distribution_shift
    from labkit.models.datasets import cats
    from labkit.models.evaluation import evaluate

    def good(given):
        trained, shown = given
        many = [evaluate(trained, distribution_shift.pictures(coat)).accuracy for coat in cats.MANY_COLOURED]
        one = [evaluate(trained, distribution_shift.pictures(coat)).accuracy for coat in cats.ONE_COLOUR]
        many, one = sum(many) / len(many), sum(one) / len(one)
        no_cats = cats.load(distribution_shift.CATS_A_COAT, seed=distribution_shift.SEED, balance=(0, 1, 1))
        others = evaluate(trained, no_cats).accuracy
        return shown <= allowed and many >= 0.95 and one >= 0.98 and others >= 0.98, (
            f"With {shown} pictures: {many:.1%} of many-coloured cats, {one:.1%} of one-colour cats, "
            f"{others:.1%} of cars and bicycles.")

    expected = f"a network that recognises 95 % of new coats and 98 % of all else, from {allowed} pictures at most"
    return holds(answer, good, expected=expected, right="old and new coats are both recognised.", hint=(
        f"Use at most {allowed} many-coloured pictures, and reach 95 % on many-coloured cats while keeping 98 % on "
        "one-colour ones, and on cars and bicycles: mix old pictures in, and show the new ones more than once."
    ))
