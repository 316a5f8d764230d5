"""The figures of chapter 3: latency, throughput and load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from labkit.palette import COLOURS

from .style import GREY, drawing, plain

if TYPE_CHECKING:
    from labkit.experiment import Outcome
    from labkit.experiments.latency import Device


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
        axes.set_xlim(1e6 * floor / 2, 4 * max(values))
        axes.set_xlabel("time of one answer (µs)")
        axes.invert_yaxis()
    return figure


def cold_start(starts: Mapping[str, Mapping[str, float]]) -> Figure:
    """Show what a fresh process does until its first answer: for each of `starts`, seconds by phase, in order."""
    with drawing(figsize=(5, 0.45 * len(starts) + 1.3)) as (figure, axes):
        before = np.zeros(len(starts))
        for phase, colour, hatch in zip(next(iter(starts.values())), COLOURS, ("", "///", "...", "xxx"), strict=False):
            seconds = np.array([phases[phase] for phases in starts.values()])
            axes.barh(list(starts), seconds, 0.6, left=before, color=colour, hatch=hatch, edgecolor="white",
                      linewidth=0, label=phase)
            before += seconds
        axes.set_xlabel("time since the start of the process (s)")
        axes.invert_yaxis()
        axes.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=2)
    return figure


def slower_than(runs: Mapping[str, Sequence[float]]) -> Figure:
    """Show which share of answers took longer than a time: for each of `runs`, the seconds of its answers."""
    with drawing(figsize=(5, 3.2)) as (figure, axes):
        _left(axes, runs, whole=1)
        for share, label in ((0.5, "p50"), (0.01, "p99"), (0.001, "p99.9")):
            axes.axhline(share, color=GREY, linewidth=0.5)
            axes.annotate(label, (1, share), (4, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                          va="center", fontsize=8, color=GREY)
        axes.set_xlabel("time of an answer (ms)")
        axes.set_ylabel("share of answers that take longer")
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.45, 1.22))
    return figure


def _left(axes, runs: Mapping[str, Sequence[float]], whole: float) -> None:
    """Draw how much of `whole` took longer than a time in ms, on logarithmic axes, from the seconds of some runs."""
    for (name, seconds), dashes in zip(runs.items(), ("-", "--", ":", "-."), strict=False):
        ordered = np.sort(seconds)
        left = whole * (1 - np.arange(len(ordered)) / len(ordered))
        axes.step(1e3 * ordered, left, dashes, where="post", label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    plain(axes.xaxis)


def latency_by_power(devices: Sequence[Device], here: Outcome, watts: tuple[float, float]) -> Figure:
    """Show the time of one answer against rated power for published devices, and a machine whose power has a band.

    Args:
        devices: published.
        here: seconds of the same answer on this machine.
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
        axes.plot(watts, [1e3 * here.value] * 2, color=COLOURS[3], linewidth=3, label="this processor, by a model")
        axes.set_xscale("log")
        axes.set_xlim(right=4 * max(device.watts for device in devices))
        axes.set_yscale("log")
        axes.set_xlabel("power (W): rated, of the accelerator or the module")
        axes.set_ylabel("time of one answer (ms)")
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.45, 1.27), ncols=2)
    return figure


def time_and_rate(batches: Sequence[tuple[int, float]], published: Mapping[str, tuple[float, float]]) -> Figure:
    """Show samples a second against the time of an answer, of this machine by batch, and of published devices.

    Args:
        batches: samples at once, and the seconds that they take.
        published: by device, seconds of one sample alone and its best rate in samples a second.
    """
    with drawing(figsize=(5, 4)) as (figure, axes):
        seconds, rates = [s for _, s in batches], [batch / s for batch, s in batches]
        alone, best = zip(*published.values(), strict=True)
        reach = np.array([min(*seconds, *alone) / 2, max(*seconds, *alone) * 2])
        for inside, dashes in ((1, "-"), (10, "--"), (100, ":")):
            axes.plot(1e3 * reach, inside / reach, dashes, color=GREY, linewidth=0.7, label=f"{inside} in work")
        axes.vlines([1e3 * s for s in alone], [1 / s for s in alone], best, color=COLOURS[1], linewidth=1)
        axes.plot([1e3 * s for s in alone], best, "^", color=COLOURS[1], label="published, ResNet-50")
        axes.plot([1e3 * s for s in seconds], rates, "o-", color=COLOURS[0], markersize=4, label="this machine, cats")
        for place in (0, -1):
            axes.annotate(f"batch {batches[place][0]}", (1e3 * seconds[place], rates[place]), (4, 5),
                          textcoords="offset points", fontsize=7, color=GREY)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_ylim(min(*rates, *best) / 3, max(*rates, *best) * 3)
        axes.set_xlabel("time of an answer (ms)")
        axes.set_ylabel("samples a second")
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.45, 1.22), ncols=2)
    return figure


def in_system(moments: Sequence[float], counts: Sequence[float], law: float) -> Figure:
    """Show how many samples are inside at some moments, in seconds, beside what Little's law says of their mean."""
    with drawing(figsize=(5, 2.6)) as (figure, axes):
        axes.step(moments, counts, where="post", linewidth=0.8, label="samples inside")
        axes.axhline(float(np.mean(counts)), color=COLOURS[2], label="their mean")
        axes.axhline(law, color=COLOURS[1], linestyle="--", label="rate × mean time")
        axes.set_xlabel("time since the first was due (s)")
        axes.set_ylabel("samples")
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.45, 1.22), ncols=3)
    return figure


def supply_and_demand(here: Mapping[str, float], published: Mapping[str, float],
                      demands: Mapping[str, float]) -> Figure:
    """Show bytes a second that parts of this machine and published links deliver, and lines at what is needed."""
    rows = sorted([*here.items(), *published.items()], key=lambda row: row[1])
    with drawing(figsize=(5, 0.33 * len(rows) + 1.5)) as (figure, axes):
        for own, colour, hatch, label in ((True, COLOURS[0], "", "measured here"),
                                          (False, COLOURS[3], "///", "published")):
            some = [(place, rate) for place, (name, rate) in enumerate(rows) if (name in here) == own]
            axes.barh(*zip(*some, strict=True), 0.6, color=colour, hatch=hatch, edgecolor="white", linewidth=0,
                      label=label)
        for (name, rate), dashes in zip(demands.items(), ("-", "--", ":"), strict=False):
            axes.axvline(rate, color=COLOURS[1], linestyle=dashes, label=name)
        axes.set_yticks(range(len(rows)), [name for name, _ in rows])
        axes.set_xscale("log")
        axes.set_xlabel("bytes a second")
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.25, 1.2), ncols=2)
    return figure


def under_load(rates: Sequence[float], lines: Mapping[str, Sequence[float]],
               dots: Mapping[str, tuple[Sequence[float], Sequence[Outcome]]], capacity: float) -> Figure:
    """Show the seconds of an answer against the requests that come a second: predicted lines, measured dots.

    Args:
        rates: of the lines.
        lines: predicted seconds by percentile.
        dots: by percentile, rates and what was measured at them.
        capacity: requests a second that the server can answer.
    """
    with drawing(figsize=(5, 3.4)) as (figure, axes):
        for (name, seconds), marker, colour in zip(lines.items(), "osD^", COLOURS, strict=False):
            axes.plot(rates, [1e3 * s for s in seconds], color=colour, linewidth=1.2)
            across, found = dots[name]
            errors = [[1e3 * (o.value - o.low) for o in found], [1e3 * (o.high - o.value) for o in found]]
            axes.errorbar(across, [1e3 * o.value for o in found], errors, fmt=marker, color=colour, markersize=4,
                          linewidth=1, label=name)
        axes.axvline(capacity, color=GREY, linestyle="--")
        axes.annotate("capacity", (capacity, 1), (0, 3), xycoords=("data", "axes fraction"),
                      textcoords="offset points", ha="center", color=GREY)
        axes.set_yscale("log")
        axes.set_xlabel("requests that come (a second)")
        axes.set_ylabel("time of an answer (ms)")
        axes.legend(fontsize=8)
    return figure


def slow_shares(times: Mapping[str, Sequence[float]]) -> Figure:
    """Show for some series of seconds which share of the answers took longer than a time."""
    with drawing(figsize=(5, 2.8)) as (figure, axes):
        _left(axes, times, whole=100)
        axes.set_xlabel("time (ms)")
        axes.set_ylabel("answers that took longer (%)")
        axes.legend(fontsize=8)
    return figure
