"""The figures of Lab 2.1, *Compute and precision*."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from labkit.figures import GREY, drawing
from labkit.palette import COLOURS

if TYPE_CHECKING:
    from labkit.experiment import Outcome, Unavailable


def by_seed(found: Mapping[str, Sequence[float]], means: Mapping[str, Outcome | Unavailable]) -> Figure:
    """Show the share of right answers of every training as a dot, and the mean of each way with its 95 % interval.

    Args:
        found: shares, 0 to 1, by way and seed.
        means: the mean of each way, in %, where there is an interval.
    """
    with drawing(figsize=(5, 0.42 * len(found) + 1)) as (figure, axes):
        for place, (way, shares) in enumerate(found.items()):
            axes.plot([100 * share for share in shares], [place] * len(shares), "o", color=COLOURS[0], alpha=0.5,
                      markersize=5)
            if not (mean := means[way]):
                continue
            axes.errorbar(mean.value, place + 0.22, xerr=[[mean.value - mean.low], [mean.high - mean.value]], fmt="D",
                          color=COLOURS[1], markersize=4, capsize=3)
        axes.set_yticks(range(len(found)), list(found))
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.set_xlabel("right answers (%)")
    return figure


def speed_ups(predicted: Mapping[str, Mapping[int, float]], measured: Mapping[str, Mapping[int, float]],
              processors: int) -> Figure:
    """Show how many times as fast some threads are as one, by case: predicted as lines, measured as marks.

    Args:
        predicted, measured: by case, the factor by threads.
        processors: how many there are; beyond them threads take turns.
    """
    with drawing(figsize=(5, 3)) as (figure, axes):
        most = max((threads for found in measured.values() for threads in found), default=processors)
        axes.axvspan(processors, most + 0.2, color=GREY, alpha=0.15, linewidth=0)
        axes.annotate("more threads than cores", (processors, 1), (4, -4), xycoords=("data", "axes fraction"),
                      textcoords="offset points", va="top", fontsize=8, color=GREY)
        axes.plot([1, processors], [1, processors], color=GREY, linestyle=":", label="all of it shared")
        for (case, found), marker, colour in zip(predicted.items(), "osD^", COLOURS, strict=False):
            axes.plot(list(found), list(found.values()), color=colour, linewidth=1)
            axes.plot(list(measured[case]), list(measured[case].values()), marker, color=colour, label=case)
        axes.set_xticks(range(1, most + 1) if most <= 16 else sorted({1, processors, most}))
        axes.set_ylim(0)
        axes.set_xlabel("threads")
        axes.set_ylabel("times as fast as one")
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.45, 1.3), ncols=2)
    return figure


def sizes(counts: Mapping[int, int], marks: Mapping[str, float], label: str) -> Figure:
    """Show how often numbers of a size occur, by power of two, with the limits of some formats.

    Args:
        counts: how many by power of two, rounded down.
        marks: limits by name, rising; all names but the last are short.
        label: what the numbers are.
    """
    total = sum(counts.values())
    with drawing(figsize=(5, 2.8)) as (figure, axes):
        axes.bar([2.0**power for power in counts], [100 * count / total for count in counts.values()],
                 width=[0.9 * 2.0**power for power in counts], align="edge", color=COLOURS[0])
        axes.set_xscale("log", base=2)
        for name, limit in marks.items():
            axes.axvline(limit, color=COLOURS[1], linestyle="--", linewidth=1)
            axes.annotate(name, (limit, 1), (-2, 3), xycoords=("data", "axes fraction"), textcoords="offset points",
                          fontsize=8, color=COLOURS[1])
        axes.set_xlabel(label)
        axes.set_ylabel("share (%)")
    return figure


def breaking(lost: Mapping[str, Mapping[int, float]], right: Mapping[str, Mapping[int, Sequence[float]]],
             usual: float | None, label: str) -> Figure:
    """Show what a format is predicted to lose, above, and what trainings in it reached, below, against its bits.

    Args:
        lost: predicted shares, 0 to 1, by way and bits.
        right: shares of right answers, 0 to 1, by way and bits, one for each seed.
        usual: what fp32 reaches, 0 to 1; None where it is not known.
        label: what the bits are of.
    """
    with drawing(2, 1, figsize=(5, 4.4), sharex=True) as (figure, (above, below)):
        for (way, shares), marker, colour in zip(lost.items(), "os", COLOURS, strict=False):
            bits = list(shares)
            above.plot(bits, [100 * share for share in shares.values()], marker=marker, color=colour, label=way)
            known = [count for count in bits if right[way][count]]
            below.plot(known, [100 * float(np.mean(right[way][count])) for count in known], color=colour)
            for count in bits:
                if not right[way][count]:
                    continue
                below.plot([count] * len(right[way][count]), [100 * share for share in right[way][count]], marker,
                           color=colour, fillstyle="none")
        if usual is not None:
            below.axhline(100 * usual, color=GREY, linestyle=":")
            below.annotate("fp32", (1, 100 * usual), (4, 0), xycoords=("axes fraction", "data"), va="center",
                           textcoords="offset points", fontsize=8, color=GREY, annotation_clip=False)
        above.set_ylim(-5, 105)
        above.set_ylabel("lost, predicted (%)")
        below.set_ylabel("right answers (%)")
        below.set_xlabel(label)
        below.set_xticks(bits)
        above.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.45, 1.3), ncols=2)
    return figure
