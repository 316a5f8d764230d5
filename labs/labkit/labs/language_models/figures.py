"""The figures of Lab 3.6, *Language models*."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from labkit.experiment import Comparison, Experiment, PublishedComparison
from labkit.figures import GREY, drawing, plain
from labkit.labs.language_models import experiments as lab
from labkit.palette import COLOURS
from labkit.specs.batching import WAYS, Read, Request, schedule


def learning(losses: Sequence[float], letters: float) -> Figure:
    """Show the loss of every step of a training, and of whoever knows nothing but how often each byte comes."""
    with drawing(figsize=(4.6, 2.6)) as (figure, axes):
        axes.plot(range(1, len(losses) + 1), losses, color=COLOURS[0], linewidth=1)
        axes.axhline(letters, color=GREY, linestyle=":")
        axes.text(len(losses), letters, "letters alone", fontsize=8, ha="right", va="bottom", color=GREY)
        axes.set_xlabel("step")
        axes.set_ylabel("loss (nats a byte)")
    return figure


def cache(experiment: Experiment, comparison: Comparison, width: int = 256) -> Figure:
    """Show the time of a token against the tokens so far, with a cache and without, with what was measured."""
    with drawing(figsize=(4.6, 3)) as (figure, axes):
        for kept, colour, marker in zip(lab.CACHES, COLOURS, "os", strict=False):
            point = dict(lab.ONE, width=width, cache=kept)
            times = [experiment.predict(**{**point, "context": context}).value for context in lab.CONTEXTS]
            axes.plot(lab.CONTEXTS, 1e3 * np.array(times), color=colour, label=kept)
            dots = [(row.point["context"], 1e3 * row.measured.value) for row in comparison.rows
                    if row.measured and row.point == {**point, "context": row.point["context"]}]
            axes.plot(*np.transpose(dots), marker, color=colour) if dots else None
        axes.set_yscale("log")
        plain(axes.yaxis)
        axes.set_xlabel("tokens so far")
        axes.set_ylabel("time of a token (ms)")
        axes.legend(fontsize=8)
    return figure


def schedules(requests: Sequence[Request], places: int = 4) -> Figure:
    """Show what is written at each place in every step, in both ways of batching."""
    with drawing(1, 2, figsize=(6.6, 1.9), sharey=True, sharex=True) as (figure, both):
        for axes, way in zip(both, WAYS, strict=True):
            at, step = [0] * places, 0
            for part in schedule(requests, places, way):
                if isinstance(part, Read):
                    at[part.place] = part.request
                    continue
                for place in part.places:
                    axes.barh(place, 1, 0.9, left=step, color=COLOURS[at[place] % len(COLOURS)])
                step += 1
            axes.set_title(f"{way}: {step} steps", fontsize=9, color=GREY)
            axes.set_xlabel("step")
        both[0].set_yticks(range(places), [f"place {place + 1}" for place in range(places)], fontsize=8)
        both[0].invert_yaxis()
    return figure


def published(*comparisons: PublishedComparison) -> Figure:
    """Show predicted against published figures, a colour for each comparison; on the line they are equal."""
    with drawing(figsize=(4.4, 3.4)) as (figure, axes):
        ends = []
        names = ("dense", "mixtures of experts")
        for one, colour, marker, name in zip(comparisons, COLOURS, "o^", names, strict=False):
            pairs = np.array([(row.published.value, row.predicted.value) for row in one.rows if row.predicted])
            axes.plot(*pairs.T, marker, color=colour, markersize=3, linestyle="none", label=name)
            ends += [pairs.min(), pairs.max()]
        axes.plot([min(ends), max(ends)], [min(ends), max(ends)], color=GREY, linewidth=1)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("published (tokens/s)")
        axes.set_ylabel("predicted (tokens/s)")
        axes.legend(fontsize=8)
    return figure
