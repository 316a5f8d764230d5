"""The figures of Lab 2.6, *Surviving failures*."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from labkit.experiment import Unavailable
from labkit.figures import GREY, drawing, plain
from labkit.labs.surviving_failures import planner
from labkit.labs.surviving_failures.measuring import Training
from labkit.palette import COLOURS
from labkit.predict import checkpoints

_TICKS = (100, 1000, 10_000, 100_000)  # nodes


def lives(run: Training | Unavailable) -> Figure | Unavailable:
    """Show the steps that are done against the time since the launch, with the kills."""
    if not run:
        return run
    with drawing(figsize=(5, 3)) as (figure, axes):
        begin = 0.0
        for number, life in enumerate(run.survived.lives):
            begin += life.waited
            axes.plot([begin, begin + life.seconds], [life.begun, life.reached], color=COLOURS[0],
                      label=None if number else "training")
            begin += life.seconds
            if number < len(run.survived.lives) - 1:
                axes.plot(begin, life.reached, "X", color=COLOURS[1], label=None if number else "killed")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("seconds since the launch")
        axes.set_ylabel("steps done")
        axes.legend(fontsize=8)
    return figure


def effective() -> Figure:
    """Show the effective share of the time against the interval between saves, and the best one, at three sizes."""
    with drawing(figsize=(5, 3.4)) as (figure, axes):
        every = np.geomspace(5, 20_000, 200)
        for nodes, colour, style in zip((256, 2048, 16_384), COLOURS, ("-", "--", ":"), strict=False):
            between = checkpoints.between(nodes, planner.LLAMA_NODE * planner.DAY)
            shares = [100 * checkpoints.effective(planner.LLAMA_SAVE, between, 600, seconds) for seconds in every]
            axes.plot(every / 60, shares, style, color=colour, label=f"{nodes:,} nodes")
            best = checkpoints.best(planner.LLAMA_SAVE, between)
            axes.plot(best / 60, 100 * checkpoints.effective(planner.LLAMA_SAVE, between, 600, best), "o", color=colour)
        axes.set_xscale("log")
        plain(axes.xaxis)
        axes.set_ylim(0, 100)
        axes.set_xlabel("training between two saves (min)")
        axes.set_ylabel("effective training time (%)")
        axes.legend(fontsize=8)
    return figure


def nodes() -> Figure:
    """Show how many nodes without failures a cluster is worth, against its nodes, by the time to start again."""
    with drawing(figsize=(5, 3.4)) as (figure, axes):
        many = np.geomspace(64, 262_144, 100)
        for minutes, colour, style in zip((1, 10, 30), COLOURS, ("-", "--", ":"), strict=False):
            worth = []
            for count in many:
                between = checkpoints.between(count, planner.LLAMA_NODE * planner.DAY)
                best = checkpoints.best(planner.LLAMA_SAVE, between)
                worth.append(count * checkpoints.effective(planner.LLAMA_SAVE, between, minutes * 60, best))
            axes.plot(many, worth, style, color=colour, label=f"{minutes} min to start again")
        axes.plot(many, many, color=GREY, linewidth=0.8, label="no failures")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_ylim(many[0], many[-1])
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(_TICKS, [f"{tick:,}" for tick in _TICKS])
        axes.minorticks_off()
        axes.set_xlabel("nodes")
        axes.set_ylabel("worth so many that never fail")
        axes.legend(fontsize=8)
    return figure
