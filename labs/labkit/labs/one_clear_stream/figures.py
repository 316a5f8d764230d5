"""The figures of Lab 3.5, *One clear stream*."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from labkit.experiment import Comparison, Outcome, Unavailable
from labkit.figures import drawing
from labkit.labs.one_clear_stream import experiments as lab
from labkit.models.sound import HOP, RATE, pictures
from labkit.palette import COLOURS


def seen(clips: Mapping[str, np.ndarray]) -> Figure:
    """Show what the recogniser sees of an even number of clips (CLIP,): how loud each band is in time."""
    shape = len(clips) // 2, 2
    with drawing(*shape, figsize=(5.4, 2.2 * shape[0]), sharex=True, sharey=True, squeeze=False) as (figure, axes):
        for place, (name, clip) in zip(axes.flat, clips.items(), strict=True):
            picture = pictures(clip[None])[0, 0]
            place.imshow(picture, origin="lower", aspect="auto", cmap="viridis",
                         extent=(0, HOP * picture.shape[1] / RATE, 0, picture.shape[0]))
            place.set_title(name, fontsize=9)
        for place in axes[-1]:
            place.set_xlabel("time (s)")
        for place in axes[:, 0]:
            place.set_ylabel("band, low to high")
    return figure


def recognised(noise: Mapping[int, Outcome | Unavailable], comparison: Comparison) -> Figure | Unavailable:
    """Show the share of digits that is recognised against the loudness of noise, and of another voice."""
    if missing := [outcome for outcome in noise.values() if not outcome]:
        return missing[0]
    with drawing(figsize=(5, 3.3)) as (figure, axes):
        inside = [ratio for ratio in noise if ratio <= lab.RATIOS[-1]]
        axes.plot(inside, [noise[ratio].value for ratio in inside], "--", color=COLOURS[0], label="noise")
        for microphones, colour, marker in zip(lab.MICROPHONES, COLOURS[1:], "os", strict=False):
            rows = [row for row in comparison.rows if row.point["microphones"] == microphones and row.measured]
            found = [row.measured for row in rows]
            errors = [[each.value - each.low for each in found], [each.high - each.value for each in found]]
            axes.errorbar([row.point["ratio"] for row in rows], [each.value for each in found], errors, color=colour,
                          marker=marker, capsize=2, label=f"another voice, microphones: {microphones}")
        axes.set_ylim(0, 103)
        axes.set_xlabel("the wanted voice is louder by (dB)")
        axes.set_ylabel("digits recognised (%)")
        axes.legend(fontsize=8)
    return figure
