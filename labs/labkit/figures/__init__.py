"""How the course's figures look: a module for each chapter, and one style."""

from .edge import answer_times, fewer_bits, frontier, kept, outage, percentiles, room, time_by_operator
from .inference import (
    above_floor,
    cold_start,
    in_system,
    latency_by_power,
    slower_than,
    supply_and_demand,
    time_and_rate,
)
from .style import GREY, style
from .terminology import (
    by_coat,
    confusion,
    contact_sheet,
    errors,
    formats,
    ladder,
    mending,
    moving,
    neuron,
    reached,
    roofline,
)

__all__ = [
    "GREY",
    "above_floor",
    "answer_times",
    "by_coat",
    "cold_start",
    "confusion",
    "contact_sheet",
    "errors",
    "fewer_bits",
    "formats",
    "frontier",
    "in_system",
    "kept",
    "ladder",
    "latency_by_power",
    "mending",
    "moving",
    "neuron",
    "outage",
    "percentiles",
    "reached",
    "roofline",
    "room",
    "slower_than",
    "style",
    "supply_and_demand",
    "time_and_rate",
    "time_by_operator",
]
