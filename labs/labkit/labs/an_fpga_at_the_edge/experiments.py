"""Lab 4.5: a classifier as a circuit, by its lanes and the part: cycles, what it takes, its clock, an answer's time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from statistics import median

from labkit.data import data_folder, read_csv
from labkit.experiment import Axis, Experiment, Outcome, Point, Published, Unavailable
from labkit.labs.an_fpga_at_the_edge.measuring import HIDDEN, SIDE, Bench
from labkit.machine import Machine
from labkit.models.networks import whole_numbers
from labkit.predict import fpga
from labkit.specs.fpga import PARTS, Circuit
from labkit.units import quantity

SIDES, NEURONS, LANES = (8, 16, 32), (16, 32, 64, 128), (1, 2, 4, 8, 16, 32, 64, 128)
HERE = dict(side=SIDE, hidden=HIDDEN, lanes=4, part="ECP5-25")  # which the lab places itself
USES = {"clock": "Hz", "cells": "cells", "multipliers": "multipliers", "blocks": "memories"}  # with their units
NAMES = {"clock": "Clock", "cells": "Cells", "multipliers": "Multipliers", "blocks": "Memories of 18 Kibit"}
BAND = {"clock": 0.15, "cells": 0.2, "multipliers": 0.0, "blocks": 0.0}  # data/measured/fpga-placements.csv: a test
NO_FORMULA = Unavailable("There is no formula for what else a machine does.")
_PICTURES, _MOST = 2, 200_000  # that are simulated for a count of cycles, and multiplications of lanes at most


def circuit(side: int, hidden: int, lanes: int) -> Circuit | Unavailable:
    """Return the circuit of a point, or why there is none."""
    try:
        return Circuit(3 * side**2, hidden, lanes)
    except ValueError as trouble:
        return Unavailable(str(trouble))


def fitting(side: int, hidden: int, lanes: int, part: str) -> Circuit | Unavailable:
    """Return the circuit of a point, or what the part lacks for it."""
    one = circuit(side, hidden, lanes)
    if one and (lack := fpga.too_large(one, PARTS[part])):
        return Unavailable(f"It is too large for the {part}: it takes {lack}.")
    return one


def _axes(*names: str) -> list[Axis]:
    axes = [
        Axis("lanes", "Lanes", LANES, start=HERE["lanes"], unit="lanes", log=True),
        Axis("hidden", "Hidden neurons", NEURONS, start=HERE["hidden"], unit="neurons", log=True),
        Axis("side", "Side of a picture", SIDES, start=HERE["side"], unit="pixels", log=True),
        Axis("part", "Part", tuple(PARTS)),
    ]
    return [axis for axis in axes if axis.name in names]


def cycles(bench: Bench) -> Experiment:
    """Return the experiment on the cycles of an answer, which are simulated."""
    def predict(lanes, hidden, side):
        if not (one := circuit(side, hidden, lanes)):
            return one
        return Outcome(sum((parts := fpga.cycles(one)).values()), "cycles", parts=parts)

    def measure(lanes, hidden, side):
        if not (one := circuit(side, hidden, lanes)):
            return one
        if (work := lanes * sum(fpga.cycles(one).values())) > _MOST:
            return Unavailable(f"{work:,} cycles of a lane would be simulated, and this lab does {_MOST:,} at most.")
        pictures = whole_numbers.as_bytes(whole_numbers.noise(_PICTURES, one.inputs))
        if not (found := bench.simulated(one, pictures)):
            return found
        counts = found[1]
        return Outcome(counts[0], "cycles", low=min(counts), high=max(counts))

    return Experiment(
        title="Cycles from a picture to its answer", quantity="Cycles", unit="cycles",
        axes=_axes("lanes", "hidden", "side"), predict=predict, measure=measure,
        readout="{lanes} for {hidden}, a picture with a side of {side}: {value}.")


def use(kind: str, bench: Bench) -> Experiment:
    """Return the experiment on one of `USES`: predicted from the design, and measured by placing it here."""
    def predict(lanes, hidden, side, part):
        if not (one := fitting(side, hidden, lanes, part)):
            return one
        value = fpga.clock(one) if kind == "clock" else fpga.needs(one)[kind]
        return Outcome(value, USES[kind], low=value * (1 - BAND[kind]), high=value * (1 + BAND[kind]))

    def measure(lanes, hidden, side, part):
        if not (one := fitting(side, hidden, lanes, part)):
            return one
        placed = bench.placed(one, part)
        return Outcome(getattr(placed, kind), USES[kind]) if placed else placed

    return Experiment(
        title=f"{NAMES[kind]} of a placed circuit", quantity=NAMES[kind], unit=USES[kind],
        axes=_axes("lanes", "hidden", "side", "part"), predict=predict, measure=measure, published=recorded(kind),
        readout="{lanes} for {hidden}, a picture with a side of {side}, on an {part}: {value}.")


def answer() -> Experiment:
    """Return the experiment on the time of an answer: cycles over clock, the same for every picture."""
    def predict(lanes, hidden, side, part):
        if not (one := fitting(side, hidden, lanes, part)):
            return one
        clock, parts = fpga.clock(one), fpga.cycles(one)
        value = sum(parts.values()) / clock
        note = (f"{sum(parts.values()):,} cycles at {quantity(float(f'{clock:.3g}'), 'Hz')}: {1 / value:,.0f} pictures "
                f"a second. It takes about {fpga.cells(one):,.0f} cells, {quantity(lanes, 'multipliers')} and "
                f"{fpga.blocks(one)} memories.")
        return Outcome(value, "s", low=value / (1 + BAND["clock"]), high=value / (1 - BAND["clock"]),
                       parts={name: count / clock for name, count in parts.items()}, note=note)

    return Experiment(
        title="From a picture to its answer, on an FPGA", quantity="Time", unit="s",
        axes=_axes("lanes", "hidden", "side", "part"), predict=predict, published=recorded("answer"),
        readout="{lanes} for {hidden}, a picture with a side of {side}, on an {part}: {value}.")


def answer_of(clock: Outcome | Unavailable | None, point: Point) -> Outcome:
    """Return the seconds of an answer of a circuit by a clock, else by the one of the record, else as predicted."""
    count = sum(fpga.cycles(circuit(point["side"], point["hidden"], point["lanes"])).values())
    if clock:
        return Outcome(count / clock.value, "s")
    known = recorded_at("clock", point)
    return Outcome(count / known, "s", note="As the project placed it.") if known else answer().predict(**point)


def in_mhz(clock: Outcome | Unavailable) -> Outcome | Unavailable:
    """Return a clock in MHz, as a reader guesses it."""
    return Outcome(clock.value / 1e6, "MHz", low=clock.low / 1e6, high=clock.high / 1e6) if clock else clock


def recorded(kind: str) -> tuple[Published, ...]:
    """Return what the project placed before, for one of `USES` or `"answer"`; of several seeds the median.

    What constants were fitted to, `labkit.predict.fpga.FITTED`, is left out.
    """
    found = []
    for (at, part), rows in _record().items():
        if fpga.FITTED.get(at) == part:
            continue
        side = round((at.inputs / 3) ** 0.5)
        point = dict(side=side, hidden=at.hidden, lanes=at.lanes, part=part)
        value = (sum(fpga.cycles(at).values()) / recorded_at("clock", point) if kind == "answer"
                 else recorded_at(kind, point))
        found.append(Published(point, value, f"{part}, placed", rows[0]["source"]))
    return tuple(found)


def recorded_at(kind: str, point: Point) -> float | None:
    """Return what the project's record has of one of `USES` at a point, also where it was fitted, or None."""
    one = circuit(point["side"], point["hidden"], point["lanes"])
    rows = _record().get((one, point["part"]), ())
    return median(float(row["clock_hz" if kind == "clock" else kind]) for row in rows) if rows else None


@cache
def _record() -> dict[tuple[Circuit, str], list[Mapping]]:
    """Return the rows of the record by circuit and part, one for each seed of nextpnr's chance."""
    grouped = {}
    for row in read_csv(data_folder() / "measured" / "fpga-placements.csv"):
        at = Circuit(*(int(row[size]) for size in ("inputs", "hidden", "lanes")))
        grouped.setdefault((at, row["part"]), []).append(row)
    return grouped


def cycle_points() -> list[Point]:
    """Return the points of the lab whose cycles are simulated."""
    return [dict(side=SIDE, hidden=hidden, lanes=lanes) for hidden, lanes in ((16, 1), (16, 4), (16, 16), (32, 8))]


def validation(machine: Machine) -> list[tuple[Experiment, list[Point]]]:
    """Return the experiments with the points that `labkit validate` measures: circuits that it simulates and places."""
    bench = Bench()
    points = [dict(HERE, lanes=lanes, hidden=hidden) for lanes, hidden in ((1, 16), (2, 16), (8, 16), (4, 32))]
    return [(cycles(bench), cycle_points()), *((use(kind, bench), points) for kind in USES)]
