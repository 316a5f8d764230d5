"""Lab 3.3: how long the answers of a web service take, by how many requests come, and how it makes batches of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

from labkit import effort, host
from labkit.experiment import Axis, Comparison, Experiment, Outcome, Point, Unavailable
from labkit.labs.serving_under_load.testbed import MAX_BATCH, MAX_QUEUE, LoadPoint, ServerTestbed, service
from labkit.machine import Machine
from labkit.measure.open_loop import LOST
from labkit.predict import queueing
from labkit.predict.queueing import Played, Queue, Service
from labkit.processes import HelperFailed
from labkit.specs.network import CLASSES, FLOAT, PICTURE
from labkit.units import percent

MAX_BATCHES = (1, 2, 4, 8)
WINDOWS = (0.0, 0.005, 0.02)
REPLICAS = (1, 2, 4)
TRIPS = (0.0, 0.001, 0.01, 0.05)
PERCENTILES = {"p50": 50, "p90": 90, "p99": 99, "p99.9": 99.9}
LOADS = (0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0)  # of the capacity with batches of `MAX_BATCH`
BAND = 0.3  # nine predictions in ten are within it up to 80 % of the capacity
WAYS = {"batches of 4": dict(max_batch=4, window=0.0, replicas=1),
        "batches of 8": dict(max_batch=8, window=0.0, replicas=1),
        "8, window 20 ms": dict(max_batch=8, window=0.02, replicas=1),
        "two servers of 4": dict(max_batch=4, window=0.0, replicas=2)}
_FILLS = 3 * MAX_QUEUE  # requests at twice the capacity, half of which are answered meanwhile: more than fit the queue
DRAWN = ("p50", "p90", "p99")  # in the figure


# Predictions


def rates(machine: Machine) -> tuple[float, ...]:
    """Return the arrival rates of the slider, in requests a second: `LOADS` of the predicted capacity."""
    most = queueing.capacity(service(machine), MAX_BATCH)
    return tuple(float(f"{load * most:.2g}") for load in LOADS)


def at(machine: Machine, load: float) -> float:
    """Return the arrival rate of the slider for one of `LOADS`."""
    return rates(machine)[LOADS.index(load)]


def play(server: Service, queue: Queue) -> Played:
    """Let requests come at random in the model, fewer of them at quick effort."""
    count = effort.pick(quick=queueing.ARRIVALS // 3, usual=queueing.ARRIVALS, long=queueing.ARRIVALS)
    return queueing.play(server, queue, count)


@lru_cache(maxsize=8192)
def _percentile(server: Service, queue: Queue, place: float, level: str) -> tuple[float, dict[str, float], float]:
    """Return a percentile of the answers in seconds, its parts, and the share of requests that are turned away."""
    played = play(server, queue)
    return *played.percentile(place), played.shed


def answers(machine: Machine, testbed: ServerTestbed | None = None, *, title: str = "Answers under load") -> Experiment:
    """Return the experiment on the time of an answer, by arrivals, batches, replicas and the network between.

    Args:
        machine: this machine, with what its lab's probes find on it.
        testbed: where it is measured; one of its own unless given.
        title: of the experiment.

    Raises:
        ValueError: a machine that lacks the probe.
    """
    server, testbed = service(machine), testbed or ServerTestbed(machine)

    def predict(rate, max_batch, window, replicas, trip, percentile):
        queue = Queue(rate, max_batch, window, MAX_QUEUE, replicas)
        seconds, parts, shed = _percentile(server, queue, PERCENTILES[percentile], effort.current())
        note = f"{percent(shed)} of the requests are turned away." if shed > 0.005 else ""
        value = seconds + trip
        return Outcome(value, "s", low=value / (1 + BAND), high=value / (1 - BAND), parts={**parts, "the link": trip},
                       note=note)

    def measure(rate, max_batch, window, replicas, trip, percentile):
        if trip:
            return Unavailable("A longer way adds its round trip to every answer and changes no queue, since requests "
                               "do not wait for answers; Lab 4.4 measures links. Set it to 0 to measure.")
        refusal = too_few_cores(replicas)
        if refusal is not None:
            return refusal
        with testbed.open():
            point = testbed.load(rate, max_batch, window, replicas)
            return point.percentile(PERCENTILES[percentile]) if point else point

    return Experiment(
        title=title,
        quantity="Time of an answer",
        unit="s",
        axes=[
            Axis("rate", "Requests that come", rates(machine), start=at(machine, 0.5), unit="requests/s", log=True),
            Axis("max_batch", "Pictures in a batch, at most", MAX_BATCHES, start=MAX_BATCH),
            Axis("window", "A batch waits for more", WINDOWS, unit="s"),
            Axis("replicas", "Replicas", REPLICAS),
            Axis("trip", "Round trip of the network", TRIPS, unit="s"),
            Axis("percentile", "Percentile", tuple(PERCENTILES), start="p99"),
        ],
        predict=predict,
        measure=measure,
        readout="{rate} in batches of up to {max_batch} (window {window}, replicas {replicas}, round trip {trip}): "
                "{percentile} is {value}, of which {part:waiting} is waiting.",
        session=testbed.open,
    )


def too_few_cores(replicas: int) -> Unavailable | None:
    """Return why so many replicas cannot be measured here, or None where they can: each needs about two cores."""
    cores = host.cores()
    if replicas == 1 or cores >= 2 * replicas:
        return None
    return Unavailable(f"{replicas} replicas need about {2 * replicas} cores, one for the network and one for the rest "
                       f"of each; this machine has {cores:g}. They would only take them from each other.")


def points(machine: Machine, loads: Sequence[float], percentiles: Sequence[str] = tuple(PERCENTILES),
           max_batch: int = MAX_BATCH, window: float = 0.0) -> list[Point]:
    """Return points at some of `LOADS`, with one replica and no link."""
    return [dict(rate=at(machine, load), max_batch=max_batch, window=window, replicas=1, trip=0.0, percentile=name)
            for load in loads for name in percentiles]


def lab_points(machine: Machine) -> list[Point]:
    """Return the points of the lab's comparison, as many as the effort allows."""
    return points(machine, effort.pick(quick=(0.1, 0.8, 1.5), usual=(0.1, 0.35, 0.65, 0.8, 0.9, 1.0, 1.5),
                                       long=(0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1.0, 1.1, 1.5)))


# What came out


def measured(comparison: Comparison, rate: float, percentile: str) -> Outcome | Unavailable:
    """Return what was measured of a percentile at a rate, or why nothing was."""
    for row in comparison.rows:
        if (row.point["rate"], row.point["percentile"]) == (rate, percentile):
            return row.measured
    return Unavailable(f"At {rate:g} requests a second nothing was measured with this effort.")


def idle(comparison: Comparison) -> Outcome | Unavailable:
    """Return the median of the answers at the lowest rate: those of a server that is nearly idle."""
    return measured(comparison, min(row.point["rate"] for row in comparison.rows), "p50")


def curve(comparison: Comparison, percentile: str) -> tuple[list[float], list[Outcome]]:
    """Return the rates at which a percentile could be measured, and what came out."""
    rows = [row for row in comparison.rows if row.point["percentile"] == percentile and row.measured]
    return [row.point["rate"] for row in rows], [row.measured for row in rows]


def knees(machine: Machine, comparison: Comparison) -> tuple[Outcome, Outcome | Unavailable]:
    """Return the rate at which the median has trebled, predicted and measured, in requests a second."""
    server = service(machine)
    predicted = Outcome(queueing.knee(server, MAX_BATCH, max_queue=MAX_QUEUE), "requests/s")
    at_rates, outcomes = curve(comparison, "p50")
    if not outcomes:
        return predicted, Unavailable("The median could be measured at no rate.")
    seconds = [outcome.value for outcome in outcomes]
    try:
        value, low, high = queueing.crossing(at_rates, seconds, queueing.TREBLED * server.idle)
    except ValueError as trouble:
        return predicted, Unavailable(f"{trouble} Measure again, with other programs closed.")
    return predicted, Outcome(value, "requests/s", low=low, high=high)


def fastest(testbed: ServerTestbed, max_batches: Sequence[int]) -> dict[int, Outcome | Unavailable]:
    """Return the answers a second in full batches, by the limit of a batch, from clients that ask again at once."""
    seconds = effort.pick(quick=0.6, usual=1.0, long=3.0)
    answered = {}
    for max_batch in max_batches:
        try:
            [(server, generator)] = testbed.pairs()
            server.configure(max_batch=max_batch)
            rate = generator.closed(server.port, 2 * max_batch + 2, seconds).rate
        except HelperFailed as trouble:
            answered[max_batch] = Unavailable(str(trouble))
            continue
        few = Unavailable(f"In {seconds:g} s there were no answers to count.")
        answered[max_batch] = Outcome(rate, "requests/s") if rate > 0 else few
    return answered


@dataclass(frozen=True)
class Flood:
    """A server that twice as many requests reached as it can answer, and then few again.

    Args:
        flooded, after: what was measured at either load.
        http_binds: whether HTTP and not the network limits this server: requests then queue where nobody turns any
            away.
    """

    flooded: LoadPoint | Unavailable
    after: LoadPoint | Unavailable
    http_binds: bool = False

    @property
    def shed(self) -> Outcome | Unavailable:
        """The share of the requests that were turned away, in %."""
        if self.http_binds:
            return Unavailable("HTTP, and not the network, limits this server: requests queue for the event loop, "
                               "where nobody turns them away.")
        if not self.flooded:
            return self.flooded
        came = len(self.flooded.load.due)
        if came < _FILLS and not self.flooded.shed:
            return Unavailable(f"Only {came:,} requests came in the time that there was, too few to fill the queue.")
        return Outcome(100 * self.flooded.shed, "%")

    @property
    def lost(self) -> int | Unavailable:
        """How many requests got no answer."""
        return self.flooded.load.count(LOST) if self.flooded else self.flooded

    @property
    def wrong(self) -> int | Unavailable:
        """How many answers named another class than the network gives for the picture alone."""
        return self.flooded.load.wrong if self.flooded else self.flooded

    @property
    def p99(self) -> Outcome | Unavailable:
        """The 99th percentile of the answers to those who were let in, in seconds."""
        return self.flooded.percentile(99) if self.flooded else self.flooded

    @property
    def median_after(self) -> Outcome | Unavailable:
        """The median of the answers when few requests come again, in seconds."""
        return self.after.percentile(50) if self.after else self.after


def flood(testbed: ServerTestbed, machine: Machine) -> Flood:
    """Let twice as many requests come as the server can answer, and then few again; the testbed is open."""
    flooded = testbed.load(at(machine, 2.0), MAX_BATCH, 0.0, fewest=_FILLS)
    after = testbed.load(at(machine, 0.1), MAX_BATCH, 0.0)
    busy = max(at(machine, 2.0) * service(machine).per_request, flooded.load.busy if flooded else 0.0)
    return Flood(flooded, after, busy > 0.8)


def endless(machine: Machine) -> Outcome:
    """Return the predicted p99 at twice the capacity if all of `queueing.ARRIVALS` requests were let in."""
    queue = Queue(at(machine, 2.0), MAX_BATCH, max_queue=queueing.ARRIVALS)
    return Outcome(queueing.play(service(machine), queue).percentile(99)[0], "s")


def stop_share() -> Outcome:
    """Return the predicted p99 of an open loop as a share of a stop that takes a tenth of the time, in %.

    A tenth of the requests come while nothing moves, evenly, and each waits for what is left of the stop.
    """
    return Outcome(100 * (1 - 0.01 / 0.1), "%")


def weights() -> float:
    """Return the bytes of the network's weights."""
    from labkit.measure.probes import serving as probe

    width = probe.WIDTH
    return FLOAT * width * (prod(PICTURE) + width + CLASSES)


def way_points(machine: Machine, load: float) -> list[Point]:
    """Return p99 at a load for each of `WAYS`."""
    return [dict(way, rate=at(machine, load), trip=0.0, percentile="p99") for way in WAYS.values()]


def shortest(machine: Machine, rate: float, percentile: str = "p99") -> tuple[int, float]:
    """Return the limit of a batch and the window that give the shortest predicted percentile with one replica."""
    server = service(machine)
    ways = [(max_batch, window) for max_batch in MAX_BATCHES for window in WINDOWS]
    return min(ways, key=lambda way: play(server, Queue(rate, *way, MAX_QUEUE)).percentile(PERCENTILES[percentile])[0])


def validation(machine: Machine) -> list[tuple[Experiment, list[Point]]]:
    """Return the experiments with the points that `labkit validate` measures.

    No probe let requests come at random. Of p99.9 there are too few answers.
    """
    names = ("p50", "p90", "p99")
    below = points(machine, (0.1, 0.2, 0.35, 0.5, 0.65, 0.8), names)
    below += points(machine, (0.1, 0.35), names, max_batch=2)
    below += points(machine, (0.35, 0.8), names, max_batch=8)
    below += points(machine, (0.2, 0.5), names, window=0.005)
    above = points(machine, (0.9, 1.0, 1.1, 1.5), names)
    testbed = ServerTestbed(machine, most=8.0, tries=3, percentile=99)
    return [
        (answers(machine, testbed, title="Answers up to 80 % of the capacity"), below),
        (answers(machine, testbed, title="Answers from 90 to 150 % of the capacity"), above),
    ]
