"""The figures of Lab 4.4, *Edge, cloud or both*."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from labkit.experiment import Unavailable
from labkit.figures import GREY, drawing
from labkit.labs.edge_cloud_or_both.testbed import Watch
from labkit.palette import COLOURS


def percentiles(runs: Mapping[str, Mapping[int, float]], deadline: float) -> Figure:
    """Show how long answers took: for each of `runs`, seconds by percentile, beside a deadline."""
    with drawing(figsize=(5, 0.42 * len(runs) + 1.2)) as (figure, axes):
        for place, found in enumerate(runs.values()):
            axes.plot([1e3 * seconds for seconds in found.values()], [place] * len(found), color=COLOURS[0])
        for share, marker in zip(next(iter(runs.values()), ()), "osD", strict=False):
            axes.plot([1e3 * found[share] for found in runs.values()], range(len(runs)), marker, color=COLOURS[0],
                      fillstyle="none" if marker == "o" else "full", label=f"p{share}")
        axes.axvline(1e3 * deadline, color=COLOURS[1], linestyle="--", label="deadline")
        axes.set_yticks(range(len(runs)), list(runs))
        axes.set_xscale("log")
        axes.set_xlabel("time of an answer (ms)")
        axes.invert_yaxis()
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.4, 1.22), ncols=4)
    return figure


def outage(watch: Watch | Unavailable) -> Figure:
    """Show the seconds of each answer against its moment, marked by who gave it, with the time of an outage shaded."""
    with drawing(figsize=(5, 3)) as (figure, axes):
        axes.set_xlabel("time since the start (s)")
        axes.set_ylabel("time of an answer (ms)")
        if watch:
            axes.set_yscale("log")
            axes.axvspan(*watch.down, color=GREY, alpha=0.2, linewidth=0, label="the link is down")
            for who, marker, colour in zip(watch.counts(), "osX", COLOURS, strict=False):
                given = [(moment, 1e3 * answer.seconds)
                         for moment, answer in zip(watch.moments, watch.answers, strict=True) if answer.by == who]
                if given:
                    axes.plot(*zip(*given, strict=True), marker, markersize=4, color=colour, label=f"by {who}")
            axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.45, 1.32), ncols=2)
    return figure


def kept(round_trips: Sequence[float], shares: Sequence[float], turn: float) -> Figure:
    """Show which share of answers, in %, kept a deadline, against the link's round trip, beside the predicted turn."""
    with drawing(figsize=(5, 2.6)) as (figure, axes):
        axes.plot([1e3 * trip for trip in round_trips], shares, marker="o", label="measured")
        axes.axvline(1e3 * turn, color=COLOURS[1], linestyle="--", label="predicted turn")
        axes.set_ylim(-5, 105)
        axes.set_xlabel("round trip of the link (ms)")
        axes.set_ylabel("answers in time (%)")
        axes.legend(fontsize=8)
    return figure
