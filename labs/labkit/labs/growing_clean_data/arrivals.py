"""Instalments that arrive one after the other, as shards on the disk, and a gate that may send them back."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from labkit import cache
from labkit import device as devices
from labkit.experiment import Unavailable
from labkit.labs.growing_clean_data import dirt
from labkit.labs.growing_clean_data.measuring import WIDTH, Trainings
from labkit.loading import instalments, validation
from labkit.loading.instalments import Instalment
from labkit.loading.samples import BrokenSample
from labkit.models.datasets import cats
from labkit.models.random_features import Readout
from labkit.progress import report
from labkit.specs.network import SIDE

KNOWN, EACH = 1000, 400  # pictures that are known to be in order, and in each instalment
_SHARE, _CAUSED = 0.2, 0.08  # of an instalment that is dirty; with more cats called cars, the mixture tells
_CERTAIN = 8.0  # by which a score is multiplied before it becomes a probability: a right one is then near 1
_FOLDS = 10  # networks that have each left out a part of the pictures
_ERRORS = 4  # standard errors by which an instalment may be doubted more than usual
IN_ORDER, COATS, UNKNOWN = "in order", "many-coloured cats, labelled rightly", "labels that are no class"
LARGER, MIXTURE, BROKEN = "larger pictures", "five cats for each car", "a member cut off"
# What is delivered, in order, and whether it should be sent back.
DELIVERIES = {IN_ORDER: False, dirt.TWICE: True, COATS: False, LARGER: True, dirt.BLUE: True, MIXTURE: True,
              UNKNOWN: True, dirt.LEAK: True, dirt.ROWS: True, BROKEN: True, dirt.RANDOM: True, dirt.CAUSE: True}


def deliver(folder: Path, trainings: Trainings) -> list[Path]:
    """Write the instalments as shards; return their paths in order."""
    stock, paths = cats.load(len(DELIVERIES) * EACH, seed=27), []
    for place, kind in enumerate(DELIVERIES):
        some = stock[place * EACH:(place + 1) * EACH]
        if kind == COATS:
            some = cats.load(EACH, coats=cats.MANY_COLOURED, seed=28)
        elif kind == MIXTURE:
            some = cats.load(EACH, balance=(5, 1, 1), seed=29)
        elif kind in dirt.KINDS:
            share = {dirt.BLUE: 1.0, dirt.ROWS: 1.0, dirt.CAUSE: _CAUSED}.get(kind, _SHARE)
            some = dirt.spoil(kind, some, share, trainings.tested, place)
        labels = some.labels + 3 * (torch.arange(EACH) % 50 == 0) if kind == UNKNOWN else some.labels
        images = dirt.enlarged(some.images) if kind == LARGER else some.images
        paths.append(instalments.write(folder, f"{place:02}", images, labels.tolist()))
        if kind == BROKEN:
            paths[-1].write_bytes(paths[-1].read_bytes()[:-100_000])
    return paths


class Gate:
    """What stands between an instalment and training.

    Args:
        trainings: whose first pictures are known to be in order; some more of them say what is usual.
    """

    def __init__(self, trainings: Trainings):
        known, self._layer = trainings.pictures[0][:KNOWN], trainings.layer(0, WIDTH)
        pictures, tested = (Instalment(name, some.images.permute(0, 2, 3, 1).numpy(), some.truth.numpy())
                            for name, some in (("known", known), ("test", trainings.tested)))
        self.rules = validation.schema(validation.facts(pictures), validation.facts(tested)["fingerprint"], SIDE,
                                       len(cats.CLASSES))
        self._network = Readout(self._layer(known.images), known.truth)
        others = trainings.pictures[0][KNOWN:KNOWN + EACH]
        self._usual = self._doubted(others.truth.numpy(), self._layer(others.images))

    def problems(self, instalment: Instalment) -> list[str]:
        """Return what the schema finds."""
        return validation.problems(validation.facts(instalment), self.rules)

    def doubts(self, instalment: Instalment) -> tuple[float, float]:
        """Return the share of labels that is doubted by a network that knows good pictures, and by its own.

        Its own has learned from the rest of the same instalment.
        """
        seen, labels = self._layer(instalment.images()), torch.from_numpy(instalment.labels)
        return (self._doubted(instalment.labels, seen),
                float(validation.doubted(instalment.labels, unseen(seen, labels)).mean()))

    def _doubted(self, labels: np.ndarray, seen: torch.Tensor) -> float:
        return float(validation.doubted(labels, probabilities(self._network, seen)).mean())

    def alarming(self, doubted: float, count: int) -> bool:
        """Return whether a share of doubted labels is more than good instalments of `count` pictures have."""
        return doubted - self._usual > _ERRORS * (max(self._usual, 1 / KNOWN) / count) ** 0.5


def probabilities(network: Readout, shown: torch.Tensor) -> np.ndarray:
    """Return how sure a network is of each class, (n, classes), from its scores."""
    return (_CERTAIN * network.scores(shown)).softmax(1).numpy()


def unseen(seen: torch.Tensor, labels: torch.Tensor) -> np.ndarray:
    """Return probabilities (n, classes) for features and their labels, each by a network that learned from the others.
    """
    fold, found = torch.arange(len(labels)) % _FOLDS, np.empty((len(labels), len(cats.CLASSES)))
    for one in range(_FOLDS):
        held = fold == one
        found[held] = probabilities(Readout(seen[~held], labels[~held]), seen[held])
    return found


@dataclass(frozen=True)
class Arrival:
    """What became of one instalment.

    Args:
        kind: of `DELIVERIES`.
        found: by the schema, or why it could not be read.
        doubted: shares of labels, by a network that knows good pictures and by its own; None where nothing can be said.
        back: whether the gate sent it back; None without a gate.
        open, gated: wrong answers in % after it with everything that could be read, and with what the gate let in.
    """

    kind: str
    found: Sequence[str]
    doubted: tuple[float, float] | None
    back: bool | None
    open: float
    gated: float | Unavailable


def arrive(trainings: Trainings) -> list[Arrival] | Unavailable:
    """Let the instalments arrive, and learn anew after each, with and without a gate.

    Without pandera and cleanlab there is no gate. Returns `Unavailable` where no shard can be written.
    """
    lacks = validation.missing()
    try:
        place = cache.folder("instalments")
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place) as folder, devices.threads(1):
            gate = None if lacks else Gate(trainings)
            report(0.2, "Writing instalments")
            paths = deliver(Path(folder), trainings)
            learners = [_Learner(trainings), _Learner(trainings)]
            return [_arrival(kind, path, gate, learners, lacks) for kind, path in
                    zip(DELIVERIES, paths, strict=True)]
    except OSError as trouble:
        return Unavailable(f"The instalments cannot be written: {trouble.strerror or trouble}.")


def _arrival(kind: str, path: Path, gate: Gate | None, learners: list[_Learner], lacks: str) -> Arrival:
    everything, chosen = learners
    try:
        instalment = instalments.read(path)
    except BrokenSample as trouble:
        return Arrival(kind, [str(trouble)], None, True, everything.error(),
                       Unavailable(lacks) if gate is None else chosen.error())
    everything.take(instalment)
    if gate is None:
        return Arrival(kind, [lacks], None, None, everything.error(), Unavailable(lacks))
    found = gate.problems(instalment)
    doubted = None if {"another size", "no class"} & {*found} else gate.doubts(instalment)
    back = bool(found) or gate.alarming(doubted[0], len(instalment))
    if not back:
        chosen.take(instalment)
    return Arrival(kind, found, doubted, back, everything.error(), chosen.error())


def look(folder: Path | str, trainings: Trainings) -> list[str]:
    """Return a sentence for every instalment in a folder, or the one that says why there is none to look at."""
    if lacks := validation.missing():
        return [lacks]
    try:
        paths = instalments.shards(folder)
    except FileNotFoundError as trouble:
        return [str(trouble)]
    gate, said = Gate(trainings), []
    for path in paths:
        try:
            instalment = instalments.read(path)
            found = gate.problems(instalment)
            share = None if found else 100 * gate.doubts(instalment)[0]
            said.append(f"{path.name}: " + ("; ".join(found) if found else f"in order; {share:.0f} % of its labels are "
                                            "doubted."))
        except BrokenSample as trouble:
            said.append(str(trouble))
    return said


class _Learner:
    """A network that learns anew from all that it was given; labels that are no class are left out."""

    def __init__(self, trainings: Trainings):
        known, self._layer = trainings.pictures[0][:KNOWN], trainings.layer(0, WIDTH)
        self._seen, self._labels = [self._layer(known.images)], [known.truth]
        self._shown, self._truth = trainings.shown(0, WIDTH), trainings.tested.truth

    def take(self, instalment: Instalment) -> None:
        labels = torch.from_numpy(instalment.labels)
        classes = labels < len(cats.CLASSES)
        self._seen.append(self._layer(instalment.cut(SIDE))[classes])
        self._labels.append(labels[classes])

    def error(self) -> float:
        return Readout(torch.cat(self._seen), torch.cat(self._labels)).error(self._shown, self._truth)
