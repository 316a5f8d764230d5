"""The figures of Lab 4.2, *Hundreds of instances*."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from labkit.experiment import Comparison, Experiment
from labkit.figures import drawing
from labkit.labs.hundreds_of_instances import experiments as lab
from labkit.palette import COLOURS


def in_time(comparison: Comparison) -> Figure:
    """Show the predicted numbers of sources with their bands, and the measured ones as diamonds."""
    rows = comparison.rows
    with drawing(figsize=(5.4, 0.42 * len(rows) + 1.2)) as (figure, axes):
        for place, row in enumerate(rows):
            if row.predicted:
                model = row.predicted
                band = [[model.value - model.low], [model.high - model.value]]
                axes.errorbar(model.value, place, xerr=band, fmt="|", markersize=14, capsize=4, color=COLOURS[0])
            if row.measured:
                axes.plot(row.measured.value, place, "D", color=COLOURS[1], zorder=3)
        axes.plot([], [], "|", markersize=14, color=COLOURS[0], label="predicted, with its band")
        axes.plot([], [], "D", color=COLOURS[1], label="measured")
        axes.set_yticks(range(len(rows)), [f"{row.point['way']}, {row.point['width']} wide" for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        _sources(axes)
        axes.set_xlabel("sources answered in time")
        axes.legend(fontsize=8, loc="lower left")
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
        _sources(axes)
        axes.set_xlabel("sources")
        axes.set_ylabel("late answers (%)")
        axes.legend(fontsize=8)
    return figure


def _sources(axes) -> None:
    axes.set_xscale("log")
    axes.set_xlim(10, 15_000)
    axes.set_xticks(marks := (10, 100, 1000, 10_000), [f"{mark:,}" for mark in marks])
