"""Samples as they are stored and as a network takes them: a picture, alone or with a second of sound and a caption.

A stored sample is bytes by ending, as webdataset has it: `{"jpg": …, "wav": …, "txt": …}`. Decoded, it is a record of
`record(kind)`, which is also what a memory map holds.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator, Mapping

import numpy as np
from PIL import Image

from labkit.models.datasets import cats

PICTURES, MIXED = KINDS = ("pictures", "picture, sound and text")
ENDINGS = {PICTURES: ("jpg",), MIXED: ("jpg", "wav", "txt")}
SIDE = 96  # pixels
STORED = {PICTURES: {"jpg": 5000}, MIXED: {"jpg": 5000, "wav": 16_044, "txt": 60}}  # mean bytes; held by a test
SOUND = 8000  # samples in a second of sound, 16 bit each: as many as telephony takes (ITU-T G.711)
TEXT = 256  # bytes of a caption, at most
_DRAWN, _GRAIN = 64, 12  # different pictures, and the standard deviation of what makes each file's bytes its own
_FRAME = 200  # samples of sound in one frame of a spectrogram: 25 ms


class BrokenSample(ValueError):
    """A stored sample that cannot be read; the message names it."""


def record(kind: str) -> np.dtype:
    """Return the NumPy type of a decoded sample: fields of fixed sizes."""
    fields = [("jpg", np.uint8, (SIDE, SIDE, 3)), ("wav", np.int16, (SOUND,)), ("txt", np.uint8, (TEXT,))]
    return np.dtype(fields[:len(ENDINGS[kind])])


def draw(kind: str, count: int, seed: int = 0) -> Iterator[dict[str, bytes]]:
    """Yield stored samples; no two have the same bytes."""
    dice = np.random.default_rng(seed)
    pictures = cats.draw(_DRAWN, size=SIDE, coats=cats.COATS, seed=seed).images.numpy().transpose(0, 2, 3, 1)
    grain = dice.normal(0, _GRAIN, 2 * pictures[0].size)
    hum = np.sin(np.arange(SOUND) / 9)
    for place in range(count):
        start = dice.integers(pictures[0].size)
        noisy = pictures[place % _DRAWN] + grain[start:start + pictures[0].size].reshape(pictures[0].shape)
        file = io.BytesIO()
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
        sample = {"jpg": file.getvalue()}
        if kind == MIXED:
            sample["wav"] = _sound(8000 * hum * dice.uniform(0.2, 1) + dice.normal(0, 300, SOUND))
            sample["txt"] = f"Picture {place}: an animal or a vehicle, drawn by a computer.".encode()
        yield sample


def _sound(heights: np.ndarray) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SOUND)
        sound.writeframes(heights.astype("<i2").tobytes())
    return file.getvalue()


def decode(sample: Mapping[str, bytes], kind: str) -> np.ndarray:
    """Return a stored sample as a record; raises `BrokenSample` for bytes that are none."""
    decoded = np.zeros((), record(kind))
    try:
        decoded["jpg"] = np.asarray(Image.open(io.BytesIO(sample["jpg"])))
        if kind == MIXED:
            with wave.open(io.BytesIO(sample["wav"])) as sound:
                decoded["wav"] = np.frombuffer(sound.readframes(SOUND), "<i2")
            decoded["txt"][:len(sample["txt"])] = np.frombuffer(sample["txt"], np.uint8)
    except (OSError, EOFError, ValueError, KeyError, wave.Error) as trouble:
        raise BrokenSample(f"Sample {sample.get('__key__', '?')} cannot be decoded: {trouble or 'it ends too early'}. "
                           "Write the data set again, or leave this sample out.") from trouble
    return decoded


def prepare(decoded: np.ndarray, mirrored: bool) -> list[np.ndarray]:
    """Return what a network takes of a record: the picture, perhaps mirrored; the sound's spectrogram; the text."""
    picture = decoded["jpg"][:, ::-1] if mirrored else decoded["jpg"]
    if "wav" not in decoded.dtype.names:
        return [picture]
    frames = decoded["wav"].reshape(-1, _FRAME).astype(np.float32)
    return [picture, np.log1p(np.abs(np.fft.rfft(frames))).astype(np.float32), decoded["txt"]]


def batch(some: list[list[np.ndarray]]) -> list[np.ndarray]:
    """Return prepared samples as one array for each of their parts."""
    return [np.stack(part) for part in zip(*some, strict=True)]
