"""How the course's figures look: a module for each chapter, and one style."""

from .edge import answer_times, fewer_bits, frontier, kept, outage, percentiles, room, time_by_operator
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
    "answer_times",
    "by_coat",
    "confusion",
    "contact_sheet",
    "errors",
    "fewer_bits",
    "formats",
    "frontier",
    "kept",
    "ladder",
    "mending",
    "moving",
    "neuron",
    "outage",
    "percentiles",
    "reached",
    "roofline",
    "room",
    "style",
    "time_by_operator",
]
