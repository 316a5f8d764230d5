"""How the course's figures look: one style that reads on light and on dark pages, for every eye.

The background is transparent and the text mid-grey. The colours are four of Okabe and Ito's palette for the
colour-blind (https://jfly.uni-koeln.de/color/), each with a contrast of about 3:1 or more against white and near-black.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from .datasets.cats import Pictures

GREY = "#787878"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")


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
