"""The figures of Lab 2.3, *Feeding the cluster*."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from labkit.experiment import Comparison, Experiment, Unavailable
from labkit.figures import GREY, drawing, plain
from labkit.labs.feeding_the_cluster import experiments as lab
from labkit.labs.more_nodes.figures import steps
from labkit.loading.formats import FORMATS
from labkit.loading.loader import FETCH
from labkit.loading.samples import KINDS
from labkit.measure.probes.feeding import HERE, STATES, form
from labkit.palette import COLOURS

if TYPE_CHECKING:
    from labkit.machine import Machine

__all__ = ["over_link", "stages", "steps"]


def stages(machine: Machine) -> Figure | Unavailable:
    """Show how long each stage takes for a sample by itself, by what a sample is and how it is kept."""
    calibration = machine.calibration("feeding")
    if reason := calibration.reason(HERE, KINDS[0], form(FORMATS[0])):
        return Unavailable(reason)
    with drawing(1, 2, figsize=(6.4, 3), sharey=True) as (figure, both):
        for axes, kind in zip(both, KINDS, strict=True):
            for place, layout in enumerate(FORMATS):
                keys = [*((FETCH, kind, layout, state) for state in reversed(STATES)), (HERE, kind, form(layout))]
                for row, (key, colour) in enumerate(zip(keys, COLOURS, strict=False)):
                    if not calibration.reason(*key):
                        axes.barh(place + 0.26 * (row - 1), 1e6 * calibration.curve(*key)[0][1], 0.24, color=colour)
            axes.set_title(kind, fontsize=9, color=GREY)
            axes.set_xscale("log")
            plain(axes.xaxis)
            axes.tick_params(axis="x", labelsize=7)
            axes.set_xlabel("time of a sample (µs)", fontsize=9)
        both[0].set_yticks(range(len(FORMATS)), FORMATS)
        both[0].invert_yaxis()
        names = ("fetched, warm", "fetched, cold", "prepared")
        figure.legend(handles=[Patch(color=colour, label=name) for name, colour in zip(names, COLOURS, strict=False)],
                      fontsize=8, loc="upper center", bbox_to_anchor=(0.55, 0.02), ncols=3)
    return figure


def over_link(experiment: Experiment, comparison: Comparison) -> Figure | Unavailable:
    """Show the predicted samples a second against the readers of a store, a line a format, with what was measured."""
    if not (first := experiment.predict(**lab.FAR)):
        return first
    with drawing(figsize=(5, 3.4)) as (figure, axes):
        for layout, colour, marker in zip(FORMATS, COLOURS, "osD^", strict=False):
            values = {readers: outcome.value for readers in lab.READERS
                      if (outcome := experiment.predict(**{**lab.FAR, "layout": layout, "readers": readers}))}
            axes.plot(values.keys(), values.values(), color=colour, label=layout)
            dots = [(row.point["readers"], row.measured.value) for row in comparison.rows
                    if row.measured and row.point.items() >= {**lab.FAR, "layout": layout,
                                                              "readers": row.point["readers"]}.items()]
            axes.plot(*np.transpose(dots), marker, color=colour) if dots else None
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(lab.READERS, lab.READERS)
        plain(axes.yaxis)
        axes.set_xlabel("readers")
        axes.set_ylabel("samples a second")
        axes.legend(fontsize=8)
    return figure
