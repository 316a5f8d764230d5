"""The tables of Lab 4.2, and the numbers that it states of them."""

from __future__ import annotations

from labkit.display import TextTable
from labkit.experiment import Comparison, Outcome, Point, Unavailable
from labkit.labs import common
from labkit.labs.common import at
from labkit.labs.hundreds_of_instances import experiments as lab
from labkit.machine import Machine
from labkit.measure.instances import OWN, PROCESSES, WAYS, Footprint
from labkit.predict import instances as predicted
from labkit.units import percent, quantity


def instances(machine: Machine, foot: Footprint | Unavailable, width: int = lab.LARGE) -> TextTable:
    """Return what a further instance takes: the core's time for a picture, the memory, and how many each has room for.

    With `lab.RATE` pictures a second of each source, due within `lab.DEADLINE`.
    """
    calibration, rows = machine.calibration("instances"), []
    for way in WAYS:
        if reason := calibration.reason(way) or ("" if foot else foot.reason):
            rows.append([way, reason, "", "", ""])
            continue
        seconds = lab.picture(calibration, way, width, 100, lab.DEADLINE)
        one, two = (sum(lab.bytes_of(foot, way, width, count).values()) for count in (1, 2))
        room = lab.fitting(machine, foot, way, width)
        rows.append([way, quantity(seconds, "s"), quantity(two - one, "B"), f"{1 / lab.RATE / seconds:,.0f}",
                     "any" if room == float("inf") else f"{room:,.0f}"])
    return TextTable(["served by", "a picture", "memory of a further one", "the core has time for",
                      "memory has room for"], rows)


def times(comparison: Comparison, more: Point, less: Point, half: str = "measured") -> Outcome | Unavailable:
    """Return how many times as many sources are answered in time at one point as at another.

    Args:
        comparison: of `experiments.in_time`.
        more, less: what differs from `experiments.START`.
        half: `"measured"` or `"predicted"`.
    """
    return common.times(comparison, {**lab.START, **more}, {**lab.START, **less}, half)


def percent_of(share: Outcome | Unavailable) -> Outcome | Unavailable:
    """Return a ratio in %."""
    return share and Outcome(100 * share.value, "%", low=100 * share.low, high=100 * share.high)


def process_over_network(foot: Footprint | Unavailable) -> float | Unavailable:
    """Return how many times the memory of a further large network a further process with one takes."""
    if not foot:
        return foot
    process, network = (lab.bytes_of(foot, way, lab.LARGE, 2) for way in (PROCESSES, OWN))
    return sum(process.values()) / 2 / (network["networks"] / 2)


def burst(comparison: Comparison, half: str) -> Outcome | Unavailable:
    """Return the sources whose pictures all come at the same moment, over those that come one by one."""
    return times(comparison, dict(arrivals=lab.TOGETHER), {}, half)


def late(comparison: Comparison, place: int) -> Outcome | Unavailable:
    """Return the measured share of late answers of a row, in %."""
    return comparison.rows[place].measured


def room(comparison: Comparison) -> float:
    """Return how many sources were answered in time at `experiments.START`, or how many should have been."""
    row = at(comparison, **lab.START)
    return max((row.measured or row.predicted or Outcome(1, "sources")).value, 1)


def multiplexing(room: float, share: float = 0.01) -> TextTable:
    """Return how many sources share a room, by the time that each is active, if a share of the answers may be late."""
    rows = []
    for places in (10, room):
        for active in (1.0, 0.5, 0.1, 0.01):
            sources = predicted.multiplexed(active, places, share)
            rows.append([f"{places:,.0f}", percent(active), f"{sources:,}", f"{places / sources:.2f}"])
    return TextTable(["room for", "active", "sources", "room per source"], rows)


def served(comparison: Comparison, **point) -> str:
    """Return the measured number of sources at a point that differs from `experiments.START`, for a page."""
    row = at(comparison, **{**lab.START, **point})
    return (f"{row.measured.value:,.0f}" if row.measured else row.measured.reason) if row else "not measured"


def process(foot: Footprint | Unavailable) -> str:
    """Return the memory of a further process with the large network, for a page."""
    return quantity(sum(lab.bytes_of(foot, PROCESSES, lab.LARGE, 1).values()), "B") if foot else foot.reason


def network(foot: Footprint | Unavailable) -> str:
    """Return the memory of a further large network in a process, for a page."""
    return quantity(foot.networks[lab.LARGE], "B") if foot else foot.reason
