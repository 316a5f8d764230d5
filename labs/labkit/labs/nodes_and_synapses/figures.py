"""The figures of Lab 1.2, *Nodes and synapses*."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
from matplotlib.figure import Figure

from labkit.figures import GREY, drawing
from labkit.palette import COLOURS


def errors(found: Mapping[str, Sequence[float]]) -> Figure:
    """Show every error of some experiments as a dot, and their medians; `found` holds fractions by experiment."""
    with drawing(figsize=(5.6, 0.5 * len(found) + 0.8)) as (figure, axes):
        for row, values in enumerate(found.values()):
            axes.plot([100 * value for value in values], [row] * len(values), "o", color=COLOURS[0], alpha=0.35)
            if values:
                axes.plot([100 * float(np.median(values))] * 2, [row - 0.3, row + 0.3], color=COLOURS[1], linewidth=2)
        axes.set_yticks(range(len(found)), [fill(title, 28) for title in found], fontsize=8)
        axes.set_xlim(0)
        axes.set_xlabel("error of the prediction (%)")
        axes.invert_yaxis()
    return figure


def neuron() -> Figure:
    """Show what one neuron does: it weighs what it reads, adds a bias, and bends the sum."""
    heights, box = (2.0, 1.0, 0.0), {"boxstyle": "circle,pad=0.45", "facecolor": COLOURS[0], "edgecolor": "none"}
    with drawing(figsize=(5.6, 2.1)) as (figure, axes):
        for place, height in enumerate(heights, 1):
            axes.annotate("", (1.75, 1.0 + 0.12 * (height - 1.0)), (0.2, height), arrowprops={
                "arrowstyle": "-|>", "color": COLOURS[0]})
            axes.text(0, height, f"$x_{place}$", ha="center", va="center", fontsize=13)
            axes.text(0.75, height + (0.2 - 0.26 * (height - 1.0)), f"$w_{place}$", ha="center", fontsize=11)
        axes.annotate("", (2.0, 0.72), (2.0, 0.0), arrowprops={"arrowstyle": "-|>", "color": COLOURS[0]})
        axes.text(2.0, -0.2, "bias $b$", ha="center", va="center", fontsize=11)
        axes.text(2.0, 1.0, "Σ", ha="center", va="center", fontsize=15, color="white", bbox=box)
        axes.annotate("", (3.3, 1.0), (2.28, 1.0), arrowprops={"arrowstyle": "-|>", "color": COLOURS[0]})
        axes.plot([3.4, 3.75, 4.1], [0.75, 0.75, 1.3], color=COLOURS[1], linewidth=2.5)
        axes.text(3.75, 1.6, "bend", ha="center", va="center", fontsize=11)
        axes.annotate("", (5.1, 1.0), (4.2, 1.0), arrowprops={"arrowstyle": "-|>", "color": COLOURS[0]})
        axes.text(5.25, 1.0, "$y$", ha="center", va="center", fontsize=13)
        axes.set_xlim(-0.3, 5.5)
        axes.set_ylim(-0.45, 2.3)
        axes.set_axis_off()
    return figure


def reached(flops: float, bandwidth: float, found: Mapping[str, Sequence[tuple[float, float]]]) -> Figure:
    """Show the rates that programs reached under the roof of a machine.

    Args:
        flops, bandwidth: the roof's peak in FLOP/s and slope in bytes/s.
        found: by label, the operations for each byte (FLOP/byte) and the rates (FLOP/s) of some programs.
    """
    reached = [x for group in found.values() for x, _ in group] or [flops / bandwidth]
    intensity = np.geomspace(min(reached) / 2, max(*reached, flops / bandwidth) * 2, 100)
    with drawing(figsize=(5.6, 3.6)) as (figure, axes):
        axes.plot(intensity, np.minimum(flops, intensity * bandwidth), color=GREY, linewidth=2, label="the roof")
        for (label, group), marker in zip(found.items(), "osD^vP", strict=False):
            axes.plot(*zip(*group, strict=True), marker, markersize=6, label=label, alpha=0.85)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("operations for each byte that has to move (FLOP/byte)")
        axes.set_ylabel("rate reached (FLOP/s)")
        axes.legend(loc="lower right", fontsize=9)
    return figure
