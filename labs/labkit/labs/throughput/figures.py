"""The figures of Lab 3.2, *Throughput*."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from labkit.figures import GREY, drawing
from labkit.palette import COLOURS

if TYPE_CHECKING:
    pass


def time_and_rate(batches: Sequence[tuple[int, float]], published: Mapping[str, tuple[float, float]]) -> Figure:
    """Show samples a second against the time of an answer, of this machine by batch, and of published devices.

    Args:
        batches: samples at once, and the seconds that they take.
        published: by device, seconds of one sample alone and its best rate in samples a second.
    """
    with drawing(figsize=(5, 4)) as (figure, axes):
        seconds, rates = [s for _, s in batches], [batch / s for batch, s in batches]
        alone, best = zip(*published.values(), strict=True)
        reach = np.array([min(*seconds, *alone) / 2, max(*seconds, *alone) * 2])
        for inside, dashes in ((1, "-"), (10, "--"), (100, ":")):
            axes.plot(1e3 * reach, inside / reach, dashes, color=GREY, linewidth=0.7, label=f"{inside} in work")
        axes.vlines([1e3 * s for s in alone], [1 / s for s in alone], best, color=COLOURS[1], linewidth=1)
        axes.plot([1e3 * s for s in alone], best, "^", color=COLOURS[1], label="published, ResNet-50")
        axes.plot([1e3 * s for s in seconds], rates, "o-", color=COLOURS[0], markersize=4, label="this machine, cats")
        for place in (0, -1):
            axes.annotate(f"batch {batches[place][0]}", (1e3 * seconds[place], rates[place]), (4, 5),
                          textcoords="offset points", fontsize=7, color=GREY)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_ylim(min(*rates, *best) / 3, max(*rates, *best) * 3)
        axes.set_xlabel("time of an answer (ms)")
        axes.set_ylabel("samples a second")
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.45, 1.22), ncols=2)
    return figure


def in_system(moments: Sequence[float], counts: Sequence[float], law: float) -> Figure:
    """Show how many samples are inside at some moments, in seconds, beside what Little's law says of their mean."""
    with drawing(figsize=(5, 2.6)) as (figure, axes):
        axes.step(moments, counts, where="post", linewidth=0.8, label="samples inside")
        axes.axhline(float(np.mean(counts)), color=COLOURS[2], label="their mean")
        axes.axhline(law, color=COLOURS[1], linestyle="--", label="rate × mean time")
        axes.set_xlabel("time since the first was due (s)")
        axes.set_ylabel("samples")
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.45, 1.22), ncols=3)
    return figure


def supply_and_demand(here: Mapping[str, float], published: Mapping[str, float],
                      demands: Mapping[str, float]) -> Figure:
    """Show bytes a second that parts of this machine and published links deliver, and lines at what is needed."""
    rows = sorted([*here.items(), *published.items()], key=lambda row: row[1])
    with drawing(figsize=(5, 0.33 * len(rows) + 1.5)) as (figure, axes):
        for own, colour, hatch, label in ((True, COLOURS[0], "", "measured here"),
                                          (False, COLOURS[3], "///", "published")):
            some = [(place, rate) for place, (name, rate) in enumerate(rows) if (name in here) == own]
            if not some:
                continue
            axes.barh(*zip(*some, strict=True), 0.6, color=colour, hatch=hatch, edgecolor="white", linewidth=0,
                      label=label)
        for (name, rate), dashes in zip(demands.items(), ("-", "--", ":"), strict=False):
            axes.axvline(rate, color=COLOURS[1], linestyle=dashes, label=name)
        axes.set_yticks(range(len(rows)), [name for name, _ in rows])
        axes.set_xscale("log")
        axes.set_xlabel("bytes a second")
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.25, 1.2), ncols=2)
    return figure
