"""The recogniser of Lab 3.5: how it learns, from one voice at a time or from two at once, and what it gets right."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from labkit import device as devices
from labkit import effort
from labkit.experiment import Outcome, Unavailable
from labkit.labs.cats.distribution_shift import after
from labkit.measure.probes.hearing import recogniser
from labkit.models.datasets import digits
from labkit.models.datasets.digits import Clips
from labkit.models.sound import DIGITS, pictures
from labkit.models.training import Run, probabilities, train
from labkit.stats import wilson

EPOCHS, BATCH, LR = 8, 64, 3e-3
LOUDER = 6.0  # dB, at most, by which one of two voices is louder in training
NOISES = (-10, -6, -3, 0, 3, 6, 10, 20, 30, 40)  # dB by which noise is softer than the voice
_ENOUGH = 0.5  # of the clips that it was to see: a recogniser that was stopped before has learned too little
_PAIRS = 3  # other voices, one after the other, with which each clip is mixed when the recogniser is tested


@dataclass(frozen=True)
class Recogniser:
    """A network that has learned the digits.

    Args:
        network: of `labkit.measure.probes.hearing`.
        run: of its training.
    """

    network: nn.Module
    run: Run

    def scores(self, sound: np.ndarray) -> Tensor:
        """Return how probable it finds each digit, (n, 10), in clips (n, CLIP)."""
        return probabilities(self.network, torch.from_numpy(pictures(sound)))

    def right(self, sound: np.ndarray, wanted: np.ndarray) -> Outcome | Unavailable:
        """Return the share in % of clips in which it hears the wanted digit, with its interval."""
        return self._share(self.scores(sound).argmax(1).numpy() == wanted)

    def both(self, ratio: float) -> Outcome | Unavailable:
        """Return the share in % of clips of two voices whose two likeliest digits are the two that were said."""
        wanted, other = pairs()
        found = self.scores(digits.mixed(wanted.sound, other.sound, ratio)).topk(2, 1).indices.sort(1).values.numpy()
        return self._share((found == np.sort([wanted.digits, other.digits], 0).T).all(1))

    def noise(self) -> dict[int, Outcome | Unavailable]:
        """Return the share in % of the digits that it hears in noise, by the dB by which the noise is softer."""
        clips, random = digits.unheard(), np.random.default_rng(0)
        return {ratio: self.right(digits.noisy(clips.sound, ratio, random), clips.digits) for ratio in NOISES}

    def _share(self, right: np.ndarray) -> Outcome | Unavailable:
        value, low, high = (100 * part for part in wilson(int(right.sum()), len(right)))
        outcome = Outcome(value, "%", low=low, high=high)
        return outcome if self.run.pictures > _ENOUGH * self.run.planned else after([self.run], outcome)


def learned(seen: np.ndarray, targets: Tensor, seconds: float) -> Recogniser:
    """Train a recogniser, for some seconds at most.

    Args:
        seen: pictures of the clips to learn from, (n, 3, 32, 32).
        targets: the digit of each, int64 (n,), or how probable each digit should be, float (n, 10).
        seconds: after which it ends, complete or not.
    """
    torch.manual_seed(0)
    network = recogniser()
    with devices.threads(1):
        run = train(network, torch.from_numpy(seen), targets, epochs=EPOCHS, batch=BATCH, lr=LR,
                    seconds=seconds)
    return Recogniser(network, run)


def heard() -> Clips:
    """Return what a recogniser learns from, as many clips as the effort that holds now has time for."""
    return digits.heard(effort.pick(quick=8, usual=10, long=20))


def one_voice(clips: Clips) -> Recogniser:
    """Train on single voices."""
    return learned(pictures(clips.sound), torch.from_numpy(clips.digits), effort.pick(quick=20, usual=30, long=90))


def two_voices(clips: Clips) -> Recogniser:
    """Train on as many single voices, and on two at once, of which either digit is half of the answer."""
    random = np.random.default_rng(0)
    others = digits.partners(clips, random)
    ratio = random.uniform(-LOUDER, LOUDER, (len(clips), 1))
    mixed = digits.mixed(clips.sound, clips.sound[others], ratio)
    one = nn.functional.one_hot(torch.from_numpy(clips.digits), len(DIGITS)).float()
    return learned(np.concatenate([pictures(clips.sound), pictures(mixed)]), torch.cat([one, (one + one[others]) / 2]),
                   effort.pick(quick=25, usual=60, long=180))


def pairs() -> tuple[Clips, Clips]:
    """Return clips of voices that were not heard in training, and for each another voice with another digit."""
    clips, random = digits.unheard(), np.random.default_rng(0)
    places = np.concatenate([digits.partners(clips, random) for _ in range(_PAIRS)])
    return clips[np.tile(np.arange(len(clips)), _PAIRS)], clips[places]


def own(recogniser: Recogniser, path: str | Path | None) -> str:
    """Return what the recogniser hears in a WAV file, or what keeps it from hearing anything."""
    if path is None:
        return "No recording yet: put the name of a WAV file where it says None."
    try:
        scores = recogniser.scores(digits.read(path))[0]
    except digits.NoSpeech as trouble:
        return str(trouble)
    likely = scores.topk(2).indices.tolist()
    return "It hears " + ", then ".join(f"{DIGITS[digit]} ({scores[digit]:.0%})" for digit in likely) + "."
