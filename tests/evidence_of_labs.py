"""Evidence of labs that nobody ran, on the machine of the tests: what a student would hand in."""

from __future__ import annotations

from labkit import evidence, expectation, experiment
from labkit.experiment import Axis, Experiment, Outcome, compare
from labkit.labs.lab import labs

_TITLES = {"1.1": "Matrix products", "1.2": "One inference of a network of dense layers",
           "1.3": "One training step against one inference: memory",
           "2.1": "A training step by number format and threads", "2.2": "One step by more nodes",
           "2.3": "A step, fed from this machine's storage",
           "2.4": "A training beside neighbours", "2.5": "Wrong answers, by dirt", "2.6": "A training that is killed",
           "2.7": "What one process holds", "3.1": "One run of the cat network, in two ways",
           "3.2": "Pictures a second, by the way of asking", "3.3": "Answers under load",
           "3.4": "An answer, by where its weights lie", "3.5": "Clear streams that one core follows",
           "3.6": "Time of each further token", "4.1": "One run of the cat network in ONNX Runtime",
           "4.2": "Sources that one core answers in time", "4.3": "An answer, by the distance of what it needs",
           "4.4": "How far the car goes",
           "4.5": "Cycles from a picture to its answer", "5.1": "A hundred steps of training, as a planner says it"}


def evidence_of(lab: str, machine, spread: float = 0.1) -> evidence.Evidence:
    """Return the evidence of a lab: five points, measured up to 20 % off, with a spread as a fraction."""
    def measure(size):
        value = size * (1.05 + 0.03 * size)
        return Outcome(value, "s", low=value * (1 - spread), high=value * (1 + spread))

    toy = Experiment(title=_TITLES.get(lab, "Toy"), quantity="Time", unit="s",
                     axes=[Axis("size", "Size", (1, 2, 3, 4, 5))], predict=lambda size: Outcome(float(size), "s"),
                     measure=measure, readout="{value}")
    experiment.begin()
    expectation.begin(lab)
    compare(toy, [{"size": size} for size in range(1, 6)])
    (probes,) = [each.probes for each in labs() if each.number == lab]
    return evidence.of(lab, machine, probes, {})
