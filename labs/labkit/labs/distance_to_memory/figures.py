"""The figures of Lab 4.3, *Distance to memory*."""

from __future__ import annotations

from matplotlib.figure import Figure

from labkit.experiment import Comparison, Unavailable
from labkit.figures import drawing
from labkit.labs.distance_to_memory.experiments import SOME
from labkit.labs.distance_to_memory.measuring import RUNGS, WEIGHTS
from labkit.palette import COLOURS

TICKS = (0.01, 0.1, 1, 10, 100)  # ms

def ladder(comparison: Comparison) -> Figure | Unavailable:
    """Show the time of an answer by the rung that its weights, or its inputs, came from: predicted and measured."""
    if not any(row.predicted or row.measured for row in comparison.rows):
        return Unavailable(str(comparison))
    with drawing(figsize=(5.4, 4)) as (figure, axes):
        for what, colour, marker in ((WEIGHTS, COLOURS[0], "o"), (SOME, COLOURS[1], "s")):
            rows = [row for row in comparison.rows if row.point["what"] == what]
            for half, label, fill in (("predicted", f"{what}, predicted", "none"), ("measured", "measured", "full")):
                found = [(1e3 * getattr(row, half).value, RUNGS.index(row.point["rung"])) for row in rows
                         if getattr(row, half)]
                axes.plot(*(zip(*found, strict=True) if found else ([], [])), marker, color=colour, fillstyle=fill,
                          markersize=8 if fill == "none" else 4, label=label)
        axes.set_yticks(range(len(RUNGS)), RUNGS)
        axes.invert_yaxis()
        axes.set_xscale("log")
        axes.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
        axes.set_xlabel("time of an answer (ms)")
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.2, 1.2), ncols=2)
    return figure
