"""The figures of Lab 3.1, *Latency*."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from labkit.figures import GREY, drawing, left
from labkit.palette import COLOURS

if TYPE_CHECKING:
    from labkit.experiment import Outcome, Unavailable
    from labkit.labs.latency.experiments import Device


def above_floor(times: Mapping[str, Outcome], floor: float) -> Figure:
    """Show the seconds of an answer in some ways of running it, and how many times the floor each takes."""
    with drawing(figsize=(5, 0.42 * len(times) + 1.1)) as (figure, axes):
        values = [1e6 * outcome.value for outcome in times.values()]
        errors = [[1e6 * (o.value - o.low) for o in times.values()], [1e6 * (o.high - o.value) for o in times.values()]]
        bars = axes.barh(list(times), values, 0.6, xerr=errors, ecolor=GREY)
        axes.bar_label(bars, [f"× {1e-6 * value / floor:.3g}" for value in values], padding=6, color=GREY)
        axes.axvline(1e6 * floor, color=COLOURS[1], linestyle="--")
        axes.annotate("the floor", (1e6 * floor, 1), (0, 3), xycoords=("data", "axes fraction"),
                      textcoords="offset points", ha="center", color=GREY)
        axes.set_xscale("log")
        axes.set_xlim(1e6 * floor / 2, 4 * max([*values, 1e6 * floor]))
        axes.set_xlabel("time of one answer (µs)")
        axes.invert_yaxis()
    return figure


def cold_start(starts: Mapping[str, Mapping[str, float]]) -> Figure:
    """Show what a fresh process does until its first answer: for each of `starts`, seconds by phase, in order."""
    with drawing(figsize=(5, 0.45 * len(starts) + 1.3)) as (figure, axes):
        before = np.zeros(len(starts))
        phases = next(iter(starts.values()), ())
        for phase, colour, hatch in zip(phases, COLOURS, ("", "///", "...", "xxx"), strict=False):
            seconds = np.array([phases[phase] for phases in starts.values()])
            axes.barh(list(starts), seconds, 0.6, left=before, color=colour, hatch=hatch, edgecolor="white",
                      linewidth=0, label=phase)
            before += seconds
        axes.set_xlabel("time since the start of the process (s)")
        axes.invert_yaxis()
        if starts:
            axes.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=2)
    return figure


def slower_than(runs: Mapping[str, Sequence[float]]) -> Figure:
    """Show which share of answers took longer than a time: for each of `runs`, the seconds of its answers."""
    with drawing(figsize=(5, 3.2)) as (figure, axes):
        left(axes, runs, whole=1)
        for share, label in ((0.5, "p50"), (0.01, "p99"), (0.001, "p99.9")):
            axes.axhline(share, color=GREY, linewidth=0.5)
            axes.annotate(label, (1, share), (4, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                          va="center", fontsize=8, color=GREY)
        axes.set_xlabel("time of an answer (ms)")
        axes.set_ylabel("share of answers that take longer")
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.45, 1.22))
    return figure


def latency_by_power(devices: Sequence[Device], here: Outcome | Unavailable, watts: tuple[float, float]) -> Figure:
    """Show the time of one answer against rated power for published devices, and a machine whose power has a band.

    Args:
        devices: published.
        here: seconds of the same answer on this machine, where that is known.
        watts: the ends of the band of its power.
    """
    with drawing(figsize=(5, 3.4)) as (figure, axes):
        for kind, marker, colour in zip(dict.fromkeys(d.kind for d in devices), "osD", COLOURS, strict=False):
            some = [device for device in devices if device.kind == kind]
            axes.plot([d.watts for d in some], [1e3 * d.seconds for d in some], marker, color=colour, label=kind)
            for device in some:
                crowded = any(1 < other.watts / device.watts < 1.5 for other in some)
                axes.annotate(device.name.removeprefix("NVIDIA ").removeprefix("Jetson "),
                              (device.watts, 1e3 * device.seconds), (5, -11 if crowded else 4),
                              textcoords="offset points", fontsize=7, color=GREY)
        if here:
            axes.plot(watts, [1e3 * here.value] * 2, color=COLOURS[3], linewidth=3,
                      label="this CPU, by a model")
        axes.set_xscale("log")
        axes.set_xlim(right=4 * max(device.watts for device in devices))
        axes.set_yscale("log")
        axes.set_xlabel("power (W): rated, of the accelerator or the module")
        axes.set_ylabel("time of one answer (ms)")
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.45, 1.27), ncols=2)
    return figure
