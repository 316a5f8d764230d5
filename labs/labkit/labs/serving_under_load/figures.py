"""The figures of Lab 3.3, *Serving under load*."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from labkit.figures import GREY, drawing, left
from labkit.palette import COLOURS

if TYPE_CHECKING:
    from labkit.experiment import Outcome


def under_load(rates: Sequence[float], lines: Mapping[str, Sequence[float]],
               dots: Mapping[str, tuple[Sequence[float], Sequence[Outcome]]], capacity: float) -> Figure:
    """Show the seconds of an answer against the requests that come a second: predicted lines, measured dots.

    Args:
        rates: of the lines.
        lines: predicted seconds by percentile.
        dots: by percentile, rates and what was measured at them.
        capacity: requests a second that the server can answer.
    """
    with drawing(figsize=(5, 3.4)) as (figure, axes):
        for (name, seconds), marker, colour in zip(lines.items(), "osD^", COLOURS, strict=False):
            axes.plot(rates, [1e3 * s for s in seconds], color=colour, linewidth=1.2)
            across, found = dots[name]
            errors = [[1e3 * (o.value - o.low) for o in found], [1e3 * (o.high - o.value) for o in found]]
            axes.errorbar(across, [1e3 * o.value for o in found], errors, fmt=marker, color=colour, markersize=4,
                          linewidth=1, label=name)
        axes.axvline(capacity, color=GREY, linestyle="--")
        axes.annotate("capacity", (capacity, 1), (0, 3), xycoords=("data", "axes fraction"),
                      textcoords="offset points", ha="center", color=GREY)
        axes.set_yscale("log")
        axes.set_xlabel("requests that come (a second)")
        axes.set_ylabel("time of an answer (ms)")
        axes.legend(fontsize=8)
    return figure


def slow_shares(times: Mapping[str, Sequence[float]]) -> Figure:
    """Show for some series of seconds which share of the answers took longer than a time."""
    with drawing(figsize=(5, 2.8)) as (figure, axes):
        left(axes, times, whole=100)
        axes.set_xlabel("time (ms)")
        axes.set_ylabel("answers that took longer (%)")
        axes.legend(fontsize=8)
    return figure
