"""The figures of Lab 2.4, *Dedicated or shared*."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from labkit.experiment import Comparison, Row
from labkit.figures import GREY, drawing
from labkit.palette import COLOURS


def slowdowns(comparison: Comparison) -> Figure:
    """Show predicted slowdowns with their bands, and the measured ones with their intervals."""
    return _rows(comparison.rows, "times as long as alone", 1)


def totals(comparison: Comparison) -> Figure:
    """Show the predicted work of all with its band, and the measured one with its interval."""
    return _rows(comparison.rows, "work of all (% of one side alone)", 100)


def _rows(rows: Sequence[Row], label: str, even: float) -> Figure:
    with drawing(figsize=(5.6, 0.42 * len(rows) + 1.3)) as (figure, axes):
        for half, colour, marker, shift in (("predicted", COLOURS[0], "|", -0.12), ("measured", COLOURS[1], "D", 0.12)):
            found = [(place + shift, getattr(row, half)) for place, row in enumerate(rows) if getattr(row, half)]
            if found:
                places, outcomes = zip(*found, strict=True)
                around = [[one.value - one.low for one in outcomes], [one.high - one.value for one in outcomes]]
                axes.errorbar([one.value for one in outcomes], places, xerr=around, fmt=marker, capsize=3, color=colour,
                              label=half, markersize=12 if marker == "|" else 5)
        axes.axvline(even, color=GREY, linestyle=":")
        axes.set_yticks(range(len(rows)), [_named(row) for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(0, None)
        axes.set_xlabel(label)
        axes.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    return figure


def _named(row: Row) -> str:
    return "{job}, beside\n{neighbour} ({threads:g} a core, {place})".format(**row.point)
