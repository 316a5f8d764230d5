"""Where Lab 3.3 measures: servers and load generators that run, and what was measured on them."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import sleep

import numpy as np

from labkit import effort
from labkit.experiment import Outcome, Unavailable
from labkit.machine import Machine
from labkit.measure.open_loop import LOST, OK, SHED, Generator, Load
from labkit.predict import queueing
from labkit.processes import HelperFailed
from labkit.serving.server import Server, running
from labkit.session import KEPT, Session
from labkit.stats import TooFew, percentile, samples_needed
from labkit.timing.clock import CONTENDED, Contention, contended

MAX_BATCH, MAX_QUEUE = 4, 64
CLOSED, OPEN = "closed loop", "open loop"
_WANDERED = 0.1  # a speed that changes by more than this spoils a point
_WARM = 0.9  # the share of the requests that come after the first tenth of the time
_SPARE = 1.1  # more requests than needed: arrivals are random
_FEWEST = 12  # answers of a point: enough for a median
_LEAST_S = 1.0  # for a point, so that it meets more than one mood of the machine
_HIDES = 120  # answers for each client of a closed loop: the one that meets the stop is rarer than one in a hundred
_SHOWS = 20  # answers of an open loop: a tenth of them meet the stop
_TRIED_S = 0.3  # for the rate of so many clients


def service(machine: Machine) -> queueing.Service:
    """Return what the probe found of this machine's server; raises `ValueError` for a machine that lacks it."""
    calibration = machine.calibration("serving")
    alone = calibration.curve("computing")[0][1]
    return queueing.Service(
        tuple(map(tuple, calibration.curve("computing"))),
        tuple(seconds / alone for _, seconds in calibration.curve("spread")),
        calibration.curve("per request")[0][1],
        calibration.curve("per batch")[0][1],
        tuple(seconds for _, seconds in calibration.curve("rest")))


@dataclass(frozen=True)
class LoadPoint:
    """What a load generator found at one setting.

    Args:
        load: what became of the requests.
        slow: how long the network took for a picture, as a multiple of the calibrated time. The arrivals and the window
            were stretched by it, so that all times are, and can be brought back.
        busy: the share of the processors' time that other programs used meanwhile, 0 to 1.
    """

    load: Load
    slow: float
    busy: float

    @property
    def shed(self) -> float:
        """The share of the requests that were turned away."""
        return self.load.count(SHED) / len(self.load.due)

    @property
    def lost(self) -> int:
        """How many requests got no answer."""
        return self.load.count(LOST)

    def percentile(self, place: float) -> Outcome | Unavailable:
        """Return a percentile of the answers in seconds, 99 for p99, or how many more answers it would need."""
        answered = self.load.seconds[self.load.warm & (self.load.status == OK)]
        try:
            value, low, high = percentile(answered.tolist(), place)
        except TooFew as trouble:
            return Unavailable(f"{trouble} {self.load.note}".rstrip())
        notes = [f"{len(answered):,} answers.", self.load.note]
        if self.shed:
            notes.append(f"{self.shed:.0%} of the requests were turned away.")
        if abs(self.slow - 1) > 0.1:
            notes.append(f"A picture took the network {self.slow:.2f} times as long as when it was calibrated, so "
                         "the rate was adapted to keep the load.")
        notes.append(contended(self.busy))
        return Outcome(value, "s", low=low, high=high, note=" ".join(filter(None, notes)), speed=1 / self.slow)


class ServerTestbed:
    """Servers and load generators, started when they are first needed; what they measured, while `open` holds it.

    Args:
        machine: calibrated.
        most: seconds for which requests come at a setting, at most; the effort decides unless given.
        tries: for a setting, where the machine changes its speed meanwhile; the effort decides unless given.
        percentile: the highest that the answers of a setting should carry; the effort decides unless given.
    """

    def __init__(self, machine: Machine, most: float | None = None, tries: int | None = None,
                 percentile: float | None = None):
        self._reference, self._service = machine.calibration("serving").reference_seconds, service(machine)
        self._session, self._settings = Session(), 0
        self._most = most or effort.pick(quick=1.0, usual=4.0, long=12.0)
        self._tries = tries or effort.pick(quick=1, usual=1, long=3)
        self._percentile = percentile or effort.pick(quick=99, usual=99, long=99.9)

    @contextmanager
    def open(self) -> Iterator[ServerTestbed]:
        """Keep what is measured until the outermost block ends; `KEPT` keeps the servers."""
        with KEPT.open(), self._session.open():
            yield self

    def pairs(self, replicas: int = 1) -> list[tuple[Server, Generator]]:
        """Return so many servers, each with a generator; raises `HelperFailed` where one does not start."""
        from labkit.measure.probes import serving as probe

        return [KEPT.start(("server", place), probe.standing) for place in range(replicas)]

    def load(self, rate: float, max_batch: int, window: float, replicas: int = 1,
             fewest: int = _FEWEST) -> LoadPoint | Unavailable:
        """Let requests come at random; a setting that was met in this block is not met twice.

        Args:
            rate: requests a second at the calibrated speed; it is adapted to today's.
            max_batch, window: of the servers' queues; the window in seconds at the calibrated speed.
            replicas: servers that get the requests in turn.
            fewest: answers for which the point lasts in any case, up to twice its time.
        """
        setting = (rate, max_batch, window, replicas, fewest)
        try:
            return self._session.start(setting, lambda: nullcontext(self._measured(*setting)))
        except HelperFailed as trouble:
            return Unavailable(f"The server could not be measured: {trouble}")

    def _measured(self, rate, max_batch, window, replicas, fewest) -> LoadPoint | Unavailable:
        """Measure between two looks at the machine's speed; again, a few times, where it changed or others worked."""
        pairs = self.pairs(replicas)
        self._settings += 1
        for attempt in range(self._tries):
            contention = Contention()
            before = self._slow(pairs)
            if not math.isfinite(before):
                return Unavailable("The server answered no request at all: it is too slow here, or stopped.")
            for server, _ in pairs:
                server.configure(max_batch=max_batch, window=window * before, max_queue=MAX_QUEUE)
            answered = min(rate, queueing.capacity(self._service, max_batch, replicas))
            seconds = self.seconds(answered / before, fewest)
            ports = [server.port for server, _ in pairs]
            load = pairs[0][1].open(ports, rate / before, seconds, seed=100 * self._settings + attempt)
            after = self._slow(pairs)
            busy = contention.share()
            if max(before, after) < (1 + _WANDERED) * min(before, after) and busy <= CONTENDED:
                break
        return LoadPoint(load, (before * after) ** 0.5 if math.isfinite(after) else before, busy)

    def seconds(self, rate: float, fewest: int = _FEWEST) -> float:
        """Return for how long requests have to come until so many answers a second carry the highest percentile.

        Args:
            rate: answers a second.
            fewest: answers that are waited for even where the time for a point is over, up to twice that time.
        """
        enough = _SPARE * samples_needed(self._percentile) / _WARM / rate
        return max(min(max(enough, _LEAST_S), self._most), min(fewest / rate, 2 * self._most), 2 / rate)

    def _slow(self, pairs) -> float:
        from labkit.measure.probes import serving as probe

        return probe.reference(*pairs[0]) / self._reference


@dataclass(frozen=True)
class Stop:
    """How a server that stood still once looks in a closed and in an open loop.

    Args:
        loads: by the kind of loop; none where the server could not be measured.
        clients: of the closed loop.
        seconds: for which each loop ran.
        stop: seconds for which the server stood still.
        trouble: why there are no loads.
    """

    loads: dict[str, Load]
    clients: int = 0
    seconds: float = 0.0
    stop: float = 0.0
    trouble: str = ""

    def median(self, loop: str) -> Outcome | Unavailable:
        """Return the median of a loop's answers in seconds."""
        return self._quantile(loop, 0.5, fewest=1)

    def p99(self, loop: str) -> Outcome | Unavailable:
        """Return the 99th percentile of a loop's answers in seconds.

        In the closed loop, every client meets the stop once: with too few answers these are more than one in a hundred.
        """
        return self._quantile(loop, 0.99, fewest=_HIDES * self.clients if loop == CLOSED else _SHOWS)

    def share(self) -> Outcome | Unavailable:
        """Return p99 of the open loop as a share of the stop, in %."""
        p99 = self.p99(OPEN)
        return Outcome(100 * p99.value / self.stop, "%") if p99 else p99

    def _quantile(self, loop: str, place: float, fewest: int) -> Outcome | Unavailable:
        if loop not in self.loads:
            return Unavailable(self.trouble)
        answered = self.loads[loop].answered
        if len(answered) < fewest:
            return Unavailable(f"{len(answered):,} answers in {self.seconds:.1f} s, of {fewest:,} that it needs.")
        return Outcome(float(np.quantile(answered, place)), "s")


def stop_once(testbed: ServerTestbed) -> Stop:
    """Let the event loop of a server stop for a tenth of the time, while it is asked in a closed and in an open loop.

    As many clients ask in the closed loop, four at most, as get enough answers to hide the stop; where not even one
    does, the loops run for longer, within limits.

    Args:
        testbed: open.
    """
    seconds, most = effort.pick(quick=(1.2, 3.0), usual=(3.0, 8.0), long=(6.0, 20.0))
    try:
        [(server, generator)] = testbed.pairs()
        server.configure(max_batch=MAX_BATCH, max_queue=10_000)
        needed_s = {}
        for clients in (4, 2, 1):
            rate = generator.closed(server.port, clients, _TRIED_S).rate
            needed_s[clients] = _SPARE * _HIDES * clients / rate if rate > 0 else math.inf
            if needed_s[clients] <= seconds:
                break
        clients = min(needed_s, key=needed_s.get)
        seconds = min(max(seconds, needed_s[clients]), most)
        stall = _stalling(server, seconds / 3, seconds / 10)
        closed = generator.closed(server.port, clients, seconds, meanwhile=stall)
        opened = generator.open(server.port, 0.5 * closed.rate, seconds, meanwhile=stall)
    except (HelperFailed, ValueError) as trouble:
        return Stop({}, trouble=f"The server could not be measured: {trouble}")
    return Stop({OPEN: opened, CLOSED: closed}, clients, seconds, seconds / 10)


def _stalling(server: Server, after: float, seconds: float) -> Callable[[], None]:
    def meanwhile() -> None:
        sleep(after)
        server.stall(seconds)

    return meanwhile


@contextmanager
def small_service(timeout: float) -> Iterator[Server]:
    """Run the service with a small network that has learned nothing.

    Args:
        timeout: seconds that a client may take for a request's head, and for its body.
    """
    from labkit.models.networks.dense import DenseCats
    from labkit.runtimes.onnx_export import write

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = write(DenseCats(64), Path(folder) / "dense.onnx")
        with running(path, timeout) as server:
            yield server
