"""The figures of Lab 1.3, *Cats: train, then infer*."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from labkit.figures import GREY, drawing, style

if TYPE_CHECKING:
    from labkit.experiment import Comparison, Outcome
    from labkit.models.datasets.cats import Pictures

_STEP = 16  # of a colour's 256 levels: the pictures' noise hides it, and a sheet weighs half


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
        sheet[top : top + size, left : left + size, :3] = image // _STEP * _STEP + _STEP // 2
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
