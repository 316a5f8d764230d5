"""The figures of Lab 2.7, *Too big for one node*."""

from __future__ import annotations

from matplotlib.figure import Figure

from labkit.experiment import Comparison
from labkit.figures import GREY, drawing
from labkit.labs.more_nodes.figures import bars
from labkit.labs.too_big_for_one_node import planner
from labkit.palette import COLOURS


def held(comparison: Comparison) -> Figure:
    """Show what a process holds by its predicted parts, and what was measured as a diamond, for every way."""
    return bars({row.point["way"]: row for row in comparison.rows}, "memory of one process (MiB)", 2**-20)


def sent(comparison: Comparison) -> Figure:
    """Show what a process sends by its predicted parts, and what was measured as a diamond, for every way."""
    return bars({row.point["way"]: row for row in comparison.rows}, "sent in a step (MiB)", 2**-20)


def published() -> Figure:
    """Show published peaks of an accelerator's memory against what is counted, with an H100's memory."""
    rows = planner.against_published().rows
    with drawing(figsize=(4.4, 3.4)) as (figure, axes):
        for model, colour, marker in zip(planner.MODELS, COLOURS, "osD", strict=False):
            points = [(row.predicted.value / 2**30, row.published.value / 2**30) for row in rows
                      if row.point["model"] == model]
            axes.plot(*zip(*points, strict=True), marker, color=colour, label=model)
        axes.plot([30, 90], [30, 90], color=GREY, linewidth=0.8, label="as counted")
        axes.plot([30, 90], [45, 135], ":", color=GREY, linewidth=0.8, label="half as much again")
        axes.set_xlim(30, 90)
        axes.set_ylim(30, 100)
        axes.set_xlabel("counted (GiB)")
        axes.set_ylabel("published (GiB)")
        axes.legend(fontsize=8, loc="lower right")
    return figure
