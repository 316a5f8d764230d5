"""What Lab 2.5 measures: errors of many small trainings, on clean pictures and on dirty ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from statistics import mean
from time import perf_counter

import torch

from labkit import device as devices
from labkit import effort
from labkit.labs.growing_clean_data import dirt
from labkit.models import training
from labkit.models.datasets import cats
from labkit.models.evaluation import evaluate
from labkit.models.networks.cats import CatNet
from labkit.models.random_features import FirstLayer, Readout
from labkit.progress import report

WIDTH = 64  # channels of the lab's network
LEAST = 2000  # pictures for each seed, and two seeds, however slow the machine is
_LIKE = 500  # pictures to which the features are scaled
_NARROW, _TRAINING_S = 8, 15.0  # channels of the network in which all layers learn, and seconds for each training
_LEAKING = 1200  # pictures of a test that leaks
_DRAWING_S = 25.0  # for the pictures: a slow machine has fewer


@dataclass(frozen=True)
class Size:
    """How much is trained: seeds, each with pictures and a first layer of its own, and pictures of the test."""

    seeds: int
    largest: int
    tested: int


def size() -> Size:
    """Return how much is trained at the effort that holds now."""
    return effort.pick(quick=Size(3, 4000, 1500), usual=Size(5, 8000, 4000), long=Size(12, 8000, 8000))


class Trainings:
    """Trainings by size, width and dirt; each is done once and kept.

    Args:
        size: how much is trained; a slow machine has fewer pictures, and then fewer seeds, but `LEAST` for each of two.

    Raises:
        MemoryError: the pictures need more memory than is free.
    """

    def __init__(self, size: Size):
        pictures = cats.load(size.seeds * size.largest, seed=25, seconds=_DRAWING_S)
        if len(pictures) < 2 * LEAST:
            pictures = cats.load(2 * LEAST, seed=25)
        self.size = replace(size, seeds=min(size.seeds, len(pictures) // LEAST))
        self.largest = len(pictures) // self.size.seeds  # pictures that each seed has to learn from
        self.tested = cats.load(size.tested, seed=26, seconds=_DRAWING_S)
        self.leaking = cats.load(_LEAKING, seed=30)  # another test, of which pictures get among the others
        self.pictures = [pictures[seed * self.largest:(seed + 1) * self.largest] for seed in range(self.size.seeds)]
        self.layer, self.features, self.shown = cache(self._layer), cache(self._features), cache(self._shown)
        self.errors, self.seconds = cache(self._errors), cache(self._seconds)
        self.dirty, self.flattered = cache(self._dirty), cache(self._flattered)
        self.throughout = cache(self._throughout)

    def _layer(self, seed: int, width: int) -> FirstLayer:
        return FirstLayer(width, seed, self.pictures[seed].images[:_LIKE])

    def _features(self, seed: int, width: int) -> torch.Tensor:
        return self.layer(seed, width)(self.pictures[seed].images)

    def _shown(self, seed: int, width: int) -> torch.Tensor:
        return self.layer(seed, width)(self.tested.images)

    def _errors(self, pictures: int, width: int = WIDTH) -> list[float]:
        """Return the wrong answers in % of each seed's network that learned from so many clean pictures."""
        with devices.threads(1):
            return [self._clean(seed, pictures, width).error(self.shown(seed, width), self.tested.truth)
                    for seed in range(self.size.seeds)]

    def _clean(self, seed: int, pictures: int, width: int) -> Readout:
        report(seed / self.size.seeds, "Training")
        return Readout(self.features(seed, width)[:pictures], self.pictures[seed].truth[:pictures])

    def explained(self, pictures: int) -> float:
        """Return the share of the labels' variance that networks explain which learned from so many clean pictures."""
        with devices.threads(1):
            return mean(self._clean(seed, pictures, WIDTH).explained(self.shown(seed, WIDTH), self.tested.truth)
                        for seed in range(self.size.seeds))

    def _dirty(self, kind: str, share: float, pictures: int) -> list[float]:
        """Return the wrong answers in % of each seed's network that learned from so many pictures, a share dirty.

        Args:
            kind: of `dirt.KINDS`.
            share: of the pictures, 0 to 1.
            pictures: to learn from.
        """
        with devices.threads(1):
            return [self._spoiled(seed, kind, share, pictures).error(self.shown(seed, WIDTH), self.tested.truth)
                    for seed in range(self.size.seeds)]

    def _flattered(self, share: float, pictures: int) -> list[float]:
        """Return by how many points each seed's network is wrong less often on pictures of a test once they leaked."""
        found, leaked = [], self.leaking[:round(share * pictures)]
        with devices.threads(1):
            for seed in range(self.size.seeds):
                shown = self.layer(seed, WIDTH)(leaked.images)
                before, after = self._clean(seed, pictures, WIDTH), self._spoiled(seed, dirt.LEAK, share, pictures)
                found.append(before.error(shown, leaked.truth) - after.error(shown, leaked.truth))
        return found

    def _spoiled(self, seed: int, kind: str, share: float, pictures: int) -> Readout:
        clean = self.pictures[seed][:pictures]
        some = dirt.spoil(kind, clean, share, self.leaking, seed)
        same = some.images is clean.images
        return Readout(self.features(seed, WIDTH)[:pictures] if same else self.layer(seed, WIDTH)(some.images),
                       some.labels)

    def _throughout(self, kind: str | None, share: float, pictures: int) -> list[float]:
        """Return the wrong answers in % of the network of Lab 1.3, in which all layers learn, for two seeds or more.

        Args:
            kind, share, pictures: as for `dirty`; no kind for clean pictures.
        """
        found = []
        with devices.threads(1):
            for seed in range(min(self.size.seeds, effort.pick(quick=2, usual=3, long=5))):
                report(seed / self.size.seeds, "Training all layers")
                clean = self.pictures[seed][:pictures]
                some = clean if kind is None else dirt.spoil(kind, clean, share, self.leaking, seed)
                torch.manual_seed(seed)
                network = CatNet(_NARROW)
                training.train(network, some.images, some.labels, epochs=effort.pick(quick=4, usual=8, long=12),
                               batch=64, seed=seed, device=torch.device("cpu"), seconds=_TRAINING_S)
                found.append(100 * (1 - evaluate(network, self.tested).accuracy))
        return found

    def _seconds(self, pictures: int, width: int = WIDTH) -> float:
        """Return the seconds of a training on so many pictures, first layer and all: the better of two."""
        with devices.threads(1):
            return min(self._timed(pictures, width) for _ in range(2))

    def _timed(self, pictures: int, width: int) -> float:
        some, layer, begin = self.pictures[0][:pictures], self.layer(0, width), perf_counter()
        Readout(layer(some.images), some.truth)
        return perf_counter() - begin
