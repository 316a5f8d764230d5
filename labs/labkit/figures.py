"""How the course's figures look: one style that reads on light and on dark pages, for every eye.

The background is transparent and the text mid-grey.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from labkit.palette import COLOURS
from labkit.units import quantity

if TYPE_CHECKING:
    from .datasets.cats import Pictures
    from .experiment import Comparison, Outcome
    from .experiments.small_machine import Form
    from .machine import Machine
    from .portrait import Roof

GREY = "#787878"


def style() -> AbstractContextManager:
    """Return a context in which matplotlib draws as the course does: `with style(): ...`."""
    return matplotlib.rc_context(
        {
            "figure.dpi": 110,
            "figure.facecolor": "none",
            "axes.facecolor": "none",
            "savefig.facecolor": "none",
            "text.color": GREY,
            "axes.labelcolor": GREY,
            "axes.edgecolor": GREY,
            "xtick.color": GREY,
            "ytick.color": GREY,
            "legend.frameon": False,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": matplotlib.cycler(color=COLOURS),
        }
    )


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
    with style():
        figure, axes = plt.subplots(figsize=(8, 3.4))
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
        figure.tight_layout()
        plt.close(figure)
    return figure


def confusion(counts: Mapping[str, Sequence[int]], answers: Sequence[str]) -> Figure:
    """Show for each row of `counts` what share of its pictures got which answer, as a table with shades."""
    shares = np.array([np.array(row) / sum(row) for row in counts.values()])
    with style():
        figure, axes = plt.subplots(figsize=(5, 0.42 * len(counts) + 0.8))
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for (row, column), share in np.ndenumerate(shares):
            axes.text(column, row, f"{share:.0%}", ha="center", va="center", color="white" if share > 0.5 else "black")
        axes.set_xticks(range(len(answers)), answers)
        axes.set_yticks(range(len(counts)), counts)
        axes.set_xlabel("the network's answer")
        axes.spines[:].set_visible(False)
        figure.tight_layout()
        plt.close(figure)
    return figure


def mending(extra: Sequence[int], lines: Mapping[str, Sequence[Outcome]]) -> Figure:
    """Show a share in % against the number of pictures added, a line for each kind of pictures shown."""
    with style():
        figure, axes = plt.subplots(figsize=(7, 3.2))
        for (name, found), marker in zip(lines.items(), "osD^", strict=False):
            errors = [[o.value - o.low for o in found], [o.high - o.value for o in found]]
            axes.errorbar(range(len(extra)), [o.value for o in found], errors, marker=marker, capsize=3, label=name)
        axes.set_xticks(range(len(extra)), [f"{count:,}" for count in extra])
        axes.set_xlabel("many-coloured pictures added (pictures)")
        axes.set_ylabel("right answers (%)")
        axes.legend()
        figure.tight_layout()
        plt.close(figure)
    return figure


def formats(machine: Machine) -> Figure:
    """Show the best measured rate of matrix products in each number format, with the factor over 32 bit."""
    curves = machine.cost("products").curves
    rates = {name: max(flop / seconds for flop, seconds in curve) for name, curve in curves.items()}
    with style():
        figure, axes = plt.subplots(figsize=(5, 0.42 * len(rates) + 0.8))
        bars = axes.barh(list(rates), list(rates.values()), height=0.6)
        labels = [f"{quantity(rate, 'FLOP/s')}, × {rate / rates['fp32']:.2g}" for rate in rates.values()]
        axes.bar_label(bars, labels, padding=4, color=GREY)
        axes.set_xscale("log")
        axes.set_xlim(min(rates.values()) / 3, max(rates.values()) * 20)
        axes.set_xlabel("operations a second (FLOP/s), beside the factor over 32 bit")
        axes.invert_yaxis()
        figure.tight_layout()
        plt.close(figure)
    return figure


def ladder(machine: Machine) -> Figure:
    """Show the measured bandwidth of reading a set of numbers again and again, against the set's size."""
    sizes, seconds = zip(*machine.cost("memory").curve("read"), strict=True)
    with style():
        figure, axes = plt.subplots(figsize=(5, 2.8))
        axes.plot(sizes, [size / time / 1e9 for size, time in zip(sizes, seconds, strict=True)], marker="o")
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes[::2], [quantity(size, "B") for size in sizes[::2]], rotation=30, ha="right")
        axes.set_ylim(0)
        axes.set_xlabel("what is read again and again")
        axes.set_ylabel("bandwidth (GB/s)")
        figure.tight_layout()
        plt.close(figure)
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
    with style():
        figure, axes = plt.subplots(figsize=(5, 3.4))
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
        figure.tight_layout()
        plt.close(figure)
    return figure


def percentiles(runs: Mapping[str, Mapping[int, float]], deadline: float) -> Figure:
    """Show how long answers took: for each of `runs`, seconds by percentile, beside a deadline."""
    with style():
        figure, axes = plt.subplots(figsize=(5, 0.42 * len(runs) + 1.2))
        for place, found in enumerate(runs.values()):
            axes.plot([1e3 * seconds for seconds in found.values()], [place] * len(found), color=COLOURS[0])
        for share, marker in zip(next(iter(runs.values())), "osD", strict=False):
            axes.plot([1e3 * found[share] for found in runs.values()], range(len(runs)), marker, color=COLOURS[0],
                      fillstyle="none" if marker == "o" else "full", label=f"p{share}")
        axes.axvline(1e3 * deadline, color=COLOURS[1], linestyle="--", label="deadline")
        axes.set_yticks(range(len(runs)), list(runs))
        axes.set_xscale("log")
        axes.set_xlabel("time of an answer (ms)")
        axes.invert_yaxis()
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.4, 1.22), ncols=4)
        figure.tight_layout()
        plt.close(figure)
    return figure


def outage(moments: Sequence[float], answers: Mapping[str, Sequence[float | None]],
           down: tuple[float, float]) -> Figure:
    """Show the seconds of each answer against its moment, marked by who gave it, with the time of an outage shaded.

    Args:
        moments: seconds from the start, one for each picture.
        answers: for each who answered, the seconds of its answers, None for pictures that another answered.
        down: from when to when the link was down.
    """
    with style():
        figure, axes = plt.subplots(figsize=(5, 3))
        axes.axvspan(*down, color=GREY, alpha=0.2, linewidth=0, label="the link is down")
        for (who, seconds), marker, colour in zip(answers.items(), "osX", COLOURS, strict=False):
            there = [(moment, 1e3 * s) for moment, s in zip(moments, seconds, strict=True) if s is not None]
            if there:
                axes.plot(*zip(*there, strict=True), marker, markersize=4, color=colour, label=f"by {who}")
        axes.set_yscale("log")
        axes.set_xlabel("time since the start (s)")
        axes.set_ylabel("time of an answer (ms)")
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.45, 1.32), ncols=2)
        figure.tight_layout()
        plt.close(figure)
    return figure


def kept(round_trips: Sequence[float], shares: Sequence[float], turn: float) -> Figure:
    """Show which share of answers, in %, kept a deadline, against the link's round trip, beside the predicted turn."""
    with style():
        figure, axes = plt.subplots(figsize=(5, 2.6))
        axes.plot([1e3 * trip for trip in round_trips], shares, marker="o", label="measured")
        axes.axvline(1e3 * turn, color=COLOURS[1], linestyle="--", label="predicted turn")
        axes.set_ylim(-5, 105)
        axes.set_xlabel("round trip of the link (ms)")
        axes.set_ylabel("answers in time (%)")
        axes.legend(fontsize=8)
        figure.tight_layout()
        plt.close(figure)
    return figure


def room(rows: Mapping[str, Outcome], limit: float, measured: Mapping[str, float]) -> Figure:
    """Show the parts of the predicted memory of some processes, beside a limit; a diamond marks what was measured.

    Args:
        rows: predictions in bytes with their parts, by process.
        limit: in bytes.
        measured: bytes, for some of the rows.
    """
    kinds = {"interpreter and libraries": "interpreter and libraries", "pictures": "pictures",
             "activations": "activations"}
    with style():
        figure, axes = plt.subplots(figsize=(5, 0.5 * len(rows) + 1.3))
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
        figure.tight_layout()
        plt.close(figure)
    return figure


def frontier(forms: Sequence[Form]) -> Figure:
    """Show the share of right answers against the time of one picture, and against the size of the file.

    Networks in the same number format are joined; the number beside those in fp32 is their width.
    """
    kinds = dict.fromkeys(form.form for form in forms)
    with style():
        figure, (fast, small) = plt.subplots(2, 1, figsize=(5, 6), sharey=True)
        for axes, across in ((fast, lambda f: 1e6 * f.time.value), (small, lambda f: f.size / 2**10)):
            for kind, marker, colour in zip(kinds, "osD^", COLOURS, strict=False):
                found = [form for form in forms if form.form == kind]
                errors = [[f.right.value - f.right.low for f in found], [f.right.high - f.right.value for f in found]]
                axes.errorbar([across(f) for f in found], [f.right.value for f in found], errors, marker=marker,
                              color=colour, capsize=2, linewidth=1, label=kind)
                for f in found if kind == "fp32" else ():
                    axes.annotate(f.width, (across(f), f.right.value), (4, -9), textcoords="offset points", fontsize=7,
                                  color=GREY)
            axes.set_xscale("log")
            axes.set_ylabel("right answers (%)")
            axes.xaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
            axes.xaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:g}"))
        fast.set_xlabel("time of one picture (µs)")
        small.set_xlabel("size of the file (KiB)")
        fast.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.45, 1.22), ncols=2)
        figure.tight_layout()
        plt.close(figure)
    return figure


def time_by_operator(spent: Mapping[str, Mapping[str, float]], most: int = 3) -> Figure:
    """Show the operators that take most of a run, for each of `spent`: seconds by operator, the longest first."""
    rows = [(form, name, seconds) for form, times in spent.items() for name, seconds in list(times.items())[:most]]
    colours = dict(zip(spent, COLOURS, strict=False))
    with style():
        figure, axes = plt.subplots(figsize=(5, 0.3 * len(rows) + 1))
        for place, (form, _, seconds) in enumerate(rows):
            label = form if place % most == 0 else None
            axes.barh(place, 1e6 * seconds, 0.7, color=colours[form], label=label)
        axes.set_yticks(range(len(rows)), [name for _, name, _ in rows])
        axes.set_xscale("log")
        axes.set_xlabel("time in one run (µs)")
        axes.invert_yaxis()
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.35, 1.16), ncols=3)
        figure.tight_layout()
        plt.close(figure)
    return figure


def fewer_bits(bits: Sequence[int], lines: Mapping[str, Sequence[Outcome]]) -> Figure:
    """Show the share of right answers in % against the bits of a weight, a line for each way to come there."""
    with style():
        figure, axes = plt.subplots(figsize=(5, 3))
        for (name, found), marker in zip(lines.items(), "osD^", strict=False):
            errors = [[o.value - o.low for o in found], [o.high - o.value for o in found]]
            axes.errorbar(bits, [o.value for o in found], errors, marker=marker, capsize=3, label=name)
        axes.set_xticks(bits)
        axes.set_xlabel("bits of a weight")
        axes.set_ylabel("right answers (%)")
        axes.legend(fontsize=8)
        figure.tight_layout()
        plt.close(figure)
    return figure


def answer_times(published: Sequence[tuple[str, float, float]]) -> Figure:
    """Show the seconds of one answer against its operations, for tuples of kind of device, operations and seconds."""
    with style():
        figure, axes = plt.subplots(figsize=(5, 3.6))
        for kind, marker in zip(dict.fromkeys(kind for kind, _, _ in published), "osD^", strict=False):
            points = [(operations, seconds) for name, operations, seconds in published if name == kind]
            axes.plot(*zip(*points, strict=True), marker, markersize=5, label=kind, fillstyle="none")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("operations of one answer")
        axes.set_ylabel("time of one answer (s)")
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.45, 1.22), ncols=2)
        figure.tight_layout()
        plt.close(figure)
    return figure
