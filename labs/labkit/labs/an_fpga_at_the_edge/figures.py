"""The figures of Lab 4.5, *An FPGA at the edge*."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from labkit import figures
from labkit.figures import GREY, drawing
from labkit.labs.an_fpga_at_the_edge import experiments as lab
from labkit.labs.common import Tail
from labkit.palette import COLOURS
from labkit.predict import fpga


def cycles(hidden: int, side: int) -> Figure:
    """Show which share of an answer's cycles is for what, by the number of lanes; above a bar, its cycles."""
    counts = {lanes: fpga.cycles(one) for lanes in lab.LANES if (one := lab.circuit(side, hidden, lanes))}
    totals = [sum(parts.values()) for parts in counts.values()]
    with drawing(figsize=(5, 3.4)) as (figure, axes):
        below = np.zeros(len(counts))
        for name, colour in zip(next(iter(counts.values())), COLOURS, strict=False):
            share = np.array([100 * parts[name] / total for parts, total in zip(counts.values(), totals, strict=True)])
            axes.bar(range(len(counts)), share, 0.7, below, color=colour, label=name)
            below += share
        for place, total in enumerate(totals):
            axes.text(place, 101, f"{total:,}", ha="center", va="bottom", fontsize=8, color=GREY)
        axes.set_xticks(range(len(counts)), counts)
        axes.set_xlabel("lanes")
        axes.set_ylabel("share of the cycles (%)")
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, 1.25), ncols=3)
    return figure


def steady(answers: Tail, circuits: dict[str, float]) -> Figure:
    """Show which share of the CPU's answers takes longer than a time, and the one time of each of some circuits (s)."""
    with drawing(figsize=(5.4, 3.2)) as (figure, axes):
        figures.left(axes, {"this machine's CPU": answers.seconds}, 100)
        for (name, seconds), style in zip(circuits.items(), ("--", ":"), strict=False):
            axes.axvline(1e3 * seconds, color=GREY, linestyle=style, label=name)
        axes.set_xlabel("time of an answer (ms)")
        axes.set_ylabel("answers that take longer (%)")
        axes.legend(fontsize=8)
    return figure
