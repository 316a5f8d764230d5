"""The figures of Lab 3.3, *Serving under load*."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from labkit.experiment import Comparison
from labkit.figures import GREY, drawing, left
from labkit.labs.serving_under_load import experiments as lab
from labkit.labs.serving_under_load.testbed import Stop
from labkit.machine import Machine
from labkit.palette import COLOURS
from labkit.predict import queueing


def under_load(machine: Machine, comparison: Comparison) -> Figure:
    """Show the time of an answer against the requests that come a second: predicted lines, measured dots.

    Args:
        machine: for which the lines are predicted.
        comparison: of `labkit.labs.serving_under_load.experiments.answers`, in batches of `MAX_BATCH`.
    """
    server = lab.service(machine)
    capacity = queueing.capacity(server, lab.MAX_BATCH)
    rates = [capacity * load for load in np.linspace(0.1, 1.5, 29)]
    queues = [queueing.Queue(rate, lab.MAX_BATCH, max_queue=lab.MAX_QUEUE) for rate in rates]
    with drawing(figsize=(5, 3.4)) as (figure, axes):
        for name, marker, colour in zip(lab.DRAWN, "osD", COLOURS, strict=False):
            predicted = [lab.play(server, queue).percentile(lab.PERCENTILES[name])[0] for queue in queues]
            axes.plot(rates, [1e3 * seconds for seconds in predicted], color=colour, linewidth=1.2)
            across, outcomes = lab.curve(comparison, name)
            errors = [[1e3 * (o.value - o.low) for o in outcomes], [1e3 * (o.high - o.value) for o in outcomes]]
            axes.errorbar(across, [1e3 * o.value for o in outcomes], errors, fmt=marker, color=colour, markersize=4,
                          linewidth=1, label=name)
        axes.axvline(capacity, color=GREY, linestyle="--")
        axes.annotate("capacity", (capacity, 1), (0, 3), xycoords=("data", "axes fraction"),
                      textcoords="offset points", ha="center", color=GREY)
        axes.set_yscale("log")
        axes.set_xlabel("requests that come (a second)")
        axes.set_ylabel("time of an answer (ms)")
        axes.legend(fontsize=8)
    return figure


def slow_shares(stop: Stop) -> Figure:
    """Show for the two loops of a stop which share of the answers took longer than a time."""
    with drawing(figsize=(5, 2.8)) as (figure, axes):
        axes.set_xlabel("time (ms)")
        axes.set_ylabel("answers that took longer (%)")
        if stop.loads:
            left(axes, {loop: load.answered for loop, load in stop.loads.items()}, whole=100)
            axes.legend(fontsize=8)
    return figure
