"""How long an all-reduce takes: every process has numbers of its own, and ends with the sums of all.

In a ring each process talks to its two neighbours alone. The numbers are cut into as many chunks as there are
processes, and in 2 (n - 1) rounds every chunk goes round twice, once to be added up and once to be handed out. Each
process so sends 2 (n - 1) / n times its bytes, which no method can undercut (Patarasuk and Yuan 2009,
doi:10.1016/j.jpdc.2008.09.002).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Real

from labkit.inputs import whole
from labkit.least_squares import two_costs
from labkit.predict import links
from labkit.specs.calibration import CostCurve


@dataclass(frozen=True)
class Link:
    """What a process sends to its neighbour over.

    Args:
        latency: seconds until the first byte of a message is there.
        bandwidth: bytes a second in one direction; infinite for no limit.

    Raises:
        ValueError: a latency below 0 or without end, or a bandwidth that is not above 0.
    """

    latency: float = 0.0
    bandwidth: float = math.inf

    def __post_init__(self):
        if not 0 <= self.latency < math.inf or not self.bandwidth > 0:
            raise ValueError(f"A link has a latency from 0 s up and a bandwidth above 0 B/s, not {self.latency} s and "
                             f"{self.bandwidth} B/s.")


def rounds(processes: int) -> int:
    """Return how many messages each process of a ring sends, one after the other: none where there is only one.

    Raises:
        ValueError: a number of processes that is no whole number from 1 up. So do all functions here.
    """
    whole(processes=processes)
    return 2 * (processes - 1)


def traffic(size: float, processes: int) -> float:
    """Return the bytes that each process of a ring sends, and receives, for `size` bytes of numbers."""
    _size(size)
    return rounds(processes) * size / processes


def ring(size: float, processes: int, link: Link) -> float:
    """Return the seconds of an all-reduce of `size` bytes: a latency for each round, and the traffic."""
    return rounds(processes) * link.latency + traffic(size, processes) / link.bandwidth


def around(curve: CostCurve, size: float, processes: int) -> float:
    """Return the seconds of an all-reduce of `size` bytes among any number of processes, from the times of two.

    Two processes take two rounds with a chunk of half the bytes each. A round with the same chunk takes as long in a
    larger ring, where every process has a neighbour of its own to talk to.

    Args:
        curve: measured seconds of two processes, `[[bytes, seconds], …]`.
        size, processes: as in `ring`.
    """
    _size(size)
    return rounds(processes) / rounds(2) * links.seconds(curve, 2 * size / processes)


def two_levels(size: float, nodes: int, each: int, inside: Link, between: Link) -> float:
    """Return the seconds of an all-reduce of `size` bytes among nodes that hold several accelerators.

    The accelerators of a node share out the adding, each carries its share to the other nodes, and the results are
    handed out inside. All three go on at once, chunk after chunk, so that the slower of the two kinds of link rules.

    Args:
        size: bytes of numbers in each accelerator.
        nodes: how many.
        each: accelerators in a node.
        inside: from accelerator to accelerator in a node.
        between: from node to node; its bandwidth is that of all the node's ports together.
    """
    return max(ring(size, each, inside), ring(size, nodes, between))


def through_all(size: float, nodes: int, each: int, inside: Link, between: Link) -> float:
    """Return the seconds of an all-reduce of `size` bytes by one ring through every accelerator of every node.

    Each accelerator is a hop, and the slower of the two kinds of link sets the rate. A hop is taken to be as late as
    one between nodes.

    Args:
        size, nodes, each, inside, between: as in `two_levels`.
    """
    if nodes == 1:
        return ring(size, each, inside)
    return ring(size, nodes * each, Link(between.latency, min(inside.bandwidth, between.bandwidth)))


def fit(points: Iterable[tuple[int, float, float]]) -> Link:
    """Return the latency and the bandwidth that explain measured all-reduces best, each point's error a share of it.

    Args:
        points: `(processes, bytes, seconds)`, of two sizes or two numbers of processes at least.

    Raises:
        ValueError: fewer than two different points, or a time that is not above 0.
    """
    points = list(points)
    if len({point[:2] for point in points}) < 2:
        raise ValueError("Latency and bandwidth need all-reduces of two different sizes or more.")
    if not all(0 < seconds < math.inf for _, _, seconds in points):
        raise ValueError("An all-reduce takes a time above 0 s.")
    latency, inverse = two_costs([(rounds(n) / seconds, traffic(size, n) / seconds) for n, size, seconds in points],
                                 [1.0] * len(points))
    return Link(latency, 1 / inverse if inverse else math.inf)


def _size(size: float) -> None:
    if isinstance(size, bool) or not isinstance(size, Real) or not 0 <= size < math.inf:
        raise ValueError(f"An all-reduce adds up a number of bytes from 0 up, not {size!r}.")
