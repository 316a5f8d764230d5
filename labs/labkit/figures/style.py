"""One style for the course's figures that reads on light and on dark pages, for every eye.

The background is transparent and the text mid-grey.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

import matplotlib
from matplotlib.axis import Axis
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


def plain(axis: Axis) -> None:
    """Label a logarithmic axis with plain numbers: one, two and five times the powers of ten."""
    axis.set_minor_formatter(NullFormatter())
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
