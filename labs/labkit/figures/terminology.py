"""The figures of chapter 1: pictures, coats, machines and neurons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from labkit.palette import COLOURS
from labkit.units import quantity

from .style import GREY, drawing, style

if TYPE_CHECKING:
    from labkit.datasets.cats import Pictures
    from labkit.experiment import Comparison, Outcome
    from labkit.machine import Machine
    from labkit.portrait import Roof


def contact_sheet(pictures: Pictures, columns: int = 12, titles: Sequence[str] | None = None) -> Figure:
    """Show pictures in rows, each with its title below it if there are titles.

    Raises:
        ValueError: no pictures, no columns, or not one title a picture.
    """
    count, size = len(pictures), pictures.images.shape[-1]
    if count < 1 or columns < 1:
        raise ValueError(f"A contact sheet needs pictures and columns, not {count} pictures in {columns} columns.")
    if titles is not None and len(titles) != count:
        raise ValueError(f"{len(titles)} titles do not fit {count} pictures: give one a picture.")
    width = 8.0  # inches
    inch = columns * 1.04 * size / width  # in pixels of the pictures
    gap, caption = round(0.04 * size), 0 if titles is None else round(0.2 * inch)
    rows = -(-count // columns)
    sheet = np.zeros((rows * (size + gap + caption), columns * (size + gap), 4), np.uint8)
    for i, image in enumerate(pictures.images.permute(0, 2, 3, 1).numpy()):
        top, left = i // columns * (size + gap + caption), i % columns * (size + gap)
        sheet[top : top + size, left : left + size, :3] = image
        sheet[top : top + size, left : left + size, 3] = 255
    with style():
        figure = plt.figure(figsize=(width, width * sheet.shape[0] / sheet.shape[1]))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.imshow(sheet, interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        for i, title in enumerate(titles or ()):
            x, y = (i % columns + 0.5) * (size + gap), i // columns * (size + gap + caption) + size
            axes.annotate(title, (x, y), (0, -2), textcoords="offset points", ha="center", va="top", fontsize=8)
        plt.close(figure)  # the notebook shows the value of the cell, and only that
    return figure


def by_coat(comparison: Comparison) -> Figure:
    """Show the share of cats recognised in each coat, a bar for each network, with 95 % intervals."""
    trained_on, coats = (axis.values for axis in comparison.experiment.axes)
    with drawing(figsize=(8, 3.4)) as (figure, axes):
        for place, (name, hatch) in enumerate(zip(trained_on, ("", "///"), strict=True)):
            rows = {row.point["coat"]: row for row in comparison.rows if row.point["trained_on"] == name}
            found = [rows[coat].measured for coat in coats]
            errors = [[o.value - o.low for o in found], [o.high - o.value for o in found]]
            x = np.arange(len(coats)) + 0.4 * (place - 0.5)
            axes.bar(x, [o.value for o in found], 0.38, yerr=errors, label=f"trained on {name}", hatch=hatch,
                     ecolor=GREY, edgecolor="white", linewidth=0)
        axes.set_xticks(range(len(coats)), coats, rotation=30, ha="right")
        axes.set_ylabel("recognised as cats (%)")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.2), ncols=2)
    return figure


def confusion(counts: Mapping[str, Sequence[int]], answers: Sequence[str]) -> Figure:
    """Show for each row of `counts` what share of its pictures got which answer, as a table with shades."""
    shares = np.array([np.array(row) / sum(row) for row in counts.values()])
    with drawing(figsize=(5, 0.42 * len(counts) + 0.8)) as (figure, axes):
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for (row, column), share in np.ndenumerate(shares):
            axes.text(column, row, f"{share:.0%}", ha="center", va="center", color="white" if share > 0.5 else "black")
        axes.set_xticks(range(len(answers)), answers)
        axes.set_yticks(range(len(counts)), counts)
        axes.set_xlabel("the network's answer")
        axes.spines[:].set_visible(False)
    return figure


def mending(extra: Sequence[int], lines: Mapping[str, Sequence[Outcome]]) -> Figure:
    """Show a share in % against the number of pictures added, a line for each kind of pictures shown."""
    with drawing(figsize=(7, 3.2)) as (figure, axes):
        for (name, found), marker in zip(lines.items(), "osD^", strict=False):
            errors = [[o.value - o.low for o in found], [o.high - o.value for o in found]]
            axes.errorbar(range(len(extra)), [o.value for o in found], errors, marker=marker, capsize=3, label=name)
        axes.set_xticks(range(len(extra)), [f"{count:,}" for count in extra])
        axes.set_xlabel("many-coloured pictures added (pictures)")
        axes.set_ylabel("right answers (%)")
        axes.legend()
    return figure


def formats(machine: Machine) -> Figure:
    """Show the best measured rate of matrix products in each number format, with the factor over 32 bit."""
    curves = machine.cost("products").curves
    rates = {name: max(flop / seconds for flop, seconds in curve) for name, curve in curves.items()}
    with drawing(figsize=(5, 0.42 * len(rates) + 0.8)) as (figure, axes):
        bars = axes.barh(list(rates), list(rates.values()), height=0.6)
        labels = [f"{quantity(rate, 'FLOP/s')}, × {rate / rates['fp32']:.2g}" for rate in rates.values()]
        axes.bar_label(bars, labels, padding=4, color=GREY)
        axes.set_xscale("log")
        axes.set_xlim(min(rates.values()) / 3, max(rates.values()) * 20)
        axes.set_xlabel("operations a second (FLOP/s), beside the factor over 32 bit")
        axes.invert_yaxis()
    return figure


def ladder(machine: Machine) -> Figure:
    """Show the measured bandwidth of reading a set of numbers again and again, against the set's size."""
    sizes, seconds = zip(*machine.cost("memory").curve("read"), strict=True)
    with drawing(figsize=(5, 2.8)) as (figure, axes):
        rates = [size / time / 1e9 for size, time in zip(sizes, seconds, strict=True)]
        axes.plot(sizes, rates, marker="o", markersize=4)
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes[::6], [quantity(size, "B") for size in sizes[::6]], rotation=30, ha="right")
        axes.set_ylim(0)
        axes.set_xlabel("what is read again and again")
        axes.set_ylabel("bandwidth (GB/s)")
    return figure


def roofline(here: Sequence[Roof], others: Sequence[Roof]) -> Figure:
    """Show the rate that machines can reach against the operations that a program does with each byte it fetches.

    A machine whose bandwidth is not known is a level line: only its peak.
    """
    intensity = np.geomspace(0.1, 2000, 200)
    with style():
        figure, axes = plt.subplots(figsize=(5.6, 4.2))
        labels = []
        for place, roof in enumerate([*others, *here]):
            own = place >= len(others)
            rates = np.minimum(roof.rate, intensity * (roof.bandwidth or np.inf))
            drawn = {"color": COLOURS[1], "linewidth": 2.5} if own else {"color": GREY, "linewidth": 1}
            axes.plot(intensity, rates, linestyle="-" if roof.bandwidth else ":", **drawn)
            labels.append((roof.rate, f"{'this machine' if own else roof.name} ({roof.kind})", drawn["color"]))
        lowest = 0.0
        for rate, label, color in sorted(labels):
            lowest = max(rate, lowest * 1.7)  # so far apart that no label covers another
            axes.annotate(label, (intensity[-1], rate), (intensity[-1] * 1.6, lowest), textcoords="data", va="center",
                          fontsize=7.5, color=color, annotation_clip=False)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("operations for each byte\nfrom memory (FLOP/byte)")
        axes.set_ylabel("rate at best (FLOP/s)")
        figure.subplots_adjust(left=0.12, right=0.6, top=0.98, bottom=0.15)
        plt.close(figure)
    return figure


def moving(machine: Machine, moves: Mapping[str, tuple[str, str]]) -> Figure:
    """Show the time of moving bytes against how many they are, for each of `moves`: {label: (instrument, curve)}."""
    with drawing(figsize=(5, 3.4)) as (figure, axes):
        known = {label: machine.cost(instrument).curves.get(curve) for label, (instrument, curve) in moves.items()}
        for (label, curve), marker in zip(((n, c) for n, c in known.items() if c), "osD^vPX", strict=False):
            sizes, seconds = zip(*curve, strict=True)
            axes.plot(sizes, seconds, marker=marker, markersize=4, label=label)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        ticks = [2**k for k in (4, 8, 12, 16, 20, 24)]
        axes.set_xticks(ticks, [quantity(size, "B") for size in ticks])
        axes.set_xlabel("bytes moved")
        axes.set_ylabel("time (s)")
        axes.legend(fontsize=8, loc="upper left")
    return figure


def errors(found: Mapping[str, Sequence[float]]) -> Figure:
    """Show every error of some experiments as a dot, and their medians; `found` holds fractions by experiment."""
    with drawing(figsize=(5.6, 0.5 * len(found) + 0.8)) as (figure, axes):
        for row, values in enumerate(found.values()):
            axes.plot([100 * value for value in values], [row] * len(values), "o", color=COLOURS[0], alpha=0.35)
            axes.plot([100 * float(np.median(values))] * 2, [row - 0.3, row + 0.3], color=COLOURS[1], linewidth=2)
        axes.set_yticks(range(len(found)), [fill(title, 28) for title in found], fontsize=8)
        axes.set_xlim(0)
        axes.set_xlabel("error of the prediction (%)")
        axes.invert_yaxis()
    return figure


def neuron() -> Figure:
    """Show what one neuron does: it weighs what it reads, adds a bias, and bends the sum."""
    heights, box = (2.0, 1.0, 0.0), {"boxstyle": "circle,pad=0.45", "facecolor": COLOURS[0], "edgecolor": "none"}
    with drawing(figsize=(5.6, 2.1)) as (figure, axes):
        for place, height in enumerate(heights, 1):
            axes.annotate("", (1.75, 1.0 + 0.12 * (height - 1.0)), (0.2, height), arrowprops={
                "arrowstyle": "-|>", "color": COLOURS[0]})
            axes.text(0, height, f"$x_{place}$", ha="center", va="center", fontsize=13)
            axes.text(0.75, height + (0.2 - 0.26 * (height - 1.0)), f"$w_{place}$", ha="center", fontsize=11)
        axes.annotate("", (2.0, 0.72), (2.0, 0.0), arrowprops={"arrowstyle": "-|>", "color": COLOURS[0]})
        axes.text(2.0, -0.2, "bias $b$", ha="center", va="center", fontsize=11)
        axes.text(2.0, 1.0, "Σ", ha="center", va="center", fontsize=15, color="white", bbox=box)
        axes.annotate("", (3.3, 1.0), (2.28, 1.0), arrowprops={"arrowstyle": "-|>", "color": COLOURS[0]})
        axes.plot([3.4, 3.75, 4.1], [0.75, 0.75, 1.3], color=COLOURS[1], linewidth=2.5)
        axes.text(3.75, 1.6, "bend", ha="center", va="center", fontsize=11)
        axes.annotate("", (5.1, 1.0), (4.2, 1.0), arrowprops={"arrowstyle": "-|>", "color": COLOURS[0]})
        axes.text(5.25, 1.0, "$y$", ha="center", va="center", fontsize=13)
        axes.set_xlim(-0.3, 5.5)
        axes.set_ylim(-0.45, 2.3)
        axes.set_axis_off()
    return figure


def reached(flops: float, bandwidth: float, found: Mapping[str, Sequence[tuple[float, float]]]) -> Figure:
    """Show the rates that programs reached under the roof of a machine.

    Args:
        flops, bandwidth: the roof's peak in FLOP/s and slope in bytes/s.
        found: by label, the operations for each byte (FLOP/byte) and the rates (FLOP/s) of some programs.
    """
    points = [point for group in found.values() for point in group]
    intensity = np.geomspace(min(x for x, _ in points) / 2, max(*(x for x, _ in points), flops / bandwidth) * 2, 100)
    with drawing(figsize=(5.6, 3.6)) as (figure, axes):
        axes.plot(intensity, np.minimum(flops, intensity * bandwidth), color=GREY, linewidth=2, label="the roof")
        for (label, group), marker in zip(found.items(), "osD^vP", strict=False):
            axes.plot(*zip(*group, strict=True), marker, markersize=6, label=label, alpha=0.85)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("operations for each byte that has to move (FLOP/byte)")
        axes.set_ylabel("rate reached (FLOP/s)")
        axes.legend(loc="lower right", fontsize=9)
    return figure
