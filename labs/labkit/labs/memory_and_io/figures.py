"""The figures of Lab 3.4, *Memory and I/O*."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from labkit.experiment import Comparison, Unavailable
from labkit.figures import GREY, drawing, plain
from labkit.labs.memory_and_io import experiments as lab
from labkit.labs.memory_and_io.measuring import Run
from labkit.labs.more_nodes.figures import steps
from labkit.palette import COLOURS

__all__ = ["hits", "requests", "steps"]


def hits(asked: lab.Requests, comparison: Comparison) -> Figure:
    """Show the predicted share of hits against the share of the models in memory, by skew, with what was measured."""
    with drawing(figsize=(5, 3.4)) as (figure, axes):
        for skew, colour, marker in zip((0, 1.0), COLOURS, "so", strict=False):
            at = {**lab.MANY, "skew": skew}
            axes.plot(lab.SHARES, [asked.hits.predict(**{**at, "share": share}).value for share in lab.SHARES],
                      color=colour, label=f"skew {skew:g}")
            dots = [(row.point["share"], row.measured.value) for row in comparison.rows
                    if row.measured and row.point == {**at, "share": row.point["share"]}]
            axes.plot(*np.transpose(dots), marker, color=colour) if dots else None
        axes.set_xlabel("models in memory (%)")
        axes.set_ylabel("requests that find theirs (%)")
        axes.legend(fontsize=8)
    return figure


def requests(runs: Mapping[str, Run | Unavailable]) -> Figure | Unavailable:
    """Show the seconds of the requests of some runs in order, fast to slow, and where the hundredth begins."""
    if missing := [run for run in runs.values() if not run]:
        return missing[0]
    with drawing(figsize=(5, 3.4)) as (figure, axes):
        for (name, run), colour, style in zip(runs.items(), COLOURS, ("-", "--", ":"), strict=False):
            ordered = sorted(run.seconds)
            axes.plot(100 * (np.arange(len(ordered)) + 1) / len(ordered), [1e3 * s for s in ordered], style,
                      color=colour, label=name)
        axes.axvline(99, color=GREY, linewidth=0.8)
        axes.text(98.5, axes.get_ylim()[1], "p99", fontsize=8, ha="right", va="top", color=GREY)
        axes.set_yscale("log")
        plain(axes.yaxis)
        axes.set_xlabel("share of the requests (%)")
        axes.set_ylabel("take this time at most (ms)")
        axes.legend(fontsize=8)
    return figure
