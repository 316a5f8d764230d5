"""The figures of Lab 2.2, *More nodes*."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from labkit.experiment import Unavailable
from labkit.figures import GREY, drawing, plain
from labkit.labs.more_nodes.exchange import misfit
from labkit.palette import COLOURS
from labkit.predict.collectives import Link, ring
from labkit.predict.convergence import samples
from labkit.units import quantity

if TYPE_CHECKING:
    from labkit.experiment import Row
    from labkit.measure.probes.data_parallel import Exchange, TrainingRun


def exchange(exchanges: Sequence[Exchange] | Unavailable, link: Link | Unavailable) -> Figure | Unavailable:
    """Show the time of an all-reduce between two processes against its bytes, with a fit and how far it is off.

    Args:
        exchanges: measured, or why there are none.
        link: latency and bandwidth, fitted to them.
    """
    if not exchanges:
        return exchanges
    sizes = [one.size for one in exchanges]
    fastest, usual = [one.fastest for one in exchanges], [one.usual for one in exchanges]
    fit, off = [ring(size, 2, link) for size in sizes], misfit(exchanges, link)
    with drawing(2, 1, figsize=(5, 4.6), sharex=True, height_ratios=(3, 1)) as (figure, (times, errors)):
        times.plot(sizes, [1e3 * s for s in fastest], "o", label="fastest", fillstyle="none")
        times.plot(sizes, [1e3 * s for s in usual], "s", label="median of blocks", fillstyle="none")
        times.plot(sizes, [1e3 * s for s in fit], color=COLOURS[2], label="latency and bandwidth, fitted")
        times.set_yscale("log")
        times.set_ylabel("time of one (ms)")
        times.legend(fontsize=8)
        errors.axhline(0, color=GREY, linewidth=0.8)
        errors.plot(sizes, [100 * e for e in off], "D", markersize=4, color=COLOURS[2])
        errors.set_xscale("log", base=2)
        errors.set_ylabel("fit off (%)")
        errors.set_xlabel("bytes added up")
        ticks = [2**k for k in range(4, 28, 6) if sizes[0] <= 2**k <= sizes[-1]]
        errors.set_xticks(ticks, [quantity(tick, "B") for tick in ticks])
    return figure


def steps(rows: Mapping[str, Row]) -> Figure:
    """Show the predicted parts of some steps as bars, and what was measured as a diamond."""
    return bars(rows, "time of one step (ms)", 1e3)


def bars(rows: Mapping[str, Row], label: str, scale: float) -> Figure:
    """Show the predicted parts of some outcomes as bars, and what was measured as a diamond.

    Args:
        rows: by the name of each bar.
        label: of the axis, with its unit.
        scale: of that unit, in the outcomes' own.
    """
    parts = [row.predicted.parts if row.predicted else {} for row in rows.values()]
    names = list(dict.fromkeys(name for each in parts for name in each))
    with drawing(figsize=(5, 0.45 * len(rows) + 1.3)) as (figure, axes):
        left = np.zeros(len(rows))
        for name, colour in zip(names, (*COLOURS, GREY), strict=False):
            lengths = [scale * each.get(name, 0.0) for each in parts]
            axes.barh(range(len(rows)), lengths, 0.6, left, color=colour, label=name)
            left += lengths
        there = [(scale * row.measured.value, place) for place, row in enumerate(rows.values()) if row.measured]
        if there:
            axes.plot(*zip(*there, strict=True), "D", color="white", markeredgecolor="black", zorder=3,
                      label="measured", clip_on=False)
        axes.set_yticks(range(len(rows)), list(rows))
        axes.invert_yaxis()
        axes.set_xlabel(label)
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.35, -0.25), ncols=2)
    return figure


def samples_needed(done: Sequence[TrainingRun], law: tuple[float, float] | Unavailable) -> Figure | Unavailable:
    """Show the samples until a network has learned, against the batch: each run, the fitted law, its critical batch."""
    if not law:
        return law
    runs, critical = [(one.batch, one.samples) for one in done if one.samples], law[1]
    low, high = (math.log2(end(batch for batch, _ in runs)) for end in (min, max))
    curve = {2**x: samples(2**x, *law) for x in np.linspace(low, high, 25)}
    with drawing(figsize=(5, 3)) as (figure, axes):
        batches = sorted({batch for batch, _ in runs})
        axes.plot(*zip(*runs, strict=True), "o", fillstyle="none", label="a run")
        axes.plot(curve.keys(), curve.values(), color=COLOURS[1], label="fitted")
        if critical < 16 * batches[-1]:
            axes.axvline(critical, color=GREY, linestyle="--", label="critical batch")
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(batches, [f"{batch:,}" for batch in batches])
        plain(axes.yaxis)
        axes.set_xlabel("global batch (pictures)")
        axes.set_ylabel("pictures until learned")
        axes.legend(fontsize=8)
    return figure


def until_learned(times: Mapping[int, Mapping[int, float]]) -> Figure | Unavailable:
    """Show the time until a network has learned against the nodes, a line for each batch; a diamond on the best of all.

    Args:
        times: seconds by nodes, for each global batch.
    """
    if not times:
        return Unavailable("No time can be predicted here.")
    with drawing(figsize=(5, 3.4)) as (figure, axes):
        for (batch, found), marker, colour in zip(times.items(), "osD^v", COLOURS, strict=False):
            axes.plot(found.keys(), found.values(), marker=marker, markersize=4, color=colour, label=f"batch {batch:,}")
        best = min(((s, nodes) for found in times.values() for nodes, s in found.items()))
        axes.plot(best[1], best[0], "D", markersize=9, color="white", markeredgecolor="black", zorder=3, label="best")
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        nodes = sorted({nodes for found in times.values() for nodes in found})
        axes.set_xticks(nodes, [f"{n:,}" for n in nodes], fontsize=8)
        axes.set_xlabel("nodes")
        axes.set_ylabel("time until learned (s)")
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.45, 1.25), ncols=3)
    return figure
