"""One style for the course's figures that reads on light and on dark pages, for every eye.

The background is transparent and the text mid-grey.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

import matplotlib
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from labkit.palette import COLOURS

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


@contextmanager
def drawing(*shape: int, **options) -> Iterator[tuple[Figure, object]]:
    """Draw in the course's style: yields a figure and its axes, and lays it out at the end.

    The figure is closed then: a notebook shows the value of the cell, and only that.

    Args:
        shape, options: those of `matplotlib.pyplot.subplots`.
    """
    with style():
        figure, axes = plt.subplots(*shape, **options)
        yield figure, axes
        figure.tight_layout()
        plt.close(figure)


def plain(axis: Axis) -> None:
    """Label a logarithmic axis with plain numbers: one, two and five times the powers of ten."""
    axis.set_minor_formatter(NullFormatter())
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))


def left(axes, runs: Mapping[str, Sequence[float]], whole: float) -> None:
    """Draw how much of `whole` took longer than a time in ms, on logarithmic axes, from the seconds of some runs."""
    for (name, seconds), dashes in zip(runs.items(), ("-", "--", ":", "-."), strict=False):
        ordered = np.sort(seconds)
        left = whole * (1 - np.arange(len(ordered)) / len(ordered))
        axes.step(1e3 * ordered, left, dashes, where="post", label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    plain(axes.xaxis)
