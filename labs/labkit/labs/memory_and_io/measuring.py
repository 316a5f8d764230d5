"""What Lab 3.4 measures: answers of models in real files, and requests that a cache of models serves."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from statistics import mean, median
from time import perf_counter

from labkit import device as devices
from labkit import effort, stats
from labkit.experiment import Outcome, Unavailable
from labkit.labs.common import Tail
from labkit.measure.probes import weights as probe
from labkit.measure.probes.storage import NoColdReads
from labkit.predict import model_cache
from labkit.serving import model_store as store
from labkit.specs.calibration import Calibration
from labkit.timing.clock import Timing
from labkit.timing.drift import speed_of, timed_by_part

References = Mapping[str, tuple[Callable[[], float], float]]  # as of `timed_by_part`

ANSWERING, FETCHING = "answering", "fetching the weights"
_LOOKS = 5  # at how fast the processor and the drive are, before the requests and again after them
_COUNTED = 10_000  # requests whose hits are counted, after as many that fill the cache


def answer(way: str, size: int, batch: int, calibration: Calibration, budget: float) -> tuple[Timing, dict[str, float]]:
    """Time an answer; return it, and the speed meanwhile by part: what is read out of memory keeps no known one.

    Args:
        way: of `experiments.WAYS`.
        size: MiB of weights.
        batch: inputs.
        calibration: of the probe `weights`.
        budget: seconds.

    Raises:
        OSError: the model cannot be written, or not be dropped from memory.
    """
    with probe.folder() as place, devices.threads(1):
        path = place / "model.safetensors"
        store.write(path, size)
        return timed_by_part(probe.answering(path, way, batch), _references(place, way, calibration), budget)


def _references(place: Path, way: str, calibration: Calibration) -> References:
    """Return what tells the speed of each part that keeps one, and settle the files for a way that is cold."""
    references = {ANSWERING: probe.processor(place, calibration)}
    if way in probe.COLD:
        references[FETCHING] = probe.drive(place, calibration)
    return references


@dataclass(frozen=True)
class Run:
    """Requests for many models, one after the other.

    Args:
        hits: the share of many requests in %, whose model was held; of these, as many as there was time for are served.
        missed: the share of the served ones in % that had to fetch their model.
        seconds: of each that was served.
        speed: meanwhile, by part, as fractions of the calibrated ones.
    """

    hits: Outcome
    missed: float
    seconds: Sequence[float]
    speed: Mapping[str, float]

    @property
    def mean(self) -> Outcome:
        """The mean seconds of a request, with its interval."""
        value, count = mean(self.seconds), len(self.seconds)
        around = stats.Z * (sum((s - value) ** 2 for s in self.seconds) / (count - 1) / count) ** 0.5
        return Outcome(value, "s", low=max(value - around, min(self.seconds)), high=value + around,
                       speed=self.speed)

    def at(self, percent: float) -> Outcome | Unavailable:
        """A percentile of the seconds with its interval, or how many requests it would need."""
        return Tail(self.seconds).at(percent)


class Served:
    """Serves requests for models, in files of the same weights, and keeps each run.

    Args:
        way: in which a missing model is read, `probe.READ_COLD` or `probe.READ_WARM`.
        calibration: of the probe `weights`.
    """

    def __init__(self, way: str, calibration: Calibration):
        self._way, self._calibration = way, calibration
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
                return self._requests(paths, held, skew, _references(place, self._way, self._calibration))
        except NoColdReads as trouble:
            return Unavailable(str(trouble))
        except OSError as trouble:
            return Unavailable(f"The models cannot be written or read: {trouble.strerror or trouble}.")

    def _requests(self, paths: list[Path], held: int, skew: float, references: References) -> Run:
        shares, dice = model_cache.zipf(len(paths), skew), random.Random(f"{len(paths)} {held} {skew}")
        budget, draw = held * paths[0].stat().st_size, partial(dice.choices, paths, shares)
        before, asked = draw(k=_COUNTED), draw(k=_COUNTED)
        counted, kept = store.ModelCache(budget, lambda path: []), store.ModelCache(budget, probe.FETCHED[self._way])
        for path in before:
            counted.get(path)
        for path in counted.paths:
            kept.get(path)
        found = [counted.get(path)[1] for path in asked]
        seconds, missed, question, looks = [], 0, probe.inputs(1), {part: [] for part in references}

        def look() -> None:
            for part, (kernel, _) in references.items():
                looks[part] += (kernel() for _ in range(_LOOKS))

        look()
        for path in asked[:effort.pick(quick=400, usual=1500, long=5000)]:
            begin = perf_counter()
            weights, was_there = kept.get(path)
            store.answer(weights, question)
            seconds.append(perf_counter() - begin)
            missed += not was_there
            if self._way in probe.COLD and not was_there:
                probe.forget(path)  # so that it is cold when it is missed again
        look()
        speed = {part: speed_of(calibrated, median(looks[part])) for part, (_, calibrated) in references.items()}
        share, low, high = (100 * part for part in stats.wilson(sum(found), len(found)))
        return Run(Outcome(share, "%", low=low, high=high), 100 * missed / len(seconds), seconds, speed)
