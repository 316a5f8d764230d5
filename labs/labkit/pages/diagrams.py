"""The drawings of the prose pages: what is bought, and where time goes. Bars and boxes in the course's style."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from labkit.figures import GREY, drawing
from labkit.palette import COLOURS

BLUE, ORANGE, GREEN, _ = COLOURS
WAITING = {"facecolor": "none", "edgecolor": GREY, "linestyle": ":", "linewidth": 1}  # a bar in which nothing is done


def _bar(axes: Axes, start: float, length: float, row: float, text: str = "", colour: str = BLUE, **options) -> None:
    """Draw what takes from `start` for `length` in a row, with its name inside."""
    axes.barh(row, length, left=start, height=0.6,
              **({"color": colour, "edgecolor": "white", "linewidth": 0.8} | options))
    filled = options.get("facecolor") != "none"
    if text:
        axes.text(start + length / 2, row, text, ha="center", va="center", fontsize=8,
                  color="white" if filled else GREY)


def _box(axes: Axes, x: float, y: float, width: float, height: float, text: str, colour: str = BLUE, size: float = 9
         ) -> None:
    """Draw a box with rounded corners from its lower left corner, and a text in its middle."""
    axes.add_patch(FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0,rounding_size=0.12", fill=False,
                                  edgecolor=colour, linewidth=1.6))
    axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=size)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], both: bool = False, colour: str = GREY
           ) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "<->" if both else "->", "color": colour, "linewidth": 1.4,
                                              "shrinkA": 0, "shrinkB": 0})


def _rows(axes: Axes, names: Sequence[str], xlabel: str) -> None:
    """Name the rows of a time line, the first on top, and leave out what is no time."""
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set(xlabel=xlabel, xticks=[])
    axes.tick_params(left=False)
    axes.spines["left"].set_visible(False)


def node() -> Figure:
    """One node of a cluster, with the eight numbers that are bought with it at their places."""
    with drawing(figsize=(6.6, 3.9)) as (figure, axes):
        axes.add_patch(FancyBboxPatch((0, 0), 8.2, 4.6, boxstyle="round,pad=0,rounding_size=0.15", fill=False,
                                      edgecolor=GREY, linewidth=1.2))
        _box(axes, 3.2, 2.9, 2.2, 1.2, "accelerator\n1  FLOP/s", BLUE)
        _box(axes, 6.1, 2.9, 1.8, 1.2, "its memory\n2  GiB", BLUE)
        _box(axes, 3.2, 0.7, 2.2, 1.2, "CPU and\nits memory", GREEN)
        _box(axes, 0.3, 0.7, 1.8, 1.2, "storage", GREEN)
        _box(axes, 9.2, 0.7, 1.7, 1.2, "other\nnodes", GREY)
        _arrow(axes, (5.4, 3.5), (6.1, 3.5), both=True)
        axes.text(5.75, 2.68, "3  GB/s", ha="center", va="top", fontsize=9)
        _arrow(axes, (2.1, 1.3), (3.2, 1.3), both=True)
        axes.text(2.65, 1.42, "4  GB/s", ha="center", va="bottom", fontsize=9)
        _arrow(axes, (4.3, 1.9), (4.3, 2.9), both=True)
        _arrow(axes, (5.4, 1.3), (9.2, 1.3), both=True)
        axes.text(7.0, 1.42, "5  GB/s", ha="center", va="bottom", fontsize=9)
        axes.text(6.85, 0.62, "6  latency: before the\nfirst byte of 3, 4, 5", ha="center", va="center", fontsize=9)
        axes.text(0.3, 3.75, "7  watts", fontsize=9)
        axes.text(0.3, 3.2, "8  money", fontsize=9)
        axes.text(0.3, 4.75, "one node", fontsize=9)
        axes.set(xlim=(-0.1, 11), ylim=(-0.1, 5))
        axes.axis("off")
    return figure


def step_of_nodes() -> Figure:
    """The time line of a step on three nodes: computing, the exchange behind it, what of it shows, and waiting."""
    computing = (6.0, 6.6, 7.6)  # the third node is late
    with drawing(figsize=(6.6, 2.5)) as (figure, axes):
        last = max(computing)
        for row, length in enumerate(computing):
            _bar(axes, 0, length / 3, row, "forward", BLUE)
            _bar(axes, length / 3, 2 * length / 3, row, "backward", BLUE, alpha=0.75)
            if length < last:
                _bar(axes, length, last - length, row, "waits", **WAITING)
        _bar(axes, 3.4, last - 3.4, 3, "all-reduce, hidden", GREEN)
        _bar(axes, last, 1.6, 3, "exposed", ORANGE)
        axes.axvline(last, color=GREY, linestyle=":", linewidth=1)
        axes.axvline(last + 1.6, color=GREY, linestyle=":", linewidth=1)
        axes.text(last + 1.7, 0, "next step", va="center", fontsize=8)
        _rows(axes, ("node 1", "node 2", "node 3", "network"), "time")
        axes.set_xlim(0, last + 3.4)
    return figure


def pipeline() -> Figure:
    """Fetch, prepare, compute: three stages on following batches, and an accelerator that waits for the slowest."""
    stages = {"fetch": (1.0, GREEN), "prepare": (1.6, ORANGE), "compute": (1.0, BLUE)}
    ends = dict.fromkeys(stages, 0.0)
    with drawing(figsize=(6.6, 2.1)) as (figure, axes):
        for batch in range(4):
            ready = 0.0
            for row, (name, (length, colour)) in enumerate(stages.items()):
                start = max(ready, ends[name])
                if name == "compute" and batch and start > ends[name]:
                    _bar(axes, ends[name], start - ends[name], row, "waits", **WAITING)
                _bar(axes, start, length, row, f"batch {batch + 1}", colour)
                ready = ends[name] = start + length
        _rows(axes, tuple(stages), "time")
    return figure


def sharing() -> Figure:
    """Two jobs share a cluster of four nodes in three ways: in space, in turn, and as parts of one pool."""
    names = ("in space:\ntwo jobs on a node", "in turn:\na job has its nodes", "in a pool:\nno node stands idle")
    jobs = (
        [(node, half, "AB"[half]) for node in range(4) for half in (0, 1)],
        [(0, None, "A"), (1, None, "A"), (2, None, "B"), (3, None, "")],
        [(0, None, "A"), (1, None, "A"), (2, None, "B"), (3, None, "A")],
    )
    colours = {"A": BLUE, "B": ORANGE}
    with drawing(1, 3, figsize=(6.6, 2.1)) as (figure, panels):
        for axes, name, placed in zip(panels, names, jobs, strict=True):
            for place, half, job in placed:
                x, y = place % 2, 1 - place // 2
                width = 0.4 if half is not None else 0.8
                left = x + 0.1 + (0.4 * half if half else 0)
                axes.bar(left + width / 2, 0.8, width=width, bottom=y + 0.1, color=colours.get(job, "none"),
                         edgecolor=GREY, linewidth=0.8)
                axes.text(left + width / 2, y + 0.5, job or "idle", ha="center", va="center", fontsize=9,
                          color="white" if job else GREY)
            axes.set_title(name, fontsize=9)
            axes.set(xlim=(0, 2), ylim=(0, 2))
            axes.set_aspect("equal")
            axes.axis("off")
    return figure


def latency_budget(parts: Sequence[tuple[str, float]], deadline: float) -> Figure:
    """A deadline as one bar: what each part of an answer takes of it.

    Args:
        parts: names and milliseconds, in order.
        deadline: milliseconds.
    """
    hatches = ("", "//", "", "..", "")
    with drawing(figsize=(6.6, 1.7)) as (figure, axes):
        start = 0.0
        for place, (name, length) in enumerate(parts):
            axes.barh(0, length, left=start, height=0.5, color=COLOURS[place % len(COLOURS)], alpha=0.9,
                      hatch=hatches[place % len(hatches)], edgecolor="white", linewidth=0)
            axes.annotate(f"{name}\n{length:g} ms", (start + length / 2, 0.25), (0, 4), textcoords="offset points",
                          ha="center", va="bottom", fontsize=8)
            start += length
        axes.barh(0, deadline - start, left=start, height=0.5, **WAITING)
        axes.text((start + deadline) / 2, 0, "to spare", ha="center", va="center", fontsize=8)
        axes.axvline(deadline, color=GREY, linewidth=1.5)
        axes.annotate("deadline", (deadline, -0.25), (0, -3), textcoords="offset points", ha="center", va="top",
                      fontsize=8)
        axes.set(xlim=(0, deadline * 1.04), ylim=(-0.45, 0.75), yticks=[], xticks=[])
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)
    return figure


def prefill_and_decode() -> Figure:
    """A language model's answers on a time line, and the memory that their conversations fill meanwhile."""
    starts, prompt, words = (0.0, 2.0, 4.5), 1.4, 14
    with drawing(2, 1, figsize=(6.6, 3.6), sharex=True, height_ratios=(3, 2)) as (figure, (line, memory)):
        times = np.linspace(0, 12, 200)
        filled = np.zeros_like(times)
        for row, start in enumerate(starts):
            _bar(line, start, prompt, row, "prefill", ORANGE)
            for word in range(words):
                at = start + prompt + 0.05 + word * 0.42
                if at < 11.6:
                    line.barh(row, 0.3, left=at, height=0.6, color=BLUE)
            filled += np.where(times > start, np.clip(times - start, 0, prompt) / prompt * 1.0, 0)
            filled += np.where(times > start + prompt, (times - start - prompt) * 0.16, 0)
        line.text(starts[0] + prompt + 0.1, -0.42, "decode: a token at a time", fontsize=8, va="bottom")
        _rows(line, ("person 1", "person 2", "person 3"), "")
        memory.fill_between(times, 3, np.minimum(3 + filled, 9), color=GREEN, alpha=0.8, linewidth=0)
        memory.fill_between(times, 0, 3, color=GREY, alpha=0.35, linewidth=0)
        memory.axhline(9, color=GREY, linestyle=":")
        memory.text(0.1, 1.5, "weights, read for every token", va="center", fontsize=8)
        memory.text(7.4, 4.4, "key-value cache", va="center", ha="center", fontsize=8, color="white")
        memory.text(0.1, 9.15, "full", va="bottom", fontsize=8)
        memory.set(xlabel="time", ylabel="memory", xticks=[], yticks=[], ylim=(0, 10.4), xlim=(0, 12))
    return figure


def two_batches() -> Figure:
    """The worst case of a device that takes all waiting pictures as one batch: the running batch, and then the next."""
    with drawing(figsize=(6.6, 1.9)) as (figure, axes):
        for place in (0, 4.4):
            _bar(axes, place, 0.9, 0, "start", ORANGE)
            _bar(axes, place + 0.9, 3.5, 0, "pictures of batch 1" if not place else "pictures of batch 2", BLUE)
        _bar(axes, 0.15, 4.25, 1, "waits for batch 1", **WAITING)
        _bar(axes, 4.4, 4.4, 1, "is in batch 2", GREEN)
        _arrow(axes, (0.15, 1.75), (0.15, 1.35))
        axes.text(0.25, 1.62, "arrives just too late for batch 1", fontsize=8, va="center")
        axes.axvline(8.8, color=GREY, linestyle=":", linewidth=1)
        axes.text(8.85, 0, "answered", fontsize=8, va="center")
        _rows(axes, ("device", "your picture"), "time")
        axes.set(xlim=(0, 10.2), ylim=(1.95, -0.5))
    return figure


def four_strategies() -> Figure:
    """Where an answer is worked out: all at the edge, all in the cloud, split between them, or as a cascade."""
    with drawing(4, 1, figsize=(6.6, 4.4)) as (figure, panels):
        for axes, title in zip(panels, ("all at the edge", "all in the cloud", "split after a layer", "cascade"),
                               strict=True):
            axes.set_title(title, fontsize=9, loc="left", pad=2)
            axes.axvline(5, color=GREY, linestyle=":", linewidth=1)
            axes.set(xlim=(0, 10), ylim=(0, 1))
            axes.axis("off")
        edge, cloud, split, cascade = panels
        _box(edge, 0.3, 0.15, 3.9, 0.7, "whole network")
        _box(cloud, 5.8, 0.15, 3.9, 0.7, "whole network", ORANGE)
        _arrow(cloud, (0.3, 0.5), (5.8, 0.5))
        cloud.text(2.4, 0.6, "picture", fontsize=8, ha="center", va="bottom")
        _box(split, 0.3, 0.15, 1.9, 0.7, "first layers")
        _box(split, 5.8, 0.15, 1.9, 0.7, "last layers", ORANGE)
        _arrow(split, (2.2, 0.5), (5.8, 0.5))
        split.text(3.6, 0.6, "activations", fontsize=8, ha="center", va="bottom")
        _box(cascade, 0.3, 0.15, 1.9, 0.7, "small network")
        _box(cascade, 5.8, 0.15, 3.9, 0.7, "large network", ORANGE)
        _arrow(cascade, (2.2, 0.5), (5.8, 0.5))
        cascade.text(3.6, 0.6, "picture, if unsure", fontsize=8, ha="center", va="bottom")
        edge.text(4.9, 1.05, "edge", fontsize=8, ha="right", va="bottom")
        edge.text(5.1, 1.05, "cloud", fontsize=8, ha="left", va="bottom")
    return figure
