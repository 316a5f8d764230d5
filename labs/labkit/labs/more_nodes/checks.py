"""The self-checks of Lab 2.2, *More nodes*."""

from __future__ import annotations

from labkit.checks import SLACK, Verdict, holds, not_here, number, pays_from
from labkit.experiment import Experiment, Unavailable
from labkit.predict import collectives
from labkit.predict.data_parallel import COMPUTING, EXPOSED, slowest
from labkit.specs import network


def traffic(answer: int | None, width: int, nodes: int) -> Verdict:
    """Check the bytes that each node of a ring sends in a step of the cat network of some width."""
    size = network.FLOAT * network.parameters(network.cats(width))
    return number(answer, collectives.traffic(size, nodes), tolerance=0.001, hint=(
        "Each parameter has a gradient of four bytes; labkit.specs.network.parameters counts them. A node of a ring "
        "sends 2 (n - 1) / n of that."))


def takes_over(answer: int | None, experiment: Experiment, **point) -> Verdict:
    """Check the fewest nodes on the slider at which communication that shows takes longer than computing; 0 for none.

    Args:
        answer: the nodes.
        experiment: that on the time of a step.
        point: its other axes.
    """
    if not (two := experiment.predict(nodes=2, **point)):
        return _impossible(two)
    shares = {}
    for nodes in experiment.axis("nodes").values:
        if outcome := experiment.predict(nodes=nodes, **point):
            shares[nodes] = outcome.parts[EXPOSED] / outcome.parts[COMPUTING]
    return pays_from(answer, shares, right="from there on the nodes talk for longer than they compute.", hint=(
        "Set the sliders as the exercise says and step through the nodes. Take the first number at which the breakdown "
        "shows more exposed communication than computing; 0 if there is none."))


def waiting(answer: float | None, nodes: int, usual: float, slow: float, share: float) -> Verdict:
    """Check the mean seconds of a step that waits for the slowest of some nodes.

    Args:
        answer: seconds.
        nodes: how many.
        usual, slow: seconds of a node's step, most times and in a `share` of cases.
        share: from 0 to 1, in hundredths.
    """
    many = round(100 * share)
    return number(answer, slowest([usual] * (100 - many) + [slow] * many, nodes), tolerance=0.01, hint=(
        "All nodes are on time with probability (1 - share)ⁿ. Then the step takes the usual time, else the slow one."))


def slowest_link(answer: float | None, experiment: Experiment, **point) -> Verdict:
    """Check the slowest link on the slider, in Gbit/s, over which two nodes are faster than one; 0 for none.

    Args:
        answer: the bandwidth.
        experiment: that on the time of a step.
        point: its other axes, but for the nodes.
    """
    if not (two := experiment.predict(nodes=2, rate=experiment.axis("rate").start, **point)):
        return _impossible(two)

    def gain(rate):
        one, two = (experiment.predict(nodes=nodes, rate=rate, **point).value for nodes in (1, 2))
        return one / two

    gains = {rate: gain(rate) for rate in experiment.axis("rate").values}
    return pays_from(answer, gains, right="over anything slower the second node costs more than it gives.", hint=(
        "Note the time of a step with one node. Then set two nodes and step through the bandwidths, from the slowest "
        "on, until the step takes less; 0 if it never does."))


def fastest(answer: tuple[int, int] | None, experiment: Experiment, **point) -> Verdict:
    """Check the nodes and the global batch that have learned soonest.

    Args:
        answer: nodes and batch, both on the sliders.
        experiment: that on the time until the network has learned.
        point: its other axes.
    """
    if not (start := experiment.predict(**{**experiment.start, **point})):
        return _impossible(start)
    times = {(n, batch): outcome.value for n in experiment.axis("nodes").values
             for batch in experiment.axis("batch").values
             if (outcome := experiment.predict(nodes=n, batch=batch, **point))}

    def fits(pair):
        if tuple(pair) not in times:
            raise ValueError("it must be nodes and batch, both on the sliders, no more nodes than the batch has "
                             "pictures")
        return times[tuple(pair)] <= SLACK * min(times.values())

    expected = f"{min(times, key=times.get)}, or one that takes {SLACK - 1:.0%} longer at most"
    return holds(answer, fits, expected=expected, right="neither the most nodes nor the largest batch.", hint=(
        "Step through the nodes for each batch, and look for the least time."))


def _impossible(missing: Unavailable) -> Verdict:
    return not_here(f"This exercise needs a prediction that this machine cannot have. {missing.reason}")
