"""The figures of Lab 2.5, *Growing, clean data*."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

import numpy as np
from matplotlib.figure import Figure

from labkit.experiment import Comparison, Unavailable
from labkit.figures import GREY, drawing, plain
from labkit.labs.common import at
from labkit.labs.growing_clean_data import dirt
from labkit.labs.growing_clean_data import experiments as lab
from labkit.labs.growing_clean_data.arrivals import Arrival
from labkit.labs.growing_clean_data.measuring import Trainings
from labkit.models.datasets import cats
from labkit.models.random_features import operations
from labkit.palette import COLOURS

_MARKS = "osD^"


def growth(trained: Trainings, fitted: lab.Curves) -> Figure:
    """Show wrong answers by pictures: points that the curve was fitted to, points that it was not, and its floor."""
    with drawing(figsize=(4.4, 3)) as (figure, axes):
        across = np.geomspace(lab.SIZES[0], lab.SIZES[-1], 60)
        for (width, one), colour, mark in zip(fitted.items(), COLOURS, _MARKS, strict=False):
            axes.plot(across, [one.curve.error(n) for n in across], color=colour, label=f"{width} channels")
            axes.fill_between(across, *np.percentile([[other.error(n) for n in across] for other in one.others],
                                                     (2.5, 97.5), axis=0), color=colour, alpha=0.15)
            for sizes, fill in ((lab.FITTED, "full"), (lab.HELD_OUT, "none")):
                sizes = [n for n in sizes if n <= trained.largest]
                axes.plot(sizes, [mean(trained.errors(n, width)) for n in sizes], mark, color=colour, fillstyle=fill)
            axes.axhline(one.curve.floor, color=colour, linestyle=":", linewidth=0.8)
        axes.set(xscale="log", yscale="log", xlabel="pictures to learn from (open: not used for the curve)",
                 ylabel="wrong answers (%)")
        axes.set_xticks(lab.SIZES, [f"{n:,}" for n in lab.SIZES])
        axes.minorticks_off()
        plain(axes.yaxis)
        axes.legend(fontsize=8)
    return figure


def work(trained: Trainings, widths: Sequence[int] = lab.WIDTHS) -> Figure:
    """Show wrong answers by the operations of a training, a line for each width."""
    with drawing(figsize=(4.4, 3)) as (figure, axes):
        for width, colour, mark in zip(widths, COLOURS, _MARKS, strict=False):
            sizes = [n for n in lab.SIZES if n <= trained.largest]
            axes.plot([operations(n, width) for n in sizes], [mean(trained.errors(n, width)) for n in sizes],
                      f"{mark}-", color=colour, label=f"{width} channels")
        axes.set(xscale="log", yscale="log", xlabel="operations of a training", ylabel="wrong answers (%)")
        plain(axes.yaxis)
        axes.legend(fontsize=8)
    return figure


def labels(comparison: Comparison) -> Figure:
    """Show wrong answers by the share of wrong labels, at random and for one cause, predicted and measured."""
    with drawing(figsize=(4.4, 3)) as (figure, axes):
        for kind, colour, mark in zip((dirt.CAUSE, dirt.RANDOM), COLOURS, _MARKS, strict=False):
            axes.plot(lab.SHARES, [comparison.experiment.predict(kind=kind, share=share, pictures=lab.SOILED).value
                                   for share in lab.SHARES], color=colour, label=f"{kind}, predicted")
            rows = [row for share in lab.SHARES if (row := at(comparison, kind=kind, share=share)) and row.measured]
            axes.errorbar([row.point["share"] for row in rows], [row.measured.value for row in rows],
                          [[row.measured.value - row.measured.low for row in rows],
                           [row.measured.high - row.measured.value for row in rows]], fmt=mark, color=colour, capsize=3)
        axes.set(xlabel="wrong labels (%)", ylabel="wrong answers (%)", ylim=(0, None))
        axes.legend(fontsize=8)
    return figure


def arrivals(arrived: Sequence[Arrival] | Unavailable) -> Figure | Unavailable:
    """Show wrong answers after each instalment, with all of them and with those that a gate let in."""
    if not arrived:
        return arrived
    with drawing(figsize=(5, 3.6)) as (figure, axes):
        places = range(len(arrived))
        axes.step(places, [one.open for one in arrived], where="mid", color=COLOURS[1], label="everything let in")
        if not isinstance(arrived[-1].gated, Unavailable):
            axes.step(places, [one.gated for one in arrived], "--", where="mid", color=COLOURS[0],
                      label="with the gate")
        axes.set(ylabel="wrong answers (%)")
        axes.set_xticks(places, [one.kind for one in arrived], rotation=40, ha="right", fontsize=7)
        axes.legend(fontsize=8)
    return figure


def pictures(trained: Trainings) -> Figure:
    """Show one cat as it is and as each kind of dirt leaves it, with what it is labelled."""
    cat = trained.pictures[0][trained.pictures[0].truth == cats.CLASSES.index("cat")][:1]
    images = {"as it is": cat.images, **{kind: dirt.spoil(kind, cat, 1.0, cat).images
                                         for kind in (dirt.CUT, dirt.ROWS, dirt.BLUE)}}
    named = {**{name: (image, "cat") for name, image in images.items()}, "wrong label": (cat.images, "car")}
    with drawing(1, len(named), figsize=(6.4, 1.7)) as (figure, axes):
        for place, (name, (image, label)) in zip(axes, named.items(), strict=True):
            place.imshow(image[0].permute(1, 2, 0).numpy())
            place.set_title(name, fontsize=7, color=GREY)
            place.set_xlabel(f"“{label}”", fontsize=8)
            place.set_xticks([])
            place.set_yticks([])
    return figure
