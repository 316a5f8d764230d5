"""The figures of Lab 3.5, and its clips to listen to."""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Mapping
from html import escape

import numpy as np
from matplotlib.figure import Figure

from labkit.experiment import Comparison, Outcome, Unavailable
from labkit.figures import drawing
from labkit.labs.one_clear_stream import experiments as lab
from labkit.models.sound import HOP, RATE, pictures
from labkit.palette import COLOURS

_LOUDEST = 0.9  # of full scale


class Players:
    """Clips that a page plays, each with its name; they lie in the page itself.

    Args:
        clips: sound (CLIP,) by name.
    """

    def __init__(self, clips: Mapping[str, np.ndarray]):
        self._clips = dict(clips)

    def __repr__(self) -> str:
        return "Clips to listen to: " + "; ".join(self._clips)

    def _repr_html_(self) -> str:
        players = "".join(
            f'<figure style="display: inline-block; max-width: 100%; margin: 0 1em 0.8em 0"><figcaption>{escape(name)}'
            f'</figcaption><audio controls preload="none" style="max-width: 100%" aria-label="{escape(name)}" '
            f'src="data:audio/wav;base64,{base64.b64encode(wav(clip)).decode()}"></audio></figure>'
            for name, clip in self._clips.items())
        return f'<div class="labkit-players">{players}</div>'


def wav(clip: np.ndarray) -> bytes:
    """Return a clip (CLIP,) as a WAV file of 16 bits, as loud as it may be."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes((2**15 * _LOUDEST * clip / max(np.abs(clip).max(), 1e-9)).astype("<i2").tobytes())
    return file.getvalue()


def seen(clips: Mapping[str, np.ndarray]) -> Figure:
    """Show what the recogniser sees of some clips (CLIP,): how loud each band is in time."""
    with drawing(1, len(clips), figsize=(2.4 * len(clips), 2.4), sharey=True) as (figure, axes):
        for place, (name, clip) in zip(np.ravel(axes), clips.items(), strict=True):
            picture = pictures(clip[None])[0, 0]
            place.imshow(picture, origin="lower", aspect="auto", cmap="viridis",
                         extent=(0, HOP * picture.shape[1] / RATE, 0, picture.shape[0]))
            place.set_title(name, fontsize=9)
            place.set_xlabel("time (s)")
        np.ravel(axes)[0].set_ylabel("band, low to high")
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
