"""The figures of Lab 1.1, *Your machine*."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from labkit.figures import GREY, drawing, style
from labkit.labs.common import product_rates
from labkit.palette import COLOURS
from labkit.units import quantity

if TYPE_CHECKING:
    from labkit.labs.your_machine.summary import Roof
    from labkit.machine import Machine


def formats(machine: Machine) -> Figure:
    """Show the best measured rate of matrix products in each number format, with the factor over 32 bit."""
    rates = product_rates(machine)
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
    sizes, seconds = zip(*machine.calibration("memory").curve("read"), strict=True)
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
    """Show the time of moving bytes against how many they are, for each of `moves`: {label: (probe, curve)}."""
    with drawing(figsize=(5, 3.4)) as (figure, axes):
        known = {label: machine.calibration(probe).group().get(curve)
                 for label, (probe, curve) in moves.items()}
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
