"""What Lab 3.4 measures: answers of models in real files, and requests that a cache of models serves."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from statistics import mean
from time import perf_counter

from labkit import device as devices
from labkit import effort, stats
from labkit.experiment import Outcome, Unavailable
from labkit.labs.common import Tail
from labkit.measure.probes import weights as probe
from labkit.measure.probes.storage import NoColdReads
from labkit.predict import model_cache
from labkit.serving import model_store as store
from labkit.timing.clock import Timing
from labkit.timing.drift import timed

_COUNTED = 10_000  # requests whose hits are counted, after as many that fill the cache


def answer(way: str, size: int, batch: int, reference_seconds: float, budget: float) -> tuple[Timing, float]:
    """Time an answer; return it and the machine's speed meanwhile.

    Args:
        way: of `experiments.WAYS`.
        size: MiB of weights.
        batch: inputs.
        reference_seconds: of the probe `weights`.
        budget: seconds.

    Raises:
        OSError: the model cannot be written, or not be dropped from memory.
    """
    with probe.folder() as place, devices.threads(1):
        path, least = place / "model.safetensors", place / "reference.safetensors"
        store.write(path, size)
        store.write(least, min(probe.LAYERS))
        if way in probe.COLD:
            probe.settle(place)
        return timed(probe.answering(path, way, batch), probe.answering(least, probe.HELD, 1), reference_seconds,
                     budget)


@dataclass(frozen=True)
class Run:
    """Requests for many models, one after the other.

    Args:
        hits: the share of many requests in %, whose model was held; of these, as many as there was time for are served.
        missed: the share of the served ones in % that had to fetch their model.
        seconds: of each that was served.
    """

    hits: Outcome
    missed: float
    seconds: Sequence[float]

    @property
    def mean(self) -> Outcome:
        """The mean seconds of a request, with its interval."""
        value, count = mean(self.seconds), len(self.seconds)
        around = stats.Z * (sum((s - value) ** 2 for s in self.seconds) / (count - 1) / count) ** 0.5
        return Outcome(value, "s", low=max(value - around, min(self.seconds)), high=value + around)

    def at(self, percent: float) -> Outcome | Unavailable:
        """A percentile of the seconds with its interval, or how many requests it would need."""
        return Tail(self.seconds).at(percent)


class Served:
    """Serves requests for models, in files of the same weights, and keeps each run.

    Args:
        way: in which a missing model is read, `probe.READ_COLD` or `probe.READ_WARM`.
    """

    def __init__(self, way: str):
        self._way = way
        self._run = cache(self._serve)

    def __call__(self, models: int, held: int, skew: float, size: int) -> Run | Unavailable:
        """Return the run of so many models, of which memory holds some, or why there is none.

        Args:
            models: in files of `size` MiB.
            held: that the cache may hold.
            skew: of `model_cache.zipf`.
            size: MiB of a model.
        """
        return self._run(models, held, skew, size)

    def _serve(self, models: int, held: int, skew: float, size: int) -> Run | Unavailable:
        try:
            with probe.folder() as place, devices.threads(1):
                paths = [place / f"{number}.safetensors" for number in range(models)]
                store.write(paths[0], size)
                for path in paths[1:]:
                    shutil.copyfile(paths[0], path)
                if self._way in probe.COLD:
                    probe.settle(place)
                return self._requests(paths, held, skew)
        except NoColdReads as trouble:
            return Unavailable(str(trouble))
        except OSError as trouble:
            return Unavailable(f"The models cannot be written or read: {trouble.strerror or trouble}.")

    def _requests(self, paths: list[Path], held: int, skew: float) -> Run:
        shares, dice = model_cache.zipf(len(paths), skew), random.Random(f"{len(paths)} {held} {skew}")
        budget, draw = held * paths[0].stat().st_size, partial(dice.choices, paths, shares)
        before, asked = draw(k=_COUNTED), draw(k=_COUNTED)
        counted, kept = store.ModelCache(budget, lambda path: []), store.ModelCache(budget, probe.FETCHED[self._way])
        for path in before:
            counted.get(path)
        for path in counted.paths:
            kept.get(path)
        found = [counted.get(path)[1] for path in asked]
        seconds, missed, question = [], 0, probe.inputs(1)
        for path in asked[:effort.pick(quick=400, usual=1500, long=5000)]:
            begin = perf_counter()
            weights, was_there = kept.get(path)
            store.answer(weights, question)
            seconds.append(perf_counter() - begin)
            missed += not was_there
            if self._way in probe.COLD and not was_there:
                probe.forget(path)  # so that it is cold when it is missed again
        share, low, high = (100 * part for part in stats.wilson(sum(found), len(found)))
        return Run(Outcome(share, "%", low=low, high=high), 100 * missed / len(seconds), seconds)
