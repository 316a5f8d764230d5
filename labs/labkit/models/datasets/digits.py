"""Spoken digits: every voice of `data/speech` says the ten of them, and training hears four voices of five.

What training hears is varied: faster and slower, higher and lower, through another line, with some noise.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from labkit.data import data_folder
from labkit.inputs import whole
from labkit.models.sound import CLIP, RATE, expanded

_TEMPO, _TILT, _NOISE, _SHIFT = 1.33, 0.9, (5.0, 40.0), 0.1  # times, filter's coefficient, dB, seconds: see `_varied`
_SILENCE = 1e-3  # of full scale: what never exceeds it is silence


class NoSpeech(ValueError):
    """A sound file that the recogniser cannot hear; the message says why, and what to do."""


@dataclass(frozen=True)
class Clips:
    """Digits that were said.

    Args:
        sound: float32 (n, CLIP).
        digits: which, int64 (n,).
        voices: whose, int64 (n,).
    """

    sound: np.ndarray
    digits: np.ndarray
    voices: np.ndarray

    def __len__(self) -> int:
        return len(self.digits)

    def __getitem__(self, chosen) -> Clips:
        return Clips(self.sound[chosen], self.digits[chosen], self.voices[chosen])


@cache
def _stored() -> dict[str, np.ndarray]:
    with np.load(data_folder() / "speech" / "digits.npz") as file:
        return dict(file)


def _said(heard: bool) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Return the sounds of the voices that training hears, or of the others, with their digits and voices."""
    stored = _stored()
    sounds = np.split(expanded(stored["sound"]), np.cumsum(stored["lengths"].astype(int))[:-1])
    chosen = np.flatnonzero(stored["heard"] == heard)
    return [sounds[place] for place in chosen], stored["digits"][chosen].astype(np.int64), \
        stored["voices"][chosen].astype(np.int64)


def unheard() -> Clips:
    """Return the digits of the voices that training does not hear, each in the middle of its clip."""
    sounds, digits, voices = _said(heard=False)
    return Clips(np.stack([_placed(sound, (CLIP - len(sound)) // 2) for sound in sounds]), digits, voices)


def heard(copies: int, seed: int = 0) -> Clips:
    """Return every digit of the voices for training, so many times, each time varied; a seed names the draw.

    Raises:
        ValueError: no copy.
    """
    whole(copies=copies)
    sounds, digits, voices = _said(heard=True)
    random = np.random.default_rng(seed)
    return Clips(np.stack([_varied(sound, random) for sound in sounds for _ in range(copies)]),
                 digits.repeat(copies), voices.repeat(copies))


def _varied(sound: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return a clip of a sound at another tempo and pitch, with more or fewer highs, elsewhere in time, with noise."""
    tempo = _TEMPO ** random.uniform(-1, 1)
    sound = np.interp(np.arange(0, len(sound) - 1, tempo), np.arange(len(sound)), sound)[:CLIP]
    sound[1:] -= random.uniform(-_TILT, _TILT) * sound[:-1]
    room = CLIP - len(sound)
    clip = _placed(sound, int(np.clip(room / 2 + random.uniform(-_SHIFT, _SHIFT) * RATE, 0, room)))
    return noisy(clip[None], random.uniform(*_NOISE), random)[0]


def _placed(sound: np.ndarray, at: int) -> np.ndarray:
    clip = np.zeros(CLIP, np.float32)
    clip[at:at + len(sound)] = sound
    return clip


def noisy(sound: np.ndarray, ratio: float, random: np.random.Generator) -> np.ndarray:
    """Return clips (n, CLIP) with white noise, `ratio` dB softer than each."""
    return mixed(sound, random.standard_normal(sound.shape).astype(np.float32), ratio)


def mixed(wanted: np.ndarray, other: np.ndarray, ratio: float | np.ndarray) -> np.ndarray:
    """Return the sum of clips (n, CLIP), the others `ratio` dB softer than the wanted, in power."""
    scale = _loudness(wanted) / _loudness(other) * 10 ** (-np.asarray(ratio) / 20)
    return (wanted + scale * other).astype(np.float32)


def _loudness(sound: np.ndarray) -> np.ndarray:
    return np.sqrt((sound**2).mean(-1, keepdims=True))


def partners(clips: Clips, random: np.random.Generator) -> np.ndarray:
    """Return for each clip the place of another: of another voice, which says another digit."""
    apart = (clips.digits[:, None] != clips.digits) & (clips.voices[:, None] != clips.voices)
    return np.array([random.choice(np.flatnonzero(row)) for row in apart])


def read(path: str | Path) -> np.ndarray:
    """Return the loudest part of a WAV file as a clip, float32 (1, CLIP).

    Raises:
        NoSpeech: no such file, no WAV file, another rate, more channels than one, other than 16 bits, or silence.
    """
    path = Path(path)
    mend = f"This makes it one: ffmpeg -i {path.name} -ac 1 -ar {RATE} -c:a pcm_s16le digit.wav"
    try:
        with wave.open(str(path)) as file:
            channels, width, rate, count = file.getparams()[:4]
            raw = file.readframes(count)
    except FileNotFoundError:
        raise NoSpeech(f"There is no file {path.name} here.") from None
    except (wave.Error, EOFError, OSError) as trouble:
        raise NoSpeech(f"{path.name} is no plain WAV file, or is cut off ({trouble}). {mend}") from None
    if (channels, width, rate) != (1, 2, RATE):
        raise NoSpeech(f"{path.name} has {channels} channels of {8 * width} bits at {rate:,} samples a second; the "
                       f"recogniser hears one of 16 bits at {RATE:,}. {mend}")
    sound = np.frombuffer(raw[:len(raw) // 2 * 2], "<i2").astype(np.float32) / 2**15
    if not len(sound) or np.abs(sound).max() < _SILENCE:
        raise NoSpeech(f"{path.name} holds silence: say a digit close to the microphone.")
    energy, length = np.cumsum(np.concatenate([[0], sound.astype(float)**2])), min(CLIP, len(sound))
    inside = energy[length:] - energy[:-length]  # of the clip that begins at each sample
    loudest = sound[int(np.median(np.flatnonzero(inside > 0.999 * inside.max()))):][:CLIP]
    return _placed(loudest, (CLIP - len(loudest)) // 2)[None]
