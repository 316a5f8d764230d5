"""Lab 2.7: what a process holds and sends when several train one model, by how the model is cut among them."""

from __future__ import annotations

from dataclasses import dataclass

from labkit import effort, session
from labkit.experiment import Axis, Experiment, Outcome, Point, Unavailable
from labkit.labs.common import banded
from labkit.labs.too_big_for_one_node.measuring import PAIR, Runs, most_processes
from labkit.machine import Machine
from labkit.predict import sharding
from labkit.specs.sharding import DATA_PARALLEL, KINDS, OFFLOADED, PIPELINE, WAYS, ZERO_2, ZERO_3, ShardedJob

PROCESSES = (1, 2, 4, 8, 16, 32, 64)
WIDTHS = (64, 128, 256, 512, 1024)
BATCHES = (2, 4, 8, 16, 32)  # sequences of each process
KEEP, RECOMPUTE = "kept", "computed again"
LAYERS = 8
BAND = 0.1  # nine measured peaks in ten are within it of what is counted
START = dict(way=ZERO_3, processes=2, width=256, batch=2, activations=KEEP)


@dataclass(frozen=True)
class Sharded:
    """The three experiments of the lab, which share their runs.

    Args:
        memory: on the bytes that a process holds at the peak of a step.
        traffic: on the bytes that it sends in a step.
        exchange: on the seconds of a step's exchanges.
        runs: what was measured.
    """

    memory: Experiment
    traffic: Experiment
    exchange: Experiment
    runs: Runs

    def ranks(self, **change) -> list[dict] | Unavailable:
        """Return what each rank saw at `START`, changed."""
        point = {**START, **change}
        return self.runs(job(**point), point["processes"])


def job(way: str, width: int, batch: int, activations: str, **_) -> ShardedJob:
    """Return what is trained at a point."""
    return ShardedJob(way, width, LAYERS, batch, activations == RECOMPUTE)


def sharded(machine: Machine) -> Sharded:
    """Return the experiments; raises `ValueError` for a machine that lacks the probe `exchanges`."""
    calibration, runs = machine.calibration("exchanges"), Runs()

    def refused(**point) -> Unavailable | None:
        try:
            job(**point).check(point["processes"])
        except ValueError as reason:
            return Unavailable(str(reason))
        if point["processes"] == 1 and point["way"] != DATA_PARALLEL:
            return Unavailable("One process has nobody to share with.")
        return None

    def memory(**point):
        if (reason := refused(**point)) is not None:
            return reason
        if point["way"] == PIPELINE and point["activations"] == RECOMPUTE:
            return Unavailable("How PyTorch's pipeline frees what it computes again is not counted here.")
        parts = sharding.memory(job(**point), point["processes"])
        value = sum(parts.values())
        return Outcome(value, "B", low=value * (1 - BAND), high=value / (1 - BAND), parts=parts)

    def traffic(**point):
        if (reason := refused(**point)) is not None:
            return reason
        parts = sharding.traffic(job(**point), point["processes"])
        return Outcome(sum(parts.values()), "B", parts=parts)

    def exchange(way, width):
        if reason := calibration.reason(KINDS[0]):
            return Unavailable(reason)
        return banded(sharding.seconds(_pair(way, width), PAIR, calibration.group()), widening=calibration.widening)

    def measure(part: str):
        def measured(**point):
            if (reason := refused(**point)) is not None:
                return reason
            if point["processes"] > (most := most_processes()):
                return Unavailable(f"This lab starts {most} processes at most with this effort.")
            ranks = runs(job(**point), point["processes"])
            if not ranks:
                return ranks
            found = [rank[part] for rank in ranks]
            return Unavailable("Only Linux tells what a connection has sent.") if None in found else Outcome(
                max(found), "B")
        return measured

    def measure_exchange(way, width):
        if not (expected := exchange(way, width)):
            return expected
        return runs.exchange(sharding.exchanges(_pair(way, width), PAIR))

    way, width = Axis("way", "The model is cut by", WAYS, start=ZERO_3), Axis(
        "width", "Width of the model", WIDTHS, start=256, log=True)
    axes = [way, Axis("processes", "Processes", PROCESSES, start=2, unit="processes", log=True), width,
            Axis("batch", "Batch of each process", BATCHES, unit="sequences", log=True),
            Axis("activations", "Activations are", (KEEP, RECOMPUTE))]
    point = "a model {width} wide, cut by {way} among {processes} with {batch} each, activations {activations}"
    return Sharded(
        Experiment(title="What one process holds", quantity="Memory of one process", unit="B", axes=axes,
                   predict=memory, measure=measure("peak"), session=session.KEPT.open,
                   readout=f"Of {point}, each process holds {{value}} at the peak of a step."),
        Experiment(title="What one process sends", quantity="Sent in a step", unit="B", axes=axes, predict=traffic,
                   measure=measure("sent"), session=session.KEPT.open,
                   readout=f"Of {point}, each process sends {{value}} in a step."),
        Experiment(title="The exchanges of a step", quantity="Time of the exchanges", unit="s", axes=[way, width],
                   predict=exchange, measure=measure_exchange, session=session.KEPT.open,
                   readout="Two processes that share a model {width} wide by {way} exchange for {value} in a step."),
        runs)


def _pair(way: str, width: int) -> ShardedJob:
    return job(way, width, BATCHES[0], KEEP)


def resident(ranks: list[dict] | Unavailable) -> Outcome | Unavailable:
    """Return the most that the system counts of a process's own memory at the peak, beyond what it held before."""
    if not ranks:
        return ranks
    found = [rank["resident"] for rank in ranks]
    return Unavailable("This system does not tell a process's own memory.") if None in found else Outcome(
        max(found), "B")


def ways() -> list[Point]:
    """Return the points at which the lab looks at every way."""
    return [dict(START, way=way) for way in WAYS]


def changes() -> list[Point]:
    """Return the points at which the lab changes one thing: the batch, what is kept, the model, the processes."""
    return [dict(START, batch=8), dict(START, batch=8, activations=RECOMPUTE), dict(START, width=128),
            dict(START, processes=4)]


def exchanges() -> list[Point]:
    """Return the points at which the lab times exchanges, with quick effort those that it compares."""
    some = tuple(way for way in WAYS if way != OFFLOADED)
    return [dict(way=way, width=256) for way in effort.pick(quick=(DATA_PARALLEL, ZERO_3), usual=some, long=some)]


def validation(machine: Machine) -> list[tuple[Experiment, list[Point]]]:
    """Return the experiments with the points that `labkit validate` measures."""
    found = sharded(machine)
    points = [*ways(), *(dict(START, way=way, width=width, batch=batch) for way in (DATA_PARALLEL, ZERO_2, ZERO_3)
                         for width, batch in ((128, 16), (512, 2))),
              dict(START, batch=16, activations=RECOMPUTE), dict(START, processes=4)]
    return [(found.memory, points), (found.traffic, points),
            (found.exchange, [dict(way=way, width=width) for way in WAYS if way != OFFLOADED for width in WIDTHS[1:4]])]
