"""Lab 3.3: how long the answers of a web service take, by how many requests come, and how it makes batches of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from labkit.experiment import Axis, Comparison, Experiment, Outcome, Point, Unavailable
from labkit.labs.session import Session
from labkit.machine import Machine
from labkit.predict import queueing
from labkit.predict.percentiles import TooFew, percentile
from labkit.timing.clock import CONTENDED, Contention

LIMITS = (1, 2, 4, 8)
WINDOWS = (0.0, 0.005, 0.02)
REPLICAS = (1, 2, 4)
TRIPS = (0.0, 0.001, 0.01, 0.05)
SHARES = {"p50": 50, "p90": 90, "p99": 99, "p99.9": 99.9}
LOADS = (0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0)  # of the capacity with batches of `LIMIT`
LIMIT, ROOM = 4, 64
BAND = 0.3  # nine predictions in ten are within it up to 80 % of the capacity
WANDERED = 0.1  # a speed that changes by more than this spoils a point


def service(machine: Machine) -> queueing.Service:
    """Return what the probe found of this machine's server."""
    calibration = machine.calibration("serving")
    alone = calibration.curve("computing")[0][1]
    return queueing.Service(
        tuple(map(tuple, calibration.curve("computing"))),
        tuple(seconds / alone for _, seconds in calibration.curve("spread")),
        calibration.curve("handling")[0][1],
        calibration.curve("handing")[0][1],
        tuple(seconds for _, seconds in calibration.curve("rest")))


def rates(machine: Machine) -> tuple[float, ...]:
    """Return the arrival rates of the slider, in requests a second: `LOADS` of the predicted capacity."""
    most = queueing.capacity(service(machine), LIMIT)
    return tuple(float(f"{load * most:.2g}") for load in LOADS)


def at(machine: Machine, load: float) -> float:
    """Return the arrival rate of the slider for one of `LOADS`."""
    return rates(machine)[LOADS.index(load)]


@dataclass(frozen=True)
class Sweep:
    """What a load generator found at one setting.

    Args:
        load: `labkit.measure.open_loop.Load`.
        slow: how long the network took for a picture, as a multiple of the calibrated time. The arrivals and the window
            were stretched by it, so that all times are, and can be brought back.
        busy: the share of the processors' time that other programs used meanwhile, 0 to 1.
    """

    load: object
    slow: float
    busy: float

    def percentile(self, share: float) -> Outcome | Unavailable:
        """Return a percentile of the answers in seconds, or how many more it would need."""
        warm = self.load.seconds[self.load.late & (self.load.status == 200)]
        try:
            value, low, high = percentile(warm.tolist(), share)
        except TooFew as trouble:
            return Unavailable(str(trouble))
        notes = [f"{len(warm):,} answers."]
        if shed := self.load.count(503):
            notes.append(f"{shed / len(self.load.due):.0%} of the requests were turned away.")
        if abs(self.slow - 1) > 0.1:
            notes.append(f"A picture took the network {self.slow:.2f} times as long as when it was calibrated, so "
                         "the rate was adapted to keep the load.")
        if self.busy > CONTENDED:
            notes.append(f"Other programs used {self.busy:.0%} of the processor meanwhile.")
        return Outcome(value, "s", low=low, high=high, note=" ".join(notes), speed=1 / self.slow)


class Bench:
    """A server and a load generator, started when they are first needed.

    Args:
        machine: calibrated.
        seconds: for which requests come, at each setting.
        tries: for a setting, where the machine changes its speed meanwhile.
    """

    def __init__(self, machine: Machine, seconds: float, tries: int = 3):
        self.calibrations, self._seconds, self._tries = machine.calibration("serving"), seconds, tries
        self._session, self._settings = Session(), 0

    @contextmanager
    def open(self) -> Iterator[Bench]:
        """Keep what is started, and found, until the outermost block ends."""
        with self._session.open():
            yield self

    def pairs(self, replicas: int = 1) -> list:
        """Return so many servers, each with a generator."""
        from labkit.measure.probes import serving as probe

        return [self._session.start(place, probe.standing) for place in range(replicas)]

    def sweep(self, rate: float, limit: int, window: float, replicas: int = 1) -> Sweep:
        """Let requests come at random for a while; a setting that was met in this block is not met twice."""
        setting = (rate, limit, window, replicas)
        return self._session.start(setting, lambda: nullcontext(self._measured(*setting)))

    def _measured(self, rate, limit, window, replicas) -> Sweep:
        """Measure between two looks at the machine's speed; again, a few times, where it changed or others worked."""
        pairs = self.pairs(replicas)
        self._settings += 1
        for attempt in range(self._tries):
            contention = Contention()
            before = self._slow(pairs)
            for server, _ in pairs:
                server.settle(limit=limit, window=window * before, room=ROOM)
            ports = [server.port for server, _ in pairs]
            load = pairs[0][1].open(ports, rate / before, self._seconds, seed=100 * self._settings + attempt)
            after = self._slow(pairs)
            busy = contention.share()
            if max(before, after) < (1 + WANDERED) * min(before, after) and busy <= CONTENDED:
                break
        return Sweep(load, (before * after) ** 0.5, busy)

    def _slow(self, pairs) -> float:
        from labkit.measure.probes import serving as probe

        return probe.reference(*pairs[0]) / self.calibration.reference_seconds


def answers(machine: Machine, seconds: float = 3.5, tries: int = 2, *, title: str = "Answers under load") -> Experiment:
    """Return the experiment on the time of an answer, by arrivals, batches, replicas and the network between.

    Args:
        machine: this machine, with what its lab's probes find on it.
        seconds: for which requests come at a measured point.
        tries: for a point, where the machine changes its speed meanwhile.
        title: of the experiment.

    Raises:
        ValueError: a machine that lacks the probe.
    """
    server, bench = service(machine), Bench(machine, seconds, tries)

    def predict(rate, limit, window, replicas, trip, share):
        played = queueing.play(server, rate, limit, window, ROOM, replicas)
        value, parts = played.percentile(SHARES[share])
        note = f"{played.shed:.0%} of the requests are turned away." if played.shed > 0.005 else ""
        whole = value + trip
        return Outcome(whole, "s", low=whole / (1 + BAND), high=whole / (1 - BAND), parts={**parts, "the link": trip},
                       note=note)

    def measure(rate, limit, window, replicas, trip, share):
        if trip:
            return Unavailable("A longer way adds its round trip to every answer and changes no queue, since requests "
                               "do not wait for answers; Lab 4.4 measures links. Set it to 0 to measure.")
        if (refusal := too_few_cores(replicas)) is not None:  # it is false
            return refusal
        with bench.open():
            return bench.sweep(rate, limit, window, replicas).percentile(SHARES[share])

    return Experiment(
        title=title,
        quantity="Time of an answer",
        unit="s",
        axes=[
            Axis("rate", "Requests that come", rates(machine), start=at(machine, 0.5), unit="requests/s", log=True),
            Axis("limit", "Pictures in a batch, at most", LIMITS, start=LIMIT),
            Axis("window", "A batch waits for more", WINDOWS, unit="s"),
            Axis("replicas", "Replicas", REPLICAS),
            Axis("trip", "Round trip of the network", TRIPS, unit="s"),
            Axis("share", "Percentile", tuple(SHARES), start="p99"),
        ],
        predict=predict,
        measure=measure,
        readout="{rate} in batches of up to {limit} (window {window}, replicas {replicas}, round trip {trip}): "
                "{share} is {value}, of which {part:waiting} is waiting.",
        session=bench.open,
    )


def too_few_cores(replicas: int) -> Unavailable | None:
    """Return why so many replicas cannot be measured here, or None where they can: each needs about two cores."""
    from labkit import device as devices

    cores = devices.cores()
    if replicas == 1 or cores >= 2 * replicas:
        return None
    return Unavailable(f"{replicas} replicas need about {2 * replicas} cores, one for the network and one for the rest "
                       f"of each; this machine has {cores:g}. They would only take them from each other.")


def points(machine: Machine, loads: Sequence[float], shares: Sequence[str] = tuple(SHARES), limit: int = LIMIT,
           window: float = 0.0) -> list[Point]:
    """Return points at some of `LOADS`, with one replica and no link."""
    return [dict(rate=at(machine, load), limit=limit, window=window, replicas=1, trip=0.0, share=share)
            for load in loads for share in shares]


def curve(comparison: Comparison, share: str) -> tuple[list[float], list[float], list[Outcome]]:
    """Return the rates at which a percentile was measured, what was predicted in seconds, and what was measured."""
    rows = [row for row in comparison.rows if row.point["share"] == share and row.measured]
    return ([row.point["rate"] for row in rows], [row.predicted.value for row in rows], [row.measured for row in rows])


def knees(machine: Machine, comparison: Comparison) -> tuple[Outcome, Outcome | Unavailable]:
    """Return the rate at which the median has trebled, predicted and measured, in requests a second."""
    server = service(machine)
    predicted = Outcome(queueing.knee(server, LIMIT, room=ROOM), "requests/s")
    rate, _, found = curve(comparison, "p50")
    try:
        value, low, high = queueing.crossing(rate, [each.value for each in found], queueing.TREBLED * server.idle)
    except ValueError as trouble:
        return predicted, Unavailable(f"{trouble} Measure again, with other programs closed.")
    return predicted, Outcome(value, "requests/s", low=low, high=high)


def closed_and_open(bench: Bench, load: float, clients: int, stall: float, seconds: float) -> dict[str, object]:
    """Let the event loop of a server stop once, while it is asked in an open and in a closed loop; return the loads.

    Args:
        bench: open.
        load: of the open loop, as a share of the capacity that the closed loop finds.
        clients: of the closed loop.
        stall: seconds for which the loop stands still.
        seconds: for each of the two.
    """
    from time import sleep

    [(server, generator)] = bench.pairs()
    server.settle(limit=LIMIT, room=10_000)

    def meanwhile():
        sleep(seconds / 3)
        server.stall(stall)

    closed = generator.closed(server.port, clients, seconds, meanwhile=meanwhile)
    opened = generator.open(server.port, load * closed.rate, seconds, meanwhile=meanwhile)
    return {"closed loop": closed, "open loop": opened}


def table(comparison: Comparison) -> str:
    """Return predicted and measured percentiles side by side in ms, a line for each rate."""
    lines = [f"{'requests/s':>10}" + "".join(f"{share:>16}" for share in SHARES)]
    for rate in dict.fromkeys(row.point["rate"] for row in comparison.rows):
        cells = []
        for share in SHARES:
            row = next(row for row in comparison.rows if (row.point["rate"], row.point["share"]) == (rate, share))
            measured = f"{1e3 * row.measured.value:.3g}" if row.measured else "too few"
            cells.append(f"{1e3 * row.predicted.value:.3g}, {measured}")
        lines.append(f"{rate:>10g}" + "".join(f"{cell:>16}" for cell in cells))
    return "\n".join(lines)


def shortest(machine: Machine, rate: float, share: str = "p99") -> tuple[int, float]:
    """Return the batch limit and the window that give the shortest predicted percentile with one replica."""
    server = service(machine)
    return min(((limit, window) for limit in LIMITS for window in WINDOWS), key=lambda way: queueing.play(
        server, rate, *way, ROOM).percentile(SHARES[share])[0])


def validation(machine: Machine) -> list[tuple[Experiment, list[Point]]]:
    """Return the experiments with the points that `labkit validate` measures.

    No probe let requests come at random. Of p99.9 there are too few answers.
    """
    shares = ("p50", "p90", "p99")
    below = points(machine, (0.1, 0.2, 0.35, 0.5, 0.65, 0.8), shares)
    below += points(machine, (0.1, 0.35), shares, limit=2)
    below += points(machine, (0.35, 0.8), shares, limit=8)
    below += points(machine, (0.2, 0.5), shares, window=0.005)
    above = points(machine, (0.9, 1.0, 1.1, 1.5), shares)
    return [
        (answers(machine, 5.0, 3, title="Answers up to 80 % of the capacity"), below),
        (answers(machine, 5.0, 3, title="Answers from 90 to 150 % of the capacity"), above),
    ]
