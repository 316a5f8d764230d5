"""Clips of sound that a page plays by itself, with no kernel and no other file."""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Mapping
from html import escape

import numpy as np

from labkit.models.sound import RATE

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
