"""Lab 1.1's machine, calibrated: its matrix products, its caches and memory, and everything that moves bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from labkit.display import TextTable
from labkit.experiment import Axis, Experiment, Outcome, Point, Unavailable
from labkit.labs.common import banded, measured, measured_rate, memory_bandwidth, nearest
from labkit.machine import Machine
from labkit.predict import links
from labkit.predict.operators import interpolate
from labkit.session import Session
from labkit.specs.calibration import best_rate
from labkit.units import quantity

SIDES = (*(part * 2**k for k in range(4, 10) for part in (4, 5, 6, 7)), 4096)  # 64, 80, 96, 112, 128 … 4,096
SETS = tuple(part * 2**k for k in range(12, 26) for part in (4, 5, 6, 7))  # 16 KiB, 20 KiB, 24 KiB … 224 MiB
SIZES = tuple(2**k for k in range(12, 25))
LONGEST = 0.3  # seconds of one product: it has to run six times and more to be measured

COLD, WARM = "a read from storage, random", "a read from memory's file cache"

# What moves bytes: the probe that knows it, and its curve there.
MOVES = {
    WARM: ("page_cache", "random"),
    COLD: ("storage", "random"),
    "a read from storage, in order": ("storage", "sequential"),
    "a message to another process": ("loopback", "message"),
    "an all-reduce of two processes": ("all_reduce", "sum"),
    "a copy to the GPU": ("copies", "to the GPU"),
    "a copy from the GPU": ("copies", "from the GPU"),
}


def products(machine: Machine, budget: float = 0.2) -> Experiment:
    """Return the experiment on the rate of square matrix products, by number format and side."""
    from labkit.measure.probes import products as probe

    calibration = machine.calibration("products")

    def predict(dtype, side):
        if reason := calibration.reason(dtype):
            return Unavailable(reason)
        flop, curve = 2 * side**3, calibration.curve(dtype)
        if flop > 10 * curve[-1][0]:
            return Unavailable(f"{dtype} is too slow here to be measured beyond a product of side "
                               f"{round((curve[-1][0] / 2) ** (1 / 3)):,}.")
        return banded({"": flop / interpolate(curve, flop)}, "FLOP/s", widening=calibration.widening)

    def measure(dtype, side):
        expected = predict(dtype, side)
        if not expected:
            return expected
        if (seconds := 2 * side**3 / expected.value) > LONGEST:
            return Unavailable(f"One such product in {dtype} takes about {quantity(seconds, 's')} here: too long to be "
                               "repeated.")
        device, (beside, reference_seconds) = _device(machine), nearest(calibration.curve(dtype), 2 * side**3)
        reference = probe.sampler(dtype, round((beside / 2) ** (1 / 3)), device)
        timing = _timed(probe.sampler(dtype, side, device), reference, reference_seconds, budget)
        return measured_rate(2 * side**3, "FLOP/s", *timing)

    return Experiment(
        title="Matrix products",
        quantity="Rate of a product",
        unit="FLOP/s",
        axes=[Axis("side", "Side of the matrices", SIDES, start=256, unit="numbers", log=True),
              Axis("dtype", "Number format", probe.FORMATS, start="fp32")],
        predict=predict,
        measure=measure,
        readout="Two {dtype} matrices with a side of {side} are multiplied at {value}.",
    )


def reads(machine: Machine, budget: float = 0.2) -> Experiment:
    """Return the experiment on the bandwidth of reading a set of numbers again and again, by the set's size."""
    calibration = machine.calibration("memory")

    def predict(size):
        return banded({"": size / interpolate(calibration.curve("read"), size)}, "B/s", widening=calibration.widening)

    def measure(size):
        from labkit.measure.probes import memory

        device, (beside, reference_seconds) = _device(machine), nearest(calibration.curve("read"), size)
        reference = memory.reader(beside, device)
        return measured_rate(size, "B/s", *_timed(memory.reader(size, device), reference, reference_seconds, budget))

    return Experiment(
        title="From the first-level cache to memory",
        quantity="Bandwidth of reading",
        unit="B/s",
        axes=[Axis("size", "What is read again and again", SETS, start=2**20, unit="B", log=True)],
        predict=predict,
        measure=measure,
        readout="Reading {size} again and again runs at {value}.",
    )


def moves(machine: Machine, budget: float = 0.5) -> Experiment:
    """Return the experiment on the time of moving bytes once, by what moves them and how many they are."""
    from labkit.processes import HelperFailed

    calibrations = {probe: machine.calibration(probe) for probe, _ in MOVES.values()}
    session = Session()

    def predict(what, size):
        probe, curve = MOVES[what]
        if reason := calibrations[probe].reason(curve):
            return Unavailable(reason)
        points = calibrations[probe].curve(curve)
        value, start = links.seconds(points, size), links.latency(points)
        start = min(start, value)
        return banded({"latency": start, "the bytes": value - start}, widening=calibrations[probe].widening)

    def measure(what, size):
        probe, curve = MOVES[what]
        if not (expected := predict(what, size)):
            return expected
        try:
            with session.open():
                once = session.start(probe, lambda: _once(probe, machine))
                beside, seconds = nearest(calibrations[probe].curve(curve), size)
                return measured(*_timed(lambda: once(size, curve), lambda: once(beside, curve), seconds, budget))
        except (OSError, HelperFailed) as trouble:
            session.drop(probe)  # a late answer must not be taken for that of the next point
            return Unavailable(f"It cannot be run here at the moment: {trouble}")

    return Experiment(
        title="Moving bytes",
        quantity="Time of one",
        unit="s",
        axes=[Axis("size", "Bytes moved", SIZES, start=2**16, unit="B", log=True),
              Axis("what", "What moves them", tuple(MOVES), start="a message to another process")],
        predict=predict,
        measure=measure,
        readout="For {size}, {what} takes {value}, of which {part:latency} however few they are.",
        session=session.open,
    )


@contextmanager
def _once(probe: str, machine: Machine) -> Iterator[Callable[[int, str], float]]:
    from labkit.measure.probes import all_reduce, copies, loopback, storage

    with ExitStack() as stack:
        if probe in ("storage", "page_cache"):
            yield stack.enter_context(storage.session("cold" if probe == "storage" else "warm"))
        elif probe == "copies":
            device, ready = _device(machine), {}

            def copy(size, curve):
                if (curve, size) not in ready:
                    ready[curve, size] = copies.sampler(curve, size, device)
                return ready[curve, size]()

            yield copy
        else:
            module = {"loopback": loopback, "all_reduce": all_reduce}[probe]
            exchange = stack.enter_context(module.session())
            yield lambda size, curve: exchange(size)


def _device(machine: Machine):
    import torch

    return torch.device(machine.device)


def _timed(sample, reference, reference_seconds, budget):
    from labkit.timing.drift import timed

    return timed(sample, reference, reference_seconds, budget)


def large_over_small(machine: Machine) -> float:
    """Return how many times the rate of the smallest product in 32 bit the largest reaches."""
    (small, short), (large, long) = (machine.calibration("products").curve("fp32")[place] for place in (0, -1))
    return (large / long) / (small / short)


def bandwidths(machine: Machine) -> dict[str, float]:
    """Return the bytes/s of the nearest cache, of memory, and of memory by STREAM's triad."""
    calibration = machine.calibration("memory")
    return {"nearest cache": best_rate(calibration.curve("read")), "memory": memory_bandwidth(machine),
            "memory, by STREAM's triad": best_rate(calibration.curve("triad"))}


def links_table(machine: Machine) -> TextTable:
    """Return latency, bandwidth and Hockney's half size of everything that moves bytes, or why it is missing."""
    rows = []
    for what, (probe, name) in MOVES.items():
        calibration = machine.calibration(probe)
        if reason := calibration.reason(name):
            rows.append([what, reason, "", ""])
        else:
            curve = calibration.curve(name)
            rows.append([what, quantity(links.latency(curve), "s"), quantity(best_rate(curve), "B/s"),
                         quantity(links.half_size(curve), "B")])
    return TextTable(["what moves them", "latency", "bandwidth", "n½"], rows)


def ring(machine: Machine, nodes: int, size: float) -> Outcome | Unavailable:
    """Return the seconds in which computers like this one add up `size` bytes around a ring, loopback as the network.

    Each sends 2 (nodes - 1) messages, one after the other, of a part of the bytes each (Patarasuk and Yuan 2009). The
    two processes that were measured send two, so one message costs half of their latency.
    """
    calibration = machine.calibration("all_reduce")
    if reason := calibration.reason("sum"):
        return Unavailable(reason)
    curve, messages = calibration.curve("sum"), 2 * (nodes - 1)
    parts = {"latency": messages * links.latency(curve) / 2,
             "the bytes": messages / nodes * size / best_rate(curve)}
    return Outcome(sum(parts.values()), "s", parts=parts)


def validation(machine: Machine) -> list[tuple[Experiment, list[Point]]]:
    """Return the experiments with the points that `labkit validate` measures: none of them was calibrated."""
    dtypes = list(machine.calibration("products").group())
    return [
        (products(machine), [{"dtype": dtype, "side": side} for dtype in dtypes for side in (80, 160, 224, 448, 640)]),
        (reads(machine), [{"size": size} for size in SETS[1::4]]),
        (moves(machine), [{"what": what, "size": size} for what in MOVES for size in
                          (2**13, 2**15, 2**17, 2**19, 2**21, 2**23)]),
    ]
