"""Lab 4.3: an answer by how far away its weights or its inputs lie, and when a far processor is worth asking."""

from __future__ import annotations

from labkit import effort
from labkit.experiment import Axis, Experiment, Outcome, Point, Unavailable
from labkit.labs.common import banded
from labkit.labs.distance_to_memory.measuring import (
    ANSWERING,
    CACHE,
    DRIVE,
    FETCHING,
    FILES,
    INPUTS,
    LINKS,
    MAP,
    MEMORY,
    PROCESS,
    RUNGS,
    SIDE_BYTES,
    SOME,
    WEIGHTS,
    Bench,
)
from labkit.machine import Machine
from labkit.measure.probes.weights import BATCHES, COLD, READ_COLD
from labkit.offload.wire import HEAD
from labkit.predict import links
from labkit.predict import memory_ladder as predicted
from labkit.predict.operators import interpolate
from labkit.serving.model_store import LAYER
from labkit.specs.calibration import best_rate
from labkit.specs.link import LinkSpec, on_the_wire
from labkit.units import quantity

SIZES = (1, 2, 4, 8, 16, 32, 1024, 2**14, 2**17)  # MiB of weights: what the lab writes, then 1, 16 and 128 GiB
WRITTEN = 32  # MiB, at most
START = dict(rung=MEMORY, what=WEIGHTS, size=2)
BITS = (1, 3, 10, 30, 100, 300, 1000, 10_000)  # Mbit/s
MOST_BITS = 1000  # that the emulated link carries
SLOWER = (1, 8, 64, 512)
PLACES = (MEMORY, DRIVE)
ASKED = dict(rate=100, place=MEMORY, slower=512, size=2)
ON_DRIVE = dict(ASKED, place=DRIVE, slower=1, size=8)
_RELAY = "relay"  # of labkit.netem.link.BACKENDS


class Seconds:
    """What this machine's probes say of the parts of an answer; each method returns seconds.

    Args:
        machine: with `weights`, `storage`, `loopback` and `offload`.

    Raises:
        ValueError: it lacks one of them.
    """

    def __init__(self, machine: Machine):
        self.weights, self.storage, self.loopback, self.offload = (
            machine.calibration(name) for name in ("weights", "storage", "loopback", "offload"))

    def reason(self, rung: str) -> str:
        """Return why a rung cannot be predicted here, or nothing."""
        found = [self.weights.reason(kind, batch) for kind in ("answer", "again") for batch in BATCHES]
        if rung in FILES:
            found.append(self.weights.reason("fetch", FILES[rung]))
        if rung == DRIVE:
            found.append(self.storage.reason("random"))
        if rung == PROCESS:
            found.append(self.loopback.reason("message"))
        if rung == PROCESS or rung in LINKS:
            found.append(self.offload.reason("message", _RELAY))
        return next(filter(None, found), "")

    def answer(self, size: int, batch: int = 1) -> float:
        """An answer from weights of `size` MiB in memory, which no cache holds."""
        return interpolate(self.weights.curve("answer", batch), size * LAYER)

    def hot(self, size: int) -> float:
        """An answer for one input, from weights that were just used or fetched: with what the caches kept of them."""
        return interpolate(self.weights.curve("again", 1), size * LAYER)

    def file(self, way: str, size: float) -> float:
        """Fetching `size` bytes from a file, in one of the ways of the probe `weights`; a small one by its share."""
        if way == READ_COLD and size < LAYER:
            return links.seconds(self.storage.curve("random"), size)
        return interpolate(self.weights.curve("fetch", way), size) * min(1, size / LAYER)

    def request(self) -> float:
        """A request to another process over the relay and its short answer, with nothing to do."""
        return links.latency(self.offload.curve("message", _RELAY))

    def socket(self, size: float) -> float:
        """Fetching `size` bytes from another process's memory, through the loopback interface.

        The question wakes the other process, and the answer this one: two of the four that wake over the relay.
        """
        memory = best_rate(self.weights.curve("answer", 1))
        reading = writing = size / memory
        return self.request() / 2 + reading + links.seconds(self.loopback.curve("message"), size) + writing

    def link(self, spec: LinkSpec, size: int, asked: int = 0) -> float:
        """Sending `asked` bytes over a link and getting `size`."""
        return self.request() + spec.round_trip + spec.transfer(HEAD.size + size) + spec.transfer(HEAD.size + asked)


def ladder(machine: Machine, budget: float | None = None) -> Experiment:
    """Return the experiment on the time of an answer, by where its weights or its inputs lie when it is asked for.

    Args:
        machine: as in `Seconds`.
        budget: seconds for each point; by the effort that holds now unless given.
    """
    seconds, bench = Seconds(machine), _bench(machine, budget)

    def predict(rung, what, size):
        if reason := seconds.reason(rung) or _too_large(machine, size):
            return Unavailable(reason)
        batch, moved = (1, size * LAYER) if what == WEIGHTS else (INPUTS, INPUTS * SIDE_BYTES)
        parts = {ANSWERING: seconds.hot(size) if what == WEIGHTS and rung != MEMORY else seconds.answer(size, batch)}
        if rung in FILES:
            parts[FETCHING] = seconds.file(FILES[rung], moved)
        elif rung == PROCESS:
            parts[FETCHING] = seconds.socket(moved)
        elif rung in LINKS:
            parts[FETCHING] = seconds.link(LINKS[rung], moved)
        note = f"Fetching {quantity(moved, 'B')} is most of it." if parts.get(FETCHING, 0) > parts[ANSWERING] else ""
        return banded(parts, note=note, widening=seconds.weights.widening)

    def measure(rung, what, size):
        if not (expected := predict(rung, what, size)):
            return expected
        if size > WRITTEN:
            return Unavailable(f"This lab writes models of {WRITTEN} MiB at most.")
        return bench.time(bench.rung(rung, what, size), hot=rung == CACHE, cold=FILES.get(rung) in COLD)

    return Experiment(
        title="An answer, by the distance of what it needs",
        quantity="Time",
        unit="s",
        axes=[
            Axis("rung", "It lies in", RUNGS, start=MEMORY),
            Axis("what", "What lies there", (WEIGHTS, SOME)),
            Axis("size", "Weights of the model", SIZES, start=2, unit="MiB", log=True),
        ],
        predict=predict,
        measure=measure,
        readout="{what} in {rung}, for a model of {size}: an answer takes {value}.",
        session=bench.open,
    )


def line(machine: Machine, budget: float | None = None) -> Experiment:
    """Return the experiment on the longest round trip over which asking a far processor is worth it.

    The far one has the weights in its memory, and is as fast as this machine's; the near one may be slower. The
    arguments are those of `ladder`.
    """
    seconds, bench = Seconds(machine), _bench(machine, budget)

    def predict(rate, place, slower, size):
        if reason := seconds.reason(place) or seconds.reason(PROCESS) or _too_large(machine, size):
            return Unavailable(reason)
        first = seconds.file(FILES[place], size * LAYER) + seconds.hot(size) if place in FILES else seconds.answer(size)
        near = first + (slower - 1) * seconds.hot(size)
        far = seconds.answer(size) + seconds.request()
        trip = predicted.worth(near, far, 2 * on_the_wire(HEAD.size + SIDE_BYTES), rate * 1e6 / 8)
        if trip <= 0:
            return Unavailable("Asking is slower here, however short the way: the far answer and the bytes of the "
                               "question alone take longer than the near answer.")
        return banded({"": trip}, widening=max(seconds.weights.widening, seconds.offload.widening))

    def measure(rate, place, slower, size):
        if not (expected := predict(rate, place, slower, size)):
            return expected
        if rate > MOST_BITS or size > WRITTEN:
            return Unavailable(f"The emulated link carries {MOST_BITS} Mbit/s at most, and the lab writes {WRITTEN} "
                               "MiB.")
        near = bench.time(bench.near(place, slower, size), hot=slower > 1)
        spec = LinkSpec(round_trip=0.001, rate=rate * 1e6 / 8)
        far = near and bench.time(bench.far(spec, size))
        if not far:
            return far
        value, low, high = (near.value - far.value + spec.round_trip, near.low - far.high + spec.round_trip,
                            near.high - far.low + spec.round_trip)
        if value <= 0:
            return Unavailable("Here asking was slower, however short the way.")
        low = max(low, value / 10)  # no trip is shorter than nothing, and a logarithmic axis has no zero
        return Outcome(value, "s", low=low, high=high, note="The link is emulated; the far processor is this "
                       "machine's.", speed=None if place == DRIVE else near.speed[ANSWERING])

    return Experiment(
        title="The round trip up to which asking a far processor is worth it",
        quantity="Round trip",
        unit="s",
        axes=[
            Axis("rate", "Bandwidth of the link", BITS, start=100, unit="Mbit/s", log=True),
            Axis("place", "The near weights lie in", PLACES),
            Axis("slower", "The near processor does its work", SLOWER, start=512, unit="times", log=True),
            Axis("size", "Weights of the model", (1, 2, 4, 8, 16, 32), start=2, unit="MiB", log=True),
        ],
        predict=predict,
        measure=measure,
        readout="Near weights of {size} in {place}, work done {slower}: over {rate}, asking a far processor "
                "is worth it up to a round trip of {value}.",
        session=bench.open,
    )


def over(machine: Machine, spec: LinkSpec, size: int = 2) -> dict[str, Outcome | Unavailable]:
    """Return what an answer takes over a link of the reader's own: if the weights come, and if the question goes.

    Raises:
        ValueError: a machine that lacks a probe.
    """
    seconds = Seconds(machine)
    if reason := seconds.reason(PROCESS):
        return dict.fromkeys(("the weights come", "the question goes"), Unavailable(reason))
    return {"the weights come": banded({ANSWERING: seconds.hot(size),
                                        FETCHING: seconds.link(spec, size * LAYER)}),
            "the question goes": banded({ANSWERING: seconds.answer(size),
                                         FETCHING: seconds.link(spec, SIDE_BYTES, SIDE_BYTES)})}


def _bench(machine: Machine, budget: float | None) -> Bench:
    budget = budget or effort.pick(quick=0.06, usual=0.5, long=2.0)
    return Bench(machine.calibration("weights"), budget)


def _too_large(machine: Machine, size: int) -> str:
    if size * 2**20 <= machine.memory:
        return ""
    sizes = quantity(size * 2**20, "B"), quantity(machine.memory, "B")
    return (f"A model of {sizes[0]} does not fit the {sizes[1]} of memory here: split it over machines, or take fewer "
            "bits for each weight.")


def points() -> list[Point]:
    """Return the points of the lab: every rung for the weights, and those for inputs that differ."""
    return [*(dict(START, rung=rung) for rung in RUNGS),
            *(dict(START, rung=rung, what=SOME) for rung in (MEMORY, MAP, DRIVE, PROCESS, *LINKS))]


def line_points() -> list[Point]:
    """Return the points of the lab: two links, a slow near processor, and one whose weights lie on the drive."""
    return [dict(ASKED, rate=10), ASKED, dict(ASKED, rate=1000), dict(ASKED, slower=64), ON_DRIVE]


def validation(machine: Machine) -> list[tuple[Experiment, list[Point]]]:
    """Return the experiments with the points that `labkit validate` measures: none of them was calibrated."""
    return [(ladder(machine), [dict(point, size=size) for size in (2, 8) for point in points()]),
            (line(machine), [dict(point, size=size) for size in (2, 8) for point in line_points()])]
