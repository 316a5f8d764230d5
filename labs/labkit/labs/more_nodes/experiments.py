"""Lab 2.2: one network trained by several nodes: the time of a step, and the time until it has learned."""

from __future__ import annotations

import math
from functools import cache

from labkit import effort, session
from labkit.distributed.pool import room
from labkit.experiment import Axis, Experiment, Point, Published, Unavailable
from labkit.labs.common import banded
from labkit.labs.more_nodes import cluster, language_model, measuring
from labkit.labs.more_nodes.exchange import ExchangeCost, bucket_overhead, wake_up_latency
from labkit.machine import Machine
from labkit.measure.probes import data_parallel as probe
from labkit.measure.probes.data_parallel import LINKS, LOOPBACK
from labkit.predict import convergence, data_parallel
from labkit.predict.data_parallel import BACKWARD, STRONG, WEAK
from labkit.predict.operators import layer_time
from labkit.specs.calibration import Calibration
from labkit.specs.link import LinkSpec
from labkit.units import quantity

NODES = tuple(2**k for k in range(11))
BATCHES = (16, 64, 96, 160, 256, 1024, 8192)
ROUND_TRIPS = (0, 0.0001, 0.002, 0.01)
FASTEST = 400  # Gbit/s; an emulated link has no limit there, for the loopback below it is slower
RATES = (0.1, 1, 10, 100, FASTEST)
NETWORKS = {"cats, width 12": ("cats", 12), "cats, width 24": ("cats", 24), "dense, 4 × 384": ("dense", 384),
            "dense, 4 × 768": ("dense", 768)}
LARGE = language_model.NAME
# The points that the lab looks at.
CATS = dict(what="cats, width 24", round_trip=0, rate=FASTEST, scaling=STRONG)
DENSE = {**CATS, "what": "dense, 4 × 768"}
ALONE = [dict(CATS, nodes=1, batch=batch) for batch in (16, 64, 160)]
STEPS = {"cats, 160 together, 1 node": dict(CATS, nodes=1, batch=160),
         "cats, 160 together, 2 nodes": dict(CATS, nodes=2, batch=160),
         "cats, 96 each, 1 node": dict(CATS, nodes=1, batch=96, scaling=WEAK),
         "cats, 96 each, 2 nodes": dict(CATS, nodes=2, batch=96, scaling=WEAK),
         "dense, 96 together, 1 node": dict(DENSE, nodes=1, batch=96),
         "dense, 96 together, 2 nodes": dict(DENSE, nodes=2, batch=96),
         "dense, 96 each, 2 nodes": dict(DENSE, nodes=2, batch=96, scaling=WEAK),
         "cats, 160 together, 4 nodes": dict(CATS, nodes=4, batch=160)}
OVER_LINKS = [dict(CATS, nodes=2, batch=160, round_trip=trip, rate=rate)
              for trip, rate in ((0.002, 1), (0.01, FASTEST), (0.002, 0.1))]
_LONGEST_S = 1.0  # of a step that is measured


def step_time(machine: Machine, backend: str = LOOPBACK) -> Experiment:
    """Return the experiment on the time of one step.

    Args:
        machine: this machine, with what the probe `data_parallel` finds.
        backend: how the link is emulated where one is measured: `labkit.distributed.pool.BACKENDS`.

    Raises:
        ValueError: a machine that lacks the probe.
    """
    calibration = machine.calibration("data_parallel")
    what_is_trained = (*NETWORKS, LARGE) if backend == LOOPBACK else tuple(NETWORKS)

    def predict(nodes, batch, scaling, what, round_trip, rate):
        each = nodes * (cluster.ACCELERATORS if what == LARGE else 1)
        if scaling == STRONG and batch < each:
            return Unavailable(f"{each:,} processes cannot share a batch of {batch:,}: some would have nothing to do.")
        if what == LARGE:
            return language_model.step(nodes, data_parallel.share(batch, nodes, scaling), round_trip, rate)
        if reason := _lacking(calibration, backend, what, nodes):
            return Unavailable(reason)
        each = data_parallel.share(batch, nodes, scaling)
        parts = step_parts(calibration, backend, what, each, nodes, link_spec(round_trip, rate))
        return banded(parts, widening=calibration.widening)

    def measure(nodes, batch, scaling, what, round_trip, rate):
        if what == LARGE:
            return Unavailable("There are no H100 here: this can only be predicted.")
        if not (there := room(nodes)):
            return there
        spec = link_spec(round_trip, rate)
        if backend == LOOPBACK and spec != LinkSpec():
            return Unavailable("The processes talk over the loopback here. Choose no round trip and the fastest link, "
                               "or a backend that emulates links.")
        expected = predict(nodes, batch, scaling, what, round_trip, rate)
        if not expected:
            return expected
        if expected.value > _LONGEST_S:
            return Unavailable(f"A step would take about {quantity(expected.value, 's')}, which is long to wait for.")
        return measuring.step(calibration, backend, NETWORKS[what],
                              data_parallel.share(batch, nodes, scaling), nodes, spec)

    return Experiment(
        title="One step by more nodes" + ("" if backend == LOOPBACK else f", over the backend {backend}"),
        quantity="Time of one step",
        unit="s",
        axes=[
            Axis("nodes", "Nodes", NODES, start=2, unit="nodes", log=True),
            Axis("batch", "Batch", BATCHES, start=256, unit="examples", log=True),
            Axis("scaling", "The batch is that of", data_parallel.SCALING),
            Axis("what", "What is trained", what_is_trained, start="cats, width 24"),
            Axis("round_trip", "Round trip of the link", ROUND_TRIPS, unit="s"),
            Axis("rate", "Bandwidth of the link", RATES, start=FASTEST, unit="Gbit/s", log=True),
        ],
        predict=predict,
        measure=measure,
        readout="{what}, by {nodes}, with a batch of {batch} for {scaling}, over a link of {round_trip} and {rate}: a "
                "step takes {value}, of which {part:exposed communication} are communication that shows.",
        published=published() if backend == LOOPBACK else [],
        session=session.KEPT.open,
    )


def time_to_accuracy(machine: Machine, law: tuple[float, float] | Unavailable,
                     what: str = "cats, width 12") -> Experiment:
    """Return the experiment on the time until a network has learned: samples that it needs, by the time of a step.

    Args:
        machine: as in `step_time`.
        law: the least samples and the critical batch (`labkit.predict.convergence`), or why they are not known.
        what: one of `NETWORKS`.
    """
    steps = step_time(machine)

    def predict(nodes, batch, round_trip, rate):
        step = steps.predict(nodes=nodes, batch=batch, scaling=STRONG, what=what, round_trip=round_trip, rate=rate)
        if not (step and law):
            return law if step else step
        count = convergence.steps(batch, *law)
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


def _lacking(calibration: Calibration, backend: str, what: str, nodes: int) -> str:
    """Return why a step cannot be predicted on this machine, or nothing."""
    name, _ = NETWORKS[what]
    keys = [("alone" if nodes == 1 else "together", name, known) for known in probe.WIDTHS[name]]
    if nodes > 1:
        keys += [("spread",), ("sum", backend), ("sum", LOOPBACK), ("exchange", LOOPBACK), ("exchange", backend)]
    return next(filter(None, (calibration.reason(*key) for key in keys)), "")


def step_parts(calibration: Calibration, backend: str, what: str, each: int, nodes: int,
               spec: LinkSpec) -> dict[str, float]:
    """Return the parts of a step's seconds on this machine, of which every node is a process.

    Args:
        calibration: what the probe `data_parallel` found.
        backend: how the link is emulated: `labkit.distributed.pool.BACKENDS`.
        what: one of `NETWORKS`.
        each: examples of a node.
        nodes: how many.
        spec: what the link is.
    """
    name, width = NETWORKS[what]
    computing = layer_time(calibration.group("alone" if nodes == 1 else "together", name), width, each)
    if nodes == 1:
        return data_parallel.parts(computing, [], BACKWARD, 1)
    exchange, buckets = ExchangeCost(calibration, backend, nodes, spec), buckets_of(what)
    return data_parallel.parts(
        computing, [(moment, exchange.sending(size)) for moment, size in buckets], BACKWARD, nodes,
        spread=[seconds for _, seconds in calibration.curve("spread")],
        busy=sum(exchange.own(size) for _, size in buckets),
        latency=exchange.latency(buckets[-1][1]) + wake_up_latency(calibration, backend),
        overheads=[bucket_overhead(calibration, size) for _, size in buckets])


@cache
def buckets_of(what: str) -> list[tuple[float, int]]:
    """Return the buckets of gradients of one of `NETWORKS`: `labkit.predict.data_parallel.buckets`."""
    return data_parallel.buckets(probe.layers(*NETWORKS[what]))


def link_spec(round_trip: float, rate: float) -> LinkSpec:
    """Return the link at a point of the sliders, of seconds and Gbit/s."""
    return LinkSpec(round_trip, math.inf if rate == FASTEST else rate * 1e9 / 8)


def published() -> list[Published]:
    """Return the published steps of the language model, where the batch of a node is one of the slider's.

    The network is not stated; they stand on the fastest link.
    """
    return [Published(dict(nodes=nodes, batch=batch // nodes, scaling=WEAK, what=LARGE, round_trip=0, rate=FASTEST),
                      seconds, f"{nodes} nodes of 8 H100", source)
            for nodes, batch, seconds, source in language_model.published()
            if nodes in NODES and batch / nodes in BATCHES]


def backends(machine: Machine) -> dict[str, str]:
    """Return the backends that emulate links, the best first, each with why this machine has it not, or nothing."""
    calibration = machine.calibration("data_parallel")
    return {backend: calibration.reason("sum", backend) for backend in LINKS}


def measured_backends(machine: Machine) -> list[str]:
    """Return the backends over which the lab measures: the best alone with quick effort, else all that are there."""
    here = [name for name, reason in backends(machine).items() if not reason]
    return here[:effort.pick(quick=1, usual=2, long=2)]


def best_backend(machine: Machine) -> str:
    """Return the best backend that this machine has; the one that works everywhere where it has none."""
    return next((name for name, reason in backends(machine).items() if not reason), LINKS[-1])


def validation(machine: Machine) -> list[tuple[Experiment, list[Point]]]:
    """Return the experiments with the points that `labkit validate` measures: batches, widths and links that were not
    calibrated, on every backend that this machine allows.
    """
    points = [dict(nodes=nodes, batch=batch, scaling=STRONG, what=what, round_trip=0, rate=FASTEST)
              for what in NETWORKS for nodes, batch in ((1, 96), (1, 160), (2, 16), (2, 64), (2, 96), (2, 160))]
    slow = [dict(nodes=2, batch=batch, scaling=STRONG, what=what, round_trip=trip, rate=rate)
            for what, batch in zip(NETWORKS, (160, 96, 160, 64), strict=True)
            for trip, rate in ((0.002, 1), (0.01, 400), (0, 1), (0.002, 0.1))]
    over = [step_time(machine, backend) for backend, reason in backends(machine).items() if not reason]
    return [(step_time(machine), points), *((experiment, slow) for experiment in over)]
