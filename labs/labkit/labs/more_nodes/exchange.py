"""What exchanging gradients costs the worker processes of this machine, over the loopback or an emulated link."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from statistics import median

from labkit.experiment import Unavailable
from labkit.measure.probes import data_parallel as probe
from labkit.measure.probes.data_parallel import LINKS, LOOPBACK
from labkit.netem import gloo_ring
from labkit.predict import collectives, links
from labkit.specs.calibration import Calibration
from labkit.specs.link import LinkSpec

SHORT, BEND = 2**16, 2**25  # bytes: up to where latency rules, and beyond which a message no longer fits the caches
HIDING = "hook"  # counts from when an exchange begins, so that its own time passes while the link would deliver


def fitted(exchanges: Sequence[probe.Exchange] | Unavailable) -> collectives.Link | Unavailable:
    """Return the latency and the bandwidth of a round, of measured all-reduces between two processes.

    Short ones count by the fastest, for a process that is set aside costs more than they take; long ones, which are set
    aside often enough to show what is usual, by the median.
    """
    if not exchanges:
        return exchanges
    return collectives.fit((probe.PROCESSES, one.size, one.fastest if one.size <= SHORT else one.usual)
                           for one in exchanges if one.size <= BEND)


def misfit(exchanges: Sequence[probe.Exchange], link: collectives.Link) -> list[float]:
    """Return how far the fit is off at each size, as a fraction of what was measured."""
    measured = [one.fastest if one.size <= SHORT else one.usual for one in exchanges]
    return [collectives.ring(one.size, probe.PROCESSES, link) / seconds - 1
            for one, seconds in zip(exchanges, measured, strict=True)]


def median_misfit(exchanges: Sequence[probe.Exchange] | Unavailable,
                  link: collectives.Link | Unavailable) -> float | Unavailable:
    """Return how far the fit is off in the median, as a fraction."""
    return median(map(abs, misfit(exchanges, link))) if exchanges else exchanges


def growth(exchanges: Sequence[probe.Exchange] | Unavailable) -> float | Unavailable:
    """Return how many times as long as the smallest message, at its fastest, the largest usually takes."""
    return exchanges[-1].usual / exchanges[0].fastest if exchanges else exchanges


class ExchangeCost:
    """What exchanging costs the processes of this machine.

    Args:
        calibration: what the probe `data_parallel` found.
        backend: how the link is emulated.
        nodes: processes, two or more.
        spec: what the link is.
    """

    def __init__(self, calibration: Calibration, backend: str, nodes: int, spec: LinkSpec):
        self._sums, self._nodes, self._spec = calibration.curve("sum", backend), nodes, spec
        self._handshakes, self._hides = handshake_round_trips(calibration, backend), backend == HIDING

    def alone(self, size: int) -> float:
        """Return the seconds of an all-reduce of `size` bytes by itself."""
        return self.own(size) + self.latency(size) + self.sending(size)

    def own(self, size: int) -> float:
        """Return the seconds for which an all-reduce of `size` bytes keeps the processors busy."""
        return collectives.around(self._sums, size, self._nodes)

    def latency(self, size: int) -> float:
        """Return the seconds that it takes longer because the link is long, however fast it is."""
        waited = self._handshakes * gloo_ring.waiting(size, self._nodes, self._spec)
        if not self._hides:
            return waited
        sent = gloo_ring.sending(size, self._nodes, self._spec)
        return max(waited + sent - self.own(size) - self.sending(size), 0.0)

    def sending(self, size: int) -> float:
        """Return the seconds that it takes longer because the link is slow.

        While a chunk passes the link, the processors already copy the next.
        """
        return max(gloo_ring.sending(size, self._nodes, self._spec) - (self.own(size) - self.own(0)), 0.0)


def bucket_overhead(calibration: Calibration, size: int) -> float:
    """Return the seconds that a bucket of `size` bytes adds to a step beyond what its all-reduce takes by itself."""
    longer = _fit(tuple(map(tuple, calibration.curve("exchange", LOOPBACK))))
    return max(collectives.ring(size, probe.PROCESSES, longer)
               - links.seconds(calibration.curve("sum", LOOPBACK), size), 0.0)


def wake_up_latency(calibration: Calibration, backend: str) -> float:
    """Return the seconds that a step over an emulated link takes beyond its all-reduce, until all go on: a constant.

    Whoever passes the messages on needs a processor too, and has to be woken while the others compute.
    """
    if backend == LOOPBACK:
        return 0.0
    tried = ExchangeCost(calibration, backend, probe.PROCESSES, probe.TRIED)
    return max(median(seconds - tried.alone(size) for size, seconds in calibration.curve("exchange", backend)), 0.0)


def handshake_round_trips(calibration: Calibration, backend: str) -> float:
    """Return the handshake round trips that a short all-reduce took over an emulated link, for each of gloo's ring.

    It is 1 where the ring does as it says (`labkit.netem.gloo_ring`), which is assumed where no link was emulated.
    """
    waits = (calibration.curves.get(("waiting", name)) for name in dict.fromkeys((backend, *LINKS)))
    if not (curve := next(filter(None, waits), None)):
        return 1.0
    (short, fast), (long, slow) = curve[0], curve[-1]
    return max((slow - fast) / (long - short), 0.0) / gloo_ring.round_trips(probe.SIZES[0], probe.PROCESSES)


@cache
def _fit(curve: tuple[tuple[float, float], ...]) -> collectives.Link:
    return collectives.fit((probe.PROCESSES, *point) for point in curve)
