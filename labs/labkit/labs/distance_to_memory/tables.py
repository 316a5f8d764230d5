"""The tables of Lab 4.3, and the numbers that it states of them."""

from __future__ import annotations

from labkit.display import TextTable, written
from labkit.experiment import Comparison, Outcome, Point, Unavailable
from labkit.labs.common import at, times
from labkit.labs.distance_to_memory import experiments as lab
from labkit.labs.distance_to_memory import measuring
from labkit.labs.distance_to_memory.measuring import DRIVE, LINKS, MEMORY, SIDE_BYTES, WEIGHTS
from labkit.machine import Machine
from labkit.measure.probes.weights import READ_WARM
from labkit.predict import links
from labkit.predict.operators import interpolate
from labkit.serving.model_store import LAYER
from labkit.specs.calibration import CostCurve
from labkit.specs.link import LinkSpec
from labkit.units import quantity

NEAREST = next(iter(LINKS))  # of the two other machines


def over_memory(ladder: Comparison, rung: str, what: str = WEIGHTS) -> Outcome | Unavailable:
    """Return how many times as long a measured answer takes from a rung as from memory."""
    return times(ladder, dict(rung=rung, what=what), dict(rung=MEMORY, what=what))


def rung(ladder: Comparison, name: str, what: str = WEIGHTS) -> Outcome | Unavailable:
    """Return the measured time of an answer from a rung."""
    row = at(ladder, rung=name, what=what)
    return row.measured if row else Unavailable("This run did not come to that point.")


def cold_rate(ladder: Comparison) -> Outcome | Unavailable:
    """Return the bytes/s at which the measured answer from the drive fetched its weights, what memory takes left out.
    """
    cold, held = rung(ladder, DRIVE), rung(ladder, MEMORY)
    if not (cold and held):
        return held if cold else cold
    if (fetching := cold.value - held.value) <= 0:
        return Unavailable("The drive was as fast as memory.")
    return Outcome(lab.START["size"] * LAYER / fetching, "B/s")


def _timed(machine: Machine, size: int, *key: str | int) -> Outcome | Unavailable:
    calibration = machine.calibration("weights")
    if reason := calibration.reason(*key):
        return Unavailable(reason)
    return Outcome(interpolate(calibration.curve(*key), size * LAYER), "s")


def past_the_cache(machine: Machine, size: int) -> Outcome | Unavailable:
    """Return the bytes/s at which this machine's drive gives `size` MiB that are read past the page cache."""
    storage = machine.calibration("storage")
    if reason := storage.reason("random"):
        return Unavailable(reason)
    return Outcome(size * LAYER / links.seconds(storage.curve("random"), size * LAYER), "B/s")


def cold(machine: Machine, ladder: Comparison) -> TextTable:
    """Return what shows that a cold read came from the drive: the pages that stayed in memory, and three rates."""
    size = lab.START["size"]
    warm = _timed(machine, size, "fetch", READ_WARM)
    return TextTable(["", ""], [
        ["pages still in memory after dropping", written(measuring.kept(size))],
        ["weights from the drive, as measured above", written(cold_rate(ladder))],
        ["a read past the page cache, calibrated", written(past_the_cache(machine, size))],
        ["a read out of the page cache, calibrated",
         quantity(size * LAYER / warm.value, "B/s") if warm else warm.reason]])


def fleet(machine: Machine, size: int = 2, devices: int = 1000, rate: int = 10) -> TextTable:
    """Return what so many devices, with `rate` answers a second each, ask of one far machine, if it keeps the weights.
    """
    answer = _timed(machine, size, "answer", 1)
    cores = f"{devices * rate * answer.value:,.1f}" if answer else answer.reason
    rows = [["the weights come", size * LAYER, ""], ["the question goes", 2 * SIDE_BYTES, cores]]
    return TextTable([f"{devices:,} devices, {rate} answers a second each", "over the far machine's link", "its cores"],
                     [[name, quantity(8 * devices * rate * moved, "bit/s"), cores] for name, moved, cores in rows])


def own_link(machine: Machine, hot: CostCurve, spec: LinkSpec) -> TextTable:
    """Return what an answer takes over a link of the reader's own, beside what it takes from memory here."""
    found = {"from memory here": lab.ladder(machine, hot).predict(**lab.START), **lab.over(machine, hot, spec)}
    return TextTable(["", "an answer takes"], [[name, written(outcome)] for name, outcome in found.items()])


def trip(line: Comparison, **point: Point) -> Outcome | Unavailable:
    """Return the measured round trip up to which asking was worth it, at `experiments.ASKED` with some changes."""
    row = at(line, **{**lab.ASKED, **point})
    return row.measured if row else Unavailable("This run did not come to that point.")


def said(ladder: Comparison, name: str, what: str = WEIGHTS) -> str:
    """Return the measured time of an answer from a rung as a page shows it, or why there is none."""
    return written(rung(ladder, name, what))


def times_said(ladder: Comparison, name: str) -> str:
    """Return how many times as long as from memory an answer takes from a rung, as a page shows it."""
    far = over_memory(ladder, name)
    return f"{far.value:,.0f} times" if far else far.reason
