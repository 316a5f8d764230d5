"""Sound as the course's recogniser has it: short clips of a telephone's quality, and the picture that it sees of one.

Training and serving see a clip by the same function, which needs NumPy alone.
"""

from __future__ import annotations

import numpy as np

from labkit.specs.network import SIDE

RATE = 8000  # samples a second: a telephone's
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
WINDOW, HOP = 256, 160  # samples: 32 ms of sound, anew every 20 ms
FRAMES = BANDS = SIDE  # of a picture
CLIP = WINDOW + (FRAMES - 1) * HOP  # samples that a picture shows: 0.65 s
RANGE = 50.0  # dB below the loudest point of a picture that are still seen
_STEEP = 4.0  # changes between neighbours are small beside the range
_AT_ONCE = 8  # clips whose sums a cache holds
_MU = 255  # of ITU-T G.711's mu-law, for 8 bits


def companded(sound: np.ndarray) -> np.ndarray:
    """Return sound between -1 and 1 as bytes, by the mu-law (ITU-T G.711): soft samples get finer steps than loud ones.
    """
    loudness = np.log1p(_MU * np.abs(sound)) / np.log1p(_MU)
    return np.round(127.5 + 127.5 * np.sign(sound) * loudness).astype(np.uint8)


def expanded(stored: np.ndarray) -> np.ndarray:
    """Return what `companded` made bytes of, as float32 between -1 and 1."""
    loudness = (stored.astype(np.float32) - 127.5) / 127.5
    return np.sign(loudness) * np.expm1(np.abs(loudness) * np.log1p(_MU)).astype(np.float32) / _MU


def _mel(hertz):
    return 2595 * np.log10(1 + hertz / 700)  # O'Shaughnessy 1987


def _filters() -> np.ndarray:
    """Return the weight of each frequency in each band, float32 (frequencies, bands): triangles, evenly by the mel."""
    edges = np.linspace(_mel(100), _mel(RATE / 2), BANDS + 2)
    at = _mel(np.fft.rfftfreq(WINDOW, 1 / RATE))[:, None]
    rising, falling = (at - edges[:-2]) / (edges[1] - edges[0]), (edges[2:] - at) / (edges[1] - edges[0])
    return np.clip(np.minimum(rising, falling), 0, None).astype(np.float32)


_FILTERS, _TAPER = _filters(), np.hanning(WINDOW).astype(np.float32)


def pictures(clips: np.ndarray) -> np.ndarray:
    """Return what the recogniser sees of clips: bytes (n, 3, bands, frames), from float32 (n, CLIP).

    The loudness of each band in time, in dB below the loudest point; how it changes in time; and how from band to band.

    Raises:
        ValueError: clips of another length.
    """
    if clips.ndim != 2 or clips.shape[1] != CLIP:
        raise ValueError(f"A clip has {CLIP:,} samples, {CLIP / RATE:.2f} s; these have the shape {clips.shape}.")
    seen = np.empty((len(clips), 3, BANDS, FRAMES), np.uint8)
    for at in range(0, len(clips), _AT_ONCE):
        seen[at:at + _AT_ONCE] = _seen(clips[at:at + _AT_ONCE])
    return seen


def _seen(clips: np.ndarray) -> np.ndarray:
    frames = np.lib.stride_tricks.sliding_window_view(clips, WINDOW, axis=1)[:, ::HOP]
    spectrum = np.fft.rfft(frames * _TAPER)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32) @ _FILTERS  # (n, frames, bands)
    level = np.log10(power + 1e-9).swapaxes(1, 2)
    level = np.maximum(10 * (level - level.max((1, 2), keepdims=True)) / RANGE, -1)  # -1 to 0
    seen = np.stack([2 * level + 1, *(_STEEP * np.gradient(level, axis=axis) for axis in (2, 1))], 1)
    return np.clip(127.5 * seen + 127.5, 0, 255)
