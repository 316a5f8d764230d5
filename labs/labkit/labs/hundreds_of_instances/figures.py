"""The figures of Lab 4.2, *Hundreds of instances*."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from labkit.experiment import Comparison, Experiment
from labkit.figures import GREY, drawing, plain
from labkit.labs.hundreds_of_instances import experiments as lab
from labkit.palette import COLOURS


def in_time(comparison: Comparison) -> Figure:
    """Show the predicted numbers of sources as bars with their bands, and the measured ones as diamonds."""
    rows = comparison.rows
    with drawing(figsize=(5.4, 0.42 * len(rows) + 1.2)) as (figure, axes):
        for place, row in enumerate(rows):
            if row.predicted:
                model = row.predicted
                axes.barh(place, model.value, 0.6, color=COLOURS[row.point["width"] == lab.SMALL],
                          xerr=[[model.value - model.low], [model.high - model.value]], ecolor=GREY)
            if row.measured:
                axes.plot(row.measured.value, place, "D", color="white", markeredgecolor="black", zorder=3)
        axes.set_yticks(range(len(rows)), [f"{row.point['way']}, {row.point['width']} wide" for row in rows])
        axes.invert_yaxis()
        axes.set_xscale("log")
        plain(axes.xaxis)
        axes.set_xlabel("sources answered in time")
    return figure


def late(experiment: Experiment, comparisons: Sequence[Comparison], **point) -> Figure:
    """Show the predicted share of late answers against the sources, a line for each share of activity, and dots.

    Args:
        experiment, comparisons: of `experiments.late`.
        point: the way and the width.
    """
    with drawing(figsize=(5, 3.2)) as (figure, axes):
        for active, colour, marker, dashes in zip((100, 50, 10), COLOURS, "osD", ("-", "--", ":"), strict=False):
            shares = {sources: outcome.value for sources in lab.SOURCES
                      if (outcome := experiment.predict(sources=sources, active=active, **point))}
            axes.plot(shares.keys(), shares.values(), dashes, color=colour, label=f"active for {active} % of the time")
            for row in (row for comparison in comparisons for row in comparison.rows):
                if row.measured and row.point.items() >= {"active": active, **point}.items():
                    axes.plot(row.point["sources"], row.measured.value, marker, color=colour)
        axes.set_xscale("log")
        plain(axes.xaxis)
        axes.set_xlabel("sources")
        axes.set_ylabel("late answers (%)")
        axes.legend(fontsize=8)
    return figure
