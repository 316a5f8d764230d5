"""Lab 4.2: how many sources with deadlines a core answers, what is late beyond, and what memory instances take."""

from __future__ import annotations

import math
from functools import cache

from labkit.experiment import Axis, Experiment, Outcome, Point, Unavailable
from labkit.labs.common import BAND, banded
from labkit.labs.hundreds_of_instances import measuring
from labkit.machine import Machine
from labkit.measure.instances import (
    BATCHES,
    LARGE,
    OWN,
    PROCESSES,
    SHARED,
    SMALL,
    THREADS,
    WAYS,
    Footprint,
    footprint,
)
from labkit.measure.probes.instances import FEW, NETWORKS, PICTURES, WIDTHS
from labkit.predict import instances as predicted
from labkit.predict.operators import interpolate
from labkit.session import KEPT
from labkit.specs.calibration import Calibration, CostCurve
from labkit.units import quantity

RATES = (1, 2, 5, 10, 20, 50, 100, 200)  # pictures a second of each source
DEADLINES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # s
INSTANCES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
SPREAD, TOGETHER = ARRIVALS = ("each at its own moment", "all at the same moment")
SOURCES = (1, 2, 3, 4, 5, 6, 8,
           *(step * times for times in (1, 10, 100) for step in (10, 12, 15, 20, 25, 30, 40, 50, 60, 80)), 10_000)
ACTIVE = (1, 5, 10, 20, 50, 100)  # % of its time in which a source has pictures
RATE, DEADLINE = 10, 0.05  # pictures/s and seconds, where an experiment has no axis for them
MEMORY_BAND = 0.2  # nine predictions in ten are within it, of those that `labkit validate` measures
APART = (OWN, THREADS, PROCESSES)  # ways in which a picture takes the longer, the more sources there are
# The points that the lab looks at.
START = dict(way=SHARED, width=LARGE, rate=RATE, deadline=DEADLINE, arrivals=SPREAD)
HUNDREDS = [dict(START, way=way, width=width) for way, width in (
    (SHARED, LARGE), (BATCHES, LARGE), (OWN, LARGE), (SHARED, SMALL), (BATCHES, SMALL))]
TENS = [dict(START, way=way, rate=200) for way in (SHARED, OWN, THREADS, PROCESSES)]
WEIGHED = [dict(way=way, width=width, instances=instances) for way, width, instances in (
    (OWN, SMALL, 200), (OWN, LARGE, 100), (THREADS, LARGE, 100), (PROCESSES, LARGE, 5))]
BURST = [dict(START, arrivals=arrivals) for arrivals in ARRIVALS]


def picture(calibration: Calibration, way: str, width: int, sources: int, deadline: float) -> float:
    """Return the seconds of the core that a picture takes, infinite where no answer can be in time.

    Args:
        calibration: what the probe `instances` found.
        way: one of `labkit.measure.instances.WAYS`.
        width: channels of the network.
        sources: how many there are.
        deadline: seconds.
    """
    if way == BATCHES:
        return best_batch(calibration.curve(BATCHES, width), deadline)[0]
    networks = 1 if way == SHARED else min(sources, NETWORKS[-1])  # beyond, no cache holds their weights
    seconds = interpolate(calibration.curve(OWN, width), networks)
    if way in (THREADS, PROCESSES):
        seconds += switching(calibration, way)
    return seconds if seconds <= deadline else math.inf


def batch(calibration: Calibration, way: str, width: int, deadline: float) -> int:
    """Return how many pictures a core answers together at most; the arguments are those of `picture`."""
    return best_batch(calibration.curve(BATCHES, width), deadline)[1] if way == BATCHES else 1


def best_batch(curve: CostCurve, deadline: float) -> tuple[float, int]:
    """Return the seconds a picture in the batches that suit a core best, and their size, of all that are measured."""
    return predicted.in_batches(curve, deadline, range(1, PICTURES[-1] + 1))


def switching(calibration: Calibration, way: str) -> float:
    """Return the seconds a picture that threads or processes take more than as many networks in one of them."""
    return max(calibration.curve(way)[0][1] - interpolate(calibration.curve(OWN, SMALL), FEW), 0.0)


def bytes_of(foot: Footprint, way: str, width: int, instances: int) -> dict[str, float]:
    """Return the parts of the bytes of memory that some instances take."""
    small, large = (foot.networks[known] for known in (SMALL, LARGE))
    network = small + (large - small) * (width**2 - SMALL**2) / (LARGE**2 - SMALL**2)  # weights grow with its square
    count = {BATCHES: (1, 0, 1), SHARED: (1, 0, 1), OWN: (1, 0, instances), THREADS: (1, instances, instances),
             PROCESSES: (instances, 0, instances)}[way]
    names = {"processes": foot.process, "threads": foot.thread, "networks": network}
    return {name: number * size for number, (name, size) in zip(count, names.items(), strict=True)}


def fitting(machine: Machine, foot: Footprint | Unavailable, way: str, width: int) -> float:
    """Return how many instances the machine's memory holds, infinite where the number does not matter."""
    if not foot or way in (BATCHES, SHARED):
        return math.inf
    one, two = (sum(bytes_of(foot, way, width, count).values()) for count in (1, 2))
    return max(math.floor((machine.memory - one) / (two - one)) + 1, 0)


def too_many(machine: Machine, foot: Footprint | Unavailable, way: str, width: int, instances: int) -> str:
    """Return why the machine's memory does not hold some instances, with the most that would fit, or nothing."""
    if instances <= (most := fitting(machine, foot, way, width)):
        return ""
    return (f"{instances:,} instances need {quantity(sum(bytes_of(foot, way, width, instances).values()), 'B')} of "
            f"memory, and this machine has {quantity(machine.memory, 'B')}: {most:,.0f} would fit.")


def refusal(foot: Footprint | Unavailable, way: str, width: int, instances: int) -> str:
    """Return why so many instances are predicted alone, and not started here, or nothing."""
    return measuring.refusal(way, instances, sum(bytes_of(foot, way, width, instances).values()) if foot else 0.0)


def in_time(machine: Machine, foot: Footprint | Unavailable) -> Experiment:
    """Return the experiment on the number of sources that one core answers in time.

    Args:
        machine: this machine, with what the probe `instances` finds.
        foot: what `labkit.measure.instances.footprint` found.

    Raises:
        ValueError: a machine that lacks the probe.
    """
    calibration = machine.calibration("instances")

    def predict(way, width, rate, deadline, arrivals):
        if reason := calibration.reason(way):
            return Unavailable(reason)
        window = 1 / rate if arrivals == SPREAD else min(1 / rate, deadline)
        each = cache(lambda networks: picture(calibration, way, width, networks, deadline))
        count = predicted.served(lambda sources: each(min(sources, NETWORKS[-1]) if way in APART else 1), window)
        if not count:
            return Unavailable(f"Not one source is answered in time: a picture has {quantity(deadline, 's')}, and the "
                               f"next one comes after {quantity(1 / rate, 's')}.")
        room, note = fitting(machine, foot, way, width), "The core binds."
        if room < count:
            count, note = room, f"Memory binds: {quantity(machine.memory, 'B')} hold no more of them."
        return banded({"": count}, "sources", note, widening=calibration.widening)

    def measure(way, width, rate, deadline, arrivals):
        expected = predict(way, width, rate, deadline, arrivals)
        if not expected:
            return expected
        if reason := refusal(foot, way, width, count := int(expected.value)):
            return Unavailable(reason)
        return measuring.in_time(way, measuring.cats(width), 1 / rate, deadline, arrivals == TOGETHER, count,
                                 calibration.reference_seconds, batch(calibration, way, width, deadline))

    return Experiment(
        title="Sources that one core answers in time",
        quantity="Sources",
        unit="sources",
        axes=[
            Axis("way", "Served by", WAYS, start=SHARED),
            Axis("width", "Width of the network", WIDTHS, start=LARGE, unit="channels", log=True),
            Axis("rate", "Each source has", RATES, start=RATE, unit="pictures/s", log=True),
            Axis("deadline", "Deadline of an answer", DEADLINES, start=DEADLINE, unit="s", log=True),
            Axis("arrivals", "Their pictures come", ARRIVALS),
        ],
        predict=predict,
        measure=measure,
        readout="Served by {way}, {width} wide, {value} with {rate} each are answered within {deadline}; their "
                "pictures come {arrivals}.",
        session=KEPT.open,
    )


def late(machine: Machine, foot: Footprint | Unavailable) -> Experiment:
    """Return the experiment on the share of late answers, with sources that are silent at times; as for `in_time`."""
    calibration = machine.calibration("instances")

    def predict(sources, active, way, width):
        if reason := calibration.reason(way):
            return Unavailable(reason)
        if reason := too_many(machine, foot, way, width, sources):
            return Unavailable(reason)
        room = 1 / RATE / picture(calibration, way, width, sources, DEADLINE)
        low, share, high = (100 * predicted.missed(sources, active / 100, room * factor)
                            for factor in (1 + BAND, 1, 1 / (1 + BAND)))
        return Outcome(share, "%", low=min(low, share), high=max(high, share), note=(
            f"There is room for {room:,.0f} at once; {sources * active / 100:,.3g} are active on average."))

    def measure(sources, active, way, width):
        if not (expected := predict(sources, active, way, width)):
            return expected
        if reason := refusal(foot, way, width, sources):
            return Unavailable(reason)
        return measuring.late(way, measuring.cats(width), sources, active / 100, 1 / RATE, DEADLINE,
                              batch(calibration, way, width, DEADLINE))

    return Experiment(
        title="Late answers of many sources",
        quantity="Late answers",
        unit="%",
        axes=[
            Axis("sources", "Sources", SOURCES, start=500, unit="sources", log=True),
            Axis("active", "Each is active for", ACTIVE, start=100, unit="%", log=True),
            Axis("way", "Served by", WAYS, start=SHARED),
            Axis("width", "Width of the network", (SMALL, LARGE), start=LARGE, unit="channels", log=True),
        ],
        predict=predict,
        measure=measure,
        readout=f"Of {{sources}}, each active for {{active}} of its time and then with {RATE} pictures/s, due within "
                f"{quantity(DEADLINE, 's')}, served by {{way}}, {{width}} wide: {{value}} of the answers are late.",
        session=KEPT.open,
    )


def memory(machine: Machine, foot: Footprint | Unavailable) -> Experiment:
    """Return the experiment on the memory of instances; the arguments are those of `in_time`."""
    def predict(instances, way, width):
        if not foot:
            return foot
        if reason := too_many(machine, foot, way, width, instances):
            return Unavailable(reason)
        parts = bytes_of(foot, way, width, instances)
        need = sum(parts.values())
        return Outcome(need, "B", low=need / (1 + MEMORY_BAND), high=need * (1 + MEMORY_BAND), parts=parts)

    def measure(instances, way, width):
        if not (expected := predict(instances, way, width)):
            return expected
        reason = refusal(foot, way, width, instances)
        return Unavailable(reason) if reason else measuring.memory(way, width, instances)

    return Experiment(
        title="Memory of many instances",
        quantity="Memory",
        unit="B",
        axes=[
            Axis("instances", "Instances", INSTANCES, start=100, unit="instances", log=True),
            Axis("way", "Served by", WAYS, start=PROCESSES),
            Axis("width", "Width of the network", WIDTHS, start=LARGE, unit="channels", log=True),
        ],
        predict=predict,
        measure=measure,
        readout="{instances} served by {way}, {width} wide, take {value}.",
    )


def always(room: float) -> list[Point]:
    """Return points of `late` below and beyond a breaking point, with sources that are always active."""
    return [dict(sources=nearest(share * room), active=100, way=SHARED, width=LARGE) for share in (0.5, 1.6)]


def silent(room: float) -> list[Point]:
    """Return points of `late` with sources that are active for a tenth of their time, by the breaking point."""
    return [dict(sources=nearest(share * room), active=10, way=SHARED, width=LARGE) for share in (6, 16)]


def nearest(sources: float) -> int:
    """Return the number of sources of the slider that is nearest."""
    return min(SOURCES, key=lambda known: abs(math.log(known / sources)))


def validation(machine: Machine) -> list[tuple[Experiment, list[Point]]]:
    """Return the experiments with the points that `labkit validate` measures.

    No source was served for the calibration, and of the memory only `labkit.measure.instances.FEW` networks are known.
    """
    foot = footprint()
    wide = [dict(START, way=way, width=width, deadline=deadline) for way in (BATCHES, SHARED, OWN)
            for width in WIDTHS for deadline in (0.02, 0.1)]
    fast = [dict(START, way=way, width=width, rate=200) for way in (THREADS, PROCESSES) for width in (32, LARGE)]
    once = [dict(START, way=way, width=width, arrivals=TOGETHER) for way in (BATCHES, SHARED) for width in WIDTHS]
    held = [dict(instances=instances, way=way, width=width) for way, counts in (
        (OWN, (50, 200)), (THREADS, (50, 200)), (PROCESSES, (2, 5, 10))) for instances in counts
            for width in (SMALL, LARGE)]
    return [(in_time(machine, foot), wide + fast + once), (memory(machine, foot), held)]
