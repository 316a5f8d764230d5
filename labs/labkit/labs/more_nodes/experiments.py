"""Lab 2.2: one network trained by several nodes: the time of a step, and the time until it has learned."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from statistics import median

from labkit.data import data_folder
from labkit.distributed.pool import WorkerPool, room, worker_pool
from labkit.experiment import Axis, Experiment, Outcome, Point, Published, Unavailable
from labkit.labs.common import banded, measured, nearest
from labkit.labs.more_nodes import cluster
from labkit.machine import Machine
from labkit.measure.probes import data_parallel as probe
from labkit.measure.probes.data_parallel import LINKS, LOOPBACK
from labkit.netem import gloo_ring
from labkit.predict import collectives, convergence, data_parallel, links
from labkit.predict.data_parallel import STRONG, WEAK
from labkit.predict.operators import layer_time
from labkit.predict.training_time import EACH
from labkit.progress import report
from labkit.published import rows
from labkit.specs import network
from labkit.specs.calibration import Calibration
from labkit.specs.link import LinkSpec
from labkit.timing import clock
from labkit.timing.drift import speed_of, timed
from labkit.units import quantity

NODES = tuple(2**k for k in range(11))
BATCHES = (16, 64, 96, 160, 256, 1024, 8192)
FASTEST = 400  # Gbit/s; an emulated link has no limit there, for the loopback below it is slower
NETWORKS = {"cats, width 12": ("cats", 12), "cats, width 24": ("cats", 24), "dense, 4 × 384": ("dense", 384),
            "dense, 4 × 768": ("dense", 768)}
LARGE = "1.3 billion, on nodes of 8 H100"
# The sliders: what a cluster has, and what an emulated link is tried with. A page has to carry every point of them.
CLUSTER = {"nodes": NODES, "what": (*NETWORKS, LARGE), "round_trip": (0, 0.0001, 0.01), "rate": (1, 10, 100, FASTEST)}
EMULATED = {"nodes": NODES[:5], "what": tuple(NETWORKS), "round_trip": (0, 0.002, 0.01),
            "rate": (0.1, 1, 10, 100, FASTEST)}
PARAMETERS, TOKENS = 1_315_950_592, 2048  # of the language model, and in one of its examples
TABLE, SERIES = data_folder() / "published" / "training-scaling.csv", "llmfoundry|1b|h100_80gb|seq2048"
BACKWARD = (1 / 3, 1.0)  # the shares of computing at which the backward pass, twice the forward one, begins and ends
SHORT, BEND = 2**16, 2**25  # bytes: up to where latency rules, and beyond which a message no longer fits the caches
HIDING = "hook"  # counts from when an exchange begins, so that its own time passes while the link would deliver
_LONGEST_S = 1.0  # of a step that is measured
_DELIVERED = 1 / 2  # of a round trip is what a message travels that nobody has to ask for


def time(machine: Machine, backend: str = LOOPBACK, budget: float = 0.4) -> Experiment:
    """Return the experiment on the time of one step.

    Args:
        machine: this machine, with what the probe `data_parallel` finds.
        backend: how the link is emulated where one is measured: `labkit.distributed.pool.BACKENDS`.
        budget: seconds to spend on measuring a point.

    Raises:
        ValueError: a machine that lacks the probe, or the backend.
    """
    calibration, bench = machine.calibration("data_parallel"), Bench(backend)
    values = CLUSTER if backend == LOOPBACK else EMULATED
    calibration.curve("sum", backend)

    def predict(nodes, batch, scaling, what, round_trip, rate):
        each = nodes * (cluster.ACCELERATORS if what == LARGE else 1)
        if scaling == STRONG and batch < each:
            return Unavailable(f"{each:,} processes cannot share a batch of {batch:,}: some would have nothing to do.")
        if what == LARGE:
            return _large(nodes, data_parallel.share(batch, nodes, scaling), round_trip, rate)
        each = data_parallel.share(batch, nodes, scaling)
        parts = _parts(calibration, backend, what, each, nodes, _spec(round_trip, rate))
        return banded(parts, widening=calibration.widening)

    def measure(nodes, batch, scaling, what, round_trip, rate):
        if what == LARGE:
            return Unavailable("There are no H100 here: this can only be predicted.")
        if not (there := room(nodes)):
            return there
        spec = _spec(round_trip, rate)
        if backend == LOOPBACK and spec != LinkSpec():
            return Unavailable("The processes talk over the loopback here. Choose no round trip and the fastest link, "
                               "or a backend that emulates links.")
        expected = predict(nodes, batch, scaling, what, round_trip, rate)
        if not expected:
            return expected
        if expected.value > _LONGEST_S:
            return Unavailable(f"A step would take about {quantity(expected.value, 's')}, which is long to wait for.")
        with bench.open():
            return _timed(bench, calibration, what, data_parallel.share(batch, nodes, scaling), nodes, spec, budget)

    return Experiment(
        title="One step by more nodes" + ("" if backend == LOOPBACK else f", over the backend {backend}"),
        quantity="Time of one step",
        unit="s",
        axes=[
            Axis("nodes", "Nodes", values["nodes"], start=2, unit="nodes", log=True),
            Axis("batch", "Batch", BATCHES, start=256, unit="examples", log=True),
            Axis("scaling", "The batch is that of", data_parallel.SCALING),
            Axis("what", "What is trained", values["what"], start="cats, width 24"),
            Axis("round_trip", "Round trip of the link", values["round_trip"], unit="s"),
            Axis("rate", "Bandwidth of the link", values["rate"], start=FASTEST, unit="Gbit/s", log=True),
        ],
        predict=predict,
        measure=measure,
        readout="{what}, by {nodes}, with a batch of {batch} for {scaling}, over a link of {round_trip} and {rate}: a "
                "step takes {value}, of which {part:exposed communication} are communication that shows.",
        published=published() if backend == LOOPBACK else [],
        session=bench.open,
    )


def learning(machine: Machine, least: float, critical: float, what: str = "cats, width 12") -> Experiment:
    """Return the experiment on the time until a network has learned: samples that it needs, by the time of a step.

    Args:
        machine: as in `time`.
        least, critical: of the samples needed (`labkit.predict.convergence`).
        what: one of `NETWORKS`.
    """
    steps = time(machine)

    def predict(nodes, batch, round_trip, rate):
        step = steps.predict(nodes=nodes, batch=batch, scaling=STRONG, what=what, round_trip=round_trip, rate=rate)
        if not step:
            return step
        count = convergence.steps(batch, least, critical)
        parts = {name: count * seconds for name, seconds in step.parts.items()}
        return banded(parts, widening=machine.calibration("data_parallel").widening)

    return Experiment(
        title="Until the network has learned",
        quantity="Time to accuracy",
        unit="s",
        axes=[axis for axis in steps.axes if axis.name in ("nodes", "batch", "round_trip", "rate")],
        predict=predict,
        readout="With {nodes} and a batch of {batch} for all of them, over a link of {round_trip} and {rate}, the "
                "network has learned after {value}.",
    )


def adding(machine: Machine, size: int, nodes: int, backend: str = LOOPBACK, spec: LinkSpec | None = None) -> float:
    """Return the predicted seconds of one all-reduce of `size` bytes among processes of this machine."""
    return Line(machine.calibration("data_parallel"), backend, nodes, spec or LinkSpec()).alone(size)


def fitted(found: Sequence[probe.Exchange]) -> collectives.Link:
    """Return the latency and the bandwidth of a round, of measured all-reduces between two processes.

    Short ones count by the fastest, for a process that is set aside costs more than they take; long ones, which are set
    aside often enough to show what is usual, by the median.
    """
    return collectives.fit((probe.PROCESSES, one.size, one.fastest if one.size <= SHORT else one.usual)
                           for one in found if one.size <= BEND)


def misfit(found: Sequence[probe.Exchange], link: collectives.Link) -> list[float]:
    """Return how far the fit is off at each size, as a fraction of what was measured."""
    measured = [one.fastest if one.size <= SHORT else one.usual for one in found]
    return [collectives.ring(one.size, probe.PROCESSES, link) / seconds - 1
            for one, seconds in zip(found, measured, strict=True)]


class Line:
    """What exchanging costs the processes of this machine.

    Args:
        calibration: what the probe `data_parallel` found.
        backend: how the link is emulated.
        nodes: processes, two or more.
        spec: what the link is.
    """

    def __init__(self, calibration: Calibration, backend: str, nodes: int, spec: LinkSpec):
        self._sums, self._nodes, self._spec = calibration.curve("sum", backend), nodes, spec
        self._asked, self._hides = asked(calibration, backend), backend == HIDING

    def alone(self, size: int) -> float:
        """Return the seconds of an all-reduce of `size` bytes by itself."""
        return self.own(size) + self.latency(size) + self.sending(size)

    def own(self, size: int) -> float:
        """Return the seconds for which an all-reduce of `size` bytes keeps the processors busy."""
        return collectives.around(self._sums, size, self._nodes)

    def latency(self, size: int) -> float:
        """Return the seconds that it takes longer because the link is long, however fast it is."""
        waited = self._asked * gloo_ring.waiting(size, self._nodes, self._spec)
        if not self._hides:
            return waited
        sent = gloo_ring.sending(size, self._nodes, self._spec)
        return max(waited + sent - self.own(size) - self.sending(size), 0.0)

    def sending(self, size: int) -> float:
        """Return the seconds that it takes longer because the link is slow.

        While a chunk passes the link, the processors already copy the next.
        """
        return max(gloo_ring.sending(size, self._nodes, self._spec) - (self.own(size) - self.own(0)), 0.0)


def _parts(calibration: Calibration, backend: str, what: str, each: int, nodes: int,
           spec: LinkSpec) -> dict[str, float]:
    """Return the parts of a step's seconds on this machine, of which every node is a process."""
    computing = _computing(calibration, what, each, nodes)
    if nodes == 1:
        return data_parallel.parts(computing, [], BACKWARD, 1)
    line, full = Line(calibration, backend, nodes, spec), _buckets(what)
    return data_parallel.parts(
        computing, [(moment, line.sending(size)) for moment, size in full], BACKWARD, nodes,
        [seconds for _, seconds in calibration.curve("spread")],
        latency=line.latency(full[-1][1]) + waking(calibration, backend),
        busy=sum(line.own(size) for _, size in full), handling=[handling(calibration, size) for _, size in full])


def _computing(calibration: Calibration, what: str, each: int, nodes: int) -> float:
    name, width = NETWORKS[what]
    return layer_time(calibration.group(_how(nodes), name), width, each)


def _how(nodes: int) -> str:
    return "alone" if nodes == 1 else "together"


def handling(calibration: Calibration, size: int) -> float:
    """Return the seconds that a bucket of `size` bytes adds to a step beyond what its all-reduce takes by itself."""
    longer = _fit(tuple(map(tuple, calibration.curve("exchange", LOOPBACK))))
    return max(collectives.ring(size, probe.PROCESSES, longer)
               - links.seconds(calibration.curve("sum", LOOPBACK), size), 0.0)


def waking(calibration: Calibration, backend: str) -> float:
    """Return the seconds that a step over an emulated link takes beyond its all-reduce, until all go on: a constant.

    Whoever passes the messages on needs a processor too, and has to be woken while the others compute.
    """
    if backend == LOOPBACK:
        return 0.0
    tried = Line(calibration, backend, probe.PROCESSES, probe.TRIED)
    return max(median(seconds - tried.alone(size) for size, seconds in calibration.curve("exchange", backend)), 0.0)


def asked(calibration: Calibration, backend: str) -> float:
    """Return the round trips that a short all-reduce took over an emulated link, for each that gloo's ring asks for.

    It is 1 where the ring does as it says (`labkit.netem.gloo_ring`), which is assumed where no link was emulated.
    """
    found = (calibration.curves.get(("waiting", name)) for name in dict.fromkeys((backend, *LINKS)))
    if not (curve := next(filter(None, found), None)):
        return 1.0
    (short, fast), (long, slow) = curve[0], curve[-1]
    return max((slow - fast) / (long - short), 0.0) / gloo_ring.round_trips(probe.SIZES[0], probe.PROCESSES)


@cache
def _fit(curve: tuple[tuple[float, float], ...]) -> collectives.Link:
    return collectives.fit((probe.PROCESSES, *point) for point in curve)


@cache
def _buckets(what: str) -> list[tuple[float, int]]:
    return data_parallel.buckets(probe.layers(*NETWORKS[what]))


def _large(nodes: int, each: int, round_trip: float, rate: float) -> Outcome:
    """Return the step of the language model on nodes of eight H100, of published figures alone.

    Each accelerator has a link of its own, of `rate` Gbit/s; here the fastest has its limit too.
    """
    size = network.FLOAT * PARAMETERS
    count = round(size / data_parallel.BUCKET)
    between = collectives.Link(cluster.latency() + _DELIVERED * round_trip, cluster.ACCELERATORS * rate * 1e9 / 8)
    bucket = collectives.two_levels(size / count, nodes, cluster.ACCELERATORS, cluster.inside(), between)
    computing = each / cluster.ACCELERATORS * TOKENS * EACH * PARAMETERS / cluster.rate()
    parts = data_parallel.parts(computing, [((place + 1) / count, bucket) for place in range(count)], BACKWARD, nodes)
    return Outcome(sum(parts.values()), "s", parts=parts,
                   note="From published rates and all-reduces, without stragglers: nobody has published those.")


def published() -> list[Published]:
    """Return the published steps of the language model, where the batch of a node is one of the slider's.

    The network is not stated; they stand on the fastest link.
    """
    found = []
    for row in rows(TABLE):
        if row["series_id"] != SERIES:
            continue
        nodes, batch = int(row["nodes"]), int(row["global_batch"])
        if nodes in NODES and batch / nodes in BATCHES:
            point = dict(nodes=nodes, batch=batch // nodes, scaling=WEAK, what=LARGE, round_trip=0, rate=FASTEST)
            rate = float(row["value"]) * int(row["total_accelerators"])
            found.append(Published(point, batch * TOKENS / rate, f"{nodes} nodes of 8 H100", row["source"]))
    return found


class Bench:
    """The processes that measurements need: kept between the points of a session, else ended at once.

    Args:
        backend: how the link between them is emulated.
    """

    def __init__(self, backend: str):
        self.backend = backend
        self._stack: ExitStack | None = None
        self._pools: dict[int, WorkerPool] = {}

    @contextmanager
    def open(self) -> Iterator[Bench]:
        """Keep what is started until the outermost block ends."""
        if self._stack:
            yield self
            return
        with ExitStack() as self._stack:
            try:
                yield self
            finally:
                self._pools.clear()
                stack, self._stack = self._stack, None
                stack.close()

    def worker_pool(self, processes: int) -> WorkerPool:
        """Return that many processes, started now unless they are there."""
        if processes not in self._pools:
            backend = LOOPBACK if processes == 1 else self.backend
            self._pools[processes] = self._stack.enter_context(worker_pool(processes, backend=backend))
        return self._pools[processes]


def _timed(bench: Bench, calibration: Calibration, what: str, each: int, nodes: int, spec: LinkSpec,
           budget: float) -> Outcome:
    """Measure a step, in turn with the calibrated ones that are most like it, which tell the machine's speed.

    Computing and exchanging wander each for itself, so each has a speed of its own. What an emulated link takes is
    mostly waiting, which has none.
    """
    report(0, f"Training on {nodes} {'process' if nodes == 1 else 'processes'}")
    there = bench.worker_pool(nodes)
    if nodes > 1 and bench.backend != LOOPBACK:
        there.set_link(spec)
    name, width = NETWORKS[what]
    near = min(probe.WIDTHS[name], key=lambda known: abs(math.log(known / width)))
    beside, reference_seconds = nearest(calibration.curve(_how(nodes), name, near), each)
    own = probe.job(name, width, each)
    samples = {"step": probe.sampler(there, own),
               "computing": probe.sampler(there, probe.job(name, near, int(beside)), exchange=False)}
    if nodes > 1 and bench.backend == LOOPBACK:
        like = min(probe.EXCHANGED, key=lambda known: abs(math.log(known.gradients() / own.gradients())))
        samples["exchange"] = probe.longer(there, like)
    for sample in samples.values():  # networks are built at the first call
        sample()
    if nodes == 1:
        return measured(*timed(samples["step"], samples["computing"], reference_seconds, budget))
    found = clock.rounds(samples, budget=budget)
    step, speed, exchanging = found["step"], speed_of(reference_seconds, found["computing"].median), 1.0
    if "exchange" in found:
        usual = links.seconds(calibration.curve("exchange", LOOPBACK), like.gradients())
        exchanging = speed_of(usual, found["exchange"].median)
    speeds = {data_parallel.COMPUTING: speed, data_parallel.EXPOSED: exchanging, data_parallel.SLOWEST: speed}
    return Outcome(step.median, "s", low=step.low, high=step.high, note=step.note, speed=speeds)


def _spec(round_trip: float, rate: float) -> LinkSpec:
    return LinkSpec(round_trip, math.inf if rate == FASTEST else rate * 1e9 / 8)


def validation(machine: Machine) -> list[tuple[Experiment, list[Point]]]:
    """Return the experiments with the points that `labkit validate` measures: batches, widths and links that were not
    calibrated, on every backend that this machine allows.
    """
    points = [dict(nodes=nodes, batch=batch, scaling=STRONG, what=what, round_trip=0, rate=FASTEST)
              for what in NETWORKS for nodes, batch in ((1, 96), (1, 160), (2, 16), (2, 64), (2, 96), (2, 160))]
    slow = [dict(nodes=2, batch=batch, scaling=STRONG, what=what, round_trip=trip, rate=rate)
            for what, batch in zip(NETWORKS, (160, 96, 160, 64), strict=True)
            for trip, rate in ((0.002, 1), (0.01, 400), (0, 1), (0.002, 0.1))]
    calibration = machine.calibration("data_parallel")
    over = [time(machine, backend) for backend in LINKS if not calibration.reason("sum", backend)]
    return [(time(machine, budget=0.6), points), *((experiment, slow) for experiment in over)]
