"""The figures of Lab 4.1, *A smaller machine*."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from labkit.figures import GREY, drawing, plain
from labkit.palette import COLOURS

if TYPE_CHECKING:
    from labkit.experiment import Outcome
    from labkit.labs.a_smaller_machine.experiments import Variant


def room(rows: Mapping[str, Outcome], limit: float, measured: Mapping[str, float]) -> Figure:
    """Show the parts of the predicted memory of some processes, beside a limit; a diamond marks what was measured.

    Args:
        rows: predictions in bytes with their parts, by process.
        limit: in bytes.
        measured: bytes, for some of the rows.
    """
    kinds = {"interpreter and libraries": "interpreter and libraries", "pictures": "pictures",
             "activations": "activations"}
    with drawing(figsize=(5, 0.5 * len(rows) + 1.3)) as (figure, axes):
        left = np.zeros(len(rows))
        for kind, colour in zip((*kinds, "weights and their kin"), COLOURS, strict=True):
            parts = [sum(part for name, part in row.parts.items() if kinds.get(name, "weights and their kin") == kind)
                     for row in rows.values()]
            axes.barh(range(len(rows)), np.array(parts) / 2**20, 0.6, left / 2**20, color=colour, label=kind)
            left += parts
        for place, name in enumerate(rows):
            if name in measured:
                axes.plot(measured[name] / 2**20, place, "D", color="white", markeredgecolor="black", zorder=3)
        axes.axvline(limit / 2**20, color=GREY, linestyle="--")
        axes.annotate("limit", (limit / 2**20, -0.55), (3, 0), textcoords="offset points", va="top", color=GREY)
        axes.set_yticks(range(len(rows)), list(rows))
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlabel("peak memory (MiB)")
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.35, -0.3), ncols=2)
    return figure


def frontier(variants: Sequence[Variant]) -> Figure:
    """Show the share of right answers against the time of one picture, and against the size of the file.

    Networks in the same number format are joined; the number beside those in fp32 is their width.
    """
    kinds = dict.fromkeys(variant.dtype for variant in variants)
    with drawing(2, 1, figsize=(5, 6), sharey=True) as (figure, (fast, small)):
        for axes, across in ((fast, lambda f: 1e6 * f.time.value), (small, lambda f: f.size / 2**10)):
            for kind, marker, colour in zip(kinds, "osD^", COLOURS, strict=False):
                found = [variant for variant in variants if variant.dtype == kind]
                errors = [[f.right.value - f.right.low for f in found], [f.right.high - f.right.value for f in found]]
                axes.errorbar([across(f) for f in found], [f.right.value for f in found], errors, marker=marker,
                              color=colour, capsize=2, linewidth=1, label=kind)
                for f in found if kind == "fp32" else ():
                    axes.annotate(f.width, (across(f), f.right.value), (4, -9), textcoords="offset points", fontsize=7,
                                  color=GREY)
            axes.set_xscale("log")
            axes.set_ylabel("right answers (%)")
            plain(axes.xaxis)
        fast.set_xlabel("time of one picture (µs)")
        small.set_xlabel("size of the file (KiB)")
        fast.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.45, 1.22), ncols=2)
    return figure


def time_by_operator(spent: Mapping[str, Mapping[str, float]], most: int = 3) -> Figure:
    """Show the operators that take most of a run, for each of `spent`: seconds by operator, the longest first."""
    rows = [(dtype, name, seconds) for dtype, times in spent.items() for name, seconds in list(times.items())[:most]]
    colours = dict(zip(spent, COLOURS, strict=False))
    with drawing(figsize=(5, 0.3 * len(rows) + 1)) as (figure, axes):
        for place, (dtype, _, seconds) in enumerate(rows):
            label = dtype if place % most == 0 else None
            axes.barh(place, 1e6 * seconds, 0.7, color=colours[dtype], label=label)
        axes.set_yticks(range(len(rows)), [name for _, name, _ in rows])
        axes.set_xscale("log")
        axes.set_xlabel("time in one run (µs)")
        axes.invert_yaxis()
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.35, 1.16), ncols=3)
    return figure


def fewer_bits(bits: Sequence[int], lines: Mapping[str, Sequence[Outcome]]) -> Figure:
    """Show the share of right answers in % against the bits of a weight, a line for each way to come there."""
    with drawing(figsize=(5, 3)) as (figure, axes):
        for (name, found), marker in zip(lines.items(), "osD^", strict=False):
            errors = [[o.value - o.low for o in found], [o.high - o.value for o in found]]
            axes.errorbar(bits, [o.value for o in found], errors, marker=marker, capsize=3, label=name)
        axes.set_xticks(bits)
        axes.set_xlabel("bits of a weight")
        axes.set_ylabel("right answers (%)")
        axes.legend(fontsize=8)
    return figure


def answer_times(published: Sequence[tuple[str, float, float]]) -> Figure:
    """Show the seconds of one answer against its operations, for tuples of kind of device, operations and seconds."""
    with drawing(figsize=(5, 3.6)) as (figure, axes):
        for kind, marker in zip(dict.fromkeys(kind for kind, _, _ in published), "osD^", strict=False):
            points = [(operations, seconds) for name, operations, seconds in published if name == kind]
            axes.plot(*zip(*points, strict=True), marker, markersize=5, label=kind, fillstyle="none")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("operations of one answer")
        axes.set_ylabel("time of one answer (s)")
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.45, 1.22), ncols=2)
    return figure
