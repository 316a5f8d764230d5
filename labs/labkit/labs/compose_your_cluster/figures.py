"""The figures of Lab 5.1 and of the page of the evidence."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt

from labkit import figures


def beside(rows: Sequence) -> None:
    """Draw every predicted row of a table of published systems: its interval over the published figure.

    Args:
        rows: of `labkit.pages.plan_evidence.read`.
    """
    there = sorted((row for row in rows if row.predicted), key=lambda row: row.predicted.value / row.value)
    with figures.style():
        _, ax = plt.subplots(figsize=(5.6, 0.2 * len(there) + 1))
        for place, row in enumerate(there):
            ends = row.predicted.low, row.predicted.value, row.predicted.high
            low, value, high = (each / row.value for each in ends)
            ax.plot([low, high], [place, place], color=figures.GREY if row.inside else "#D55E00", linewidth=1.5)
            ax.plot(value, place, "o", markersize=3.5, color="#0072B2")
        ax.axvline(1, color=figures.GREY, linewidth=1)
        ax.set(xscale="log", xlabel="predicted over published", ylim=(-1, len(there)))
        ax.set_yticks(range(len(there)), [f"{row.system[:28]}, {row.metric[:18]}" for row in there], fontsize=7)
        plt.show()
