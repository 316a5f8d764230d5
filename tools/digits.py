"""Write data/speech/digits.npz: the digits from zero to nine, said by many voices of eSpeak NG.

    python tools/digits.py

Needs espeak-ng (1.51 wrote the file that is there), and the extra `tools`.
"""

from __future__ import annotations

import io
import subprocess
import wave
from itertools import cycle

import numpy as np
from scipy.signal import resample_poly

from labkit.data import data_folder
from labkit.models.sound import CLIP, DIGITS, RATE, companded

ACCENTS = ("en-gb", "en-us", "en-gb-scotland", "en-gb-x-rp", "en-us-nyc", "en-gb-x-gbclan", "en-029", "en-gb-x-gbcwmd")
VARIANTS = (
    "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5", "Alex", "Alicia", "Andrea", "Andy",
    "Annie", "Denis", "Diogo", "Gene", "Hugo", "Jacky", "Lee", "Marco", "Mario", "Michael", "adam", "anika", "antonio",
    "belinda", "benjamin", "boris", "caleb", "david", "edward", "john", "linda", "marcelo", "max", "miguel", "paul",
    "robert", "steph", "victor")
EVERY = 5  # of the voices, every fifth is kept for testing
TAKES = ((150, 50), (180, 40))  # words a minute, and pitch: eSpeak NG's -s and -p
_LEVEL = 0.02  # of the loudest sample: what is softer at the beginning and the end is silence


def said(voice: str, digit: str, speed: int, pitch: int) -> np.ndarray:
    """Return a digit said by a voice, float64 (samples,) between -1 and 1, without the silence around it."""
    spoken = subprocess.run(["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", digit],
                            check=True, capture_output=True).stdout
    with wave.open(io.BytesIO(spoken)) as file:
        rate = file.getframerate()
    sound = resample_poly(np.frombuffer(spoken[44:], "<i2").astype(float), RATE, rate)
    loud = np.flatnonzero(np.abs(sound) > _LEVEL * np.abs(sound).max())
    sound = sound[loud[0]:loud[-1] + 1][:CLIP]
    return sound / np.abs(sound).max()


def main() -> None:
    """Let every voice say every digit, and write the file."""
    names = [f"{accent}+{variant}" for accent, variant in zip(cycle(ACCENTS), VARIANTS, strict=False)]
    rows = [(said(name, digit, *take), number, place) for place, name in enumerate(names)
            for number, digit in enumerate(DIGITS) for take in TAKES[:1 + (place % EVERY == 1)]]
    sounds, digits, voices = zip(*rows, strict=True)
    np.savez_compressed(data_folder() / "speech" / "digits.npz", sound=companded(np.concatenate(sounds)),
                        lengths=np.array([len(sound) for sound in sounds], np.uint16),
                        digits=np.array(digits, np.uint8), voices=np.array(voices, np.uint8),
                        heard=np.array(voices) % EVERY != 1, names=np.array(names))


if __name__ == "__main__":
    main()
