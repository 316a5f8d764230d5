"""The tables of Lab 4.3, and the numbers that it states of them."""

from __future__ import annotations

from labkit.display import TextTable, written
from labkit.experiment import Comparison, Outcome, Point, Unavailable
from labkit.labs.common import outcome_at, times
from labkit.labs.distance_to_memory import experiments as lab
from labkit.labs.distance_to_memory.measuring import LINKS, MEMORY, SIDE_BYTES, WEIGHTS, Reads
from labkit.machine import Machine
from labkit.predict import links
from labkit.predict.operators import interpolate
from labkit.serving.model_store import LAYER
from labkit.specs.link import LinkSpec
from labkit.units import percent, quantity

NEAREST = next(iter(LINKS))  # of the two other machines


def over_memory(ladder: Comparison, rung: str, what: str = WEIGHTS) -> Outcome | Unavailable:
    """Return how many times as long a measured answer takes from a rung as from memory."""
    return times(ladder, dict(rung=rung, what=what), dict(rung=MEMORY, what=what))


def rung(ladder: Comparison, name: str, what: str = WEIGHTS) -> Outcome | Unavailable:
    """Return the measured time of an answer from a rung."""
    return outcome_at(ladder, rung=name, what=what)


def cold(machine: Machine, reads: Reads | Unavailable) -> TextTable:
    """Return what shows that a cold read came from the drive, beside a calibrated one that goes past the page cache."""
    if not reads:
        return TextTable(["a cold read"], [[reads.reason]])
    storage, moved = machine.calibration("storage"), reads.size * LAYER
    past = storage.reason("random") or quantity(moved / links.seconds(storage.curve("random"), moved), "B/s")
    return TextTable([f"reading {quantity(moved, 'B')}", ""], [
        ["pages still in memory after dropping", percent(reads.kept)],
        ["out of the page cache", quantity(moved / reads.warm.value, "B/s")],
        ["after dropping", quantity(moved / reads.cold.value, "B/s")],
        ["past the page cache, when it was calibrated", past]])


def fleet(machine: Machine, size: int = 2, devices: int = 1000, rate: int = 10) -> TextTable:
    """Return what so many devices, with `rate` answers a second each, ask of one far machine, if it keeps the weights.
    """
    weights = machine.calibration("weights")
    cores = weights.reason("answer", 1) or (
        f"{devices * rate * interpolate(weights.curve('answer', 1), size * LAYER):,.1f}")
    rows = [["the weights come", size * LAYER, ""], ["the question goes", 2 * SIDE_BYTES, cores]]
    return TextTable([f"{devices:,} devices, {rate} answers a second each", "over the far machine's link", "its cores"],
                     [[name, quantity(8 * devices * rate * moved, "bit/s"), cores] for name, moved, cores in rows])


def own_link(machine: Machine, spec: LinkSpec) -> TextTable:
    """Return what an answer takes over a link of the reader's own, beside what it takes from memory here."""
    found = {"from memory here": lab.ladder(machine).predict(**lab.START), **lab.over(machine, spec)}
    return TextTable(["", "an answer takes"], [[name, written(outcome)] for name, outcome in found.items()])


def trip(line: Comparison, **point: Point) -> Outcome | Unavailable:
    """Return the measured round trip up to which asking was worth it, at `experiments.ASKED` with some changes."""
    return outcome_at(line, **{**lab.ASKED, **point})


def said(ladder: Comparison, name: str, what: str = WEIGHTS) -> str:
    """Return the measured time of an answer from a rung as a page shows it, or why there is none."""
    return written(rung(ladder, name, what))


def times_said(ladder: Comparison, name: str) -> str:
    """Return how many times as long as from memory an answer takes from a rung, as a page shows it."""
    far = over_memory(ladder, name)
    return f"{far.value:,.0f} times" if far else far.reason
