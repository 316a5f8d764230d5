"""Lab 3.4: an answer by where its weights lie, and requests for more models than memory holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from labkit import effort
from labkit.experiment import Axis, Experiment, Outcome, Point, Unavailable
from labkit.labs.common import banded, measured
from labkit.labs.memory_and_io import measuring
from labkit.labs.memory_and_io.measuring import ANSWERING, FETCHING
from labkit.machine import Machine
from labkit.measure.probes.weights import BATCHES, FETCHED, HELD, READ_COLD, READ_WARM
from labkit.predict import model_cache
from labkit.predict.operators import interpolate
from labkit.serving.model_store import LAYER
from labkit.specs.calibration import Calibration
from labkit.units import quantity

WAYS = (HELD, *FETCHED)
SIZES = (1, 2, 4, 8, 16, 32)  # MiB of weights
MODELS = (12, 25, 50, 100, 400)
SKEWS = (0, 0.6, 0.8, 1.0, 1.2)
SHARES = (5, 10, 25, 50, 75, 100)  # % of the models that memory holds
WRITTEN = 100  # MiB of models that the lab writes, at most
ANSWER = dict(way=HELD, size=8, batch=1)
MANY = dict(models=50, share=25, skew=1.0, size=2)


def state(machine: Machine) -> str:
    """Return how the lab reads a model that is missing: from storage where this machine can, else out of memory."""
    return READ_WARM if machine.calibration("weights").reason("fetch", READ_COLD) else READ_COLD


def answers(machine: Machine, budget: float | None = None) -> Experiment:
    """Return the experiment on the time of an answer, by where its weights lie when it is asked for.

    Args:
        machine: this machine, with what the probe `weights` finds.
        budget: seconds for each point; by the effort that holds now unless given.

    Raises:
        ValueError: a machine that lacks the probe.
    """
    calibration = machine.calibration("weights")
    budget = budget or effort.pick(quick=0.15, usual=0.6, long=2.0)

    def predict(way, size, batch):
        kind = "answer" if way == HELD else "again"  # what was just fetched is in the processor's caches, if it fits
        if reason := calibration.reason("fetch", way) or calibration.reason(kind, batch):
            return Unavailable(reason)
        parts = {ANSWERING: interpolate(calibration.curve(kind, batch), size * LAYER)}
        if way != HELD:
            parts[FETCHING] = interpolate(calibration.curve("fetch", way), size * LAYER)
        share = 100 * parts.get(FETCHING, 0.0) / sum(parts.values())
        note = f"Fetching takes {quantity(float(f'{share:.2g}'), '%')} of it." if share else ""
        return banded(parts, note=note, widening=calibration.widening)

    def measure(way, size, batch):
        if not (expected := predict(way, size, batch)):
            return expected
        try:
            timing, speed = measuring.answer(way, size, batch, calibration, budget)
        except OSError as trouble:
            return Unavailable(f"The model cannot be written or read: {trouble.strerror or trouble}.")
        return replace(measured(timing, speed[ANSWERING]), speed=speed)

    return Experiment(
        title="An answer, by where its weights lie",
        quantity="Time",
        unit="s",
        axes=[
            Axis("way", "Weights", WAYS),
            Axis("size", "Weights of the model", SIZES, start=16, unit="MiB", log=True),
            Axis("batch", "Answered together", BATCHES, unit="inputs", log=True),
        ],
        predict=predict,
        measure=measure,
        readout="{size} of weights, {way}, for {batch}: an answer takes {value}.",
    )


@dataclass(frozen=True)
class Requests:
    """Requests for many models, of which memory holds a share; the least recently used one makes room.

    Args:
        hits: the experiment on the share that finds its model held.
        mean: the experiment on the mean time.
        run: returns what was measured at a point of the two, which are measured in one run.
    """

    hits: Experiment
    mean: Experiment
    run: Callable[..., measuring.Run | Unavailable]


def requests(machine: Machine) -> Requests:
    """Return the experiments on requests for many models; raises `ValueError` for a machine that lacks the probe."""
    calibration = machine.calibration("weights")
    serve = measuring.Served(state(machine), calibration)

    def hits(models, share, skew, size):
        return Outcome(100 * model_cache.hits(model_cache.zipf(models, skew), held(models, share)), "%")

    def mean(models, share, skew, size):
        if isinstance(seconds := times(calibration, state(machine), size), Unavailable):
            return seconds
        missing = 1 - hits(models, share, skew, size).value / 100
        note = f"{quantity(float(f'{100 * missing:.2g}'), '%')} of the requests fetch their model."
        held_s, fetched_s, fetch_s = seconds
        parts = {ANSWERING: (1 - missing) * held_s + missing * fetched_s, FETCHING: missing * fetch_s}
        return banded(parts, note=note, widening=calibration.widening)

    def run(models, share, skew, size):
        if (needed := models * size) > WRITTEN:
            return Unavailable(f"{models} models of {size} MiB take {needed} MiB of disk, and this lab writes "
                               f"{WRITTEN} MiB at most.")
        if isinstance(seconds := times(calibration, state(machine), size), Unavailable):
            return seconds
        return serve(models, held(models, share), skew, size)

    def measure(part: str):
        return lambda **point: getattr(found, part) if (found := run(**point)) else found

    axes = [
        Axis("models", "Models", MODELS, start=50, unit="models", log=True),
        Axis("share", "Of them in memory", SHARES, start=25, unit="%"),
        Axis("skew", "Skew of the requests (Zipf)", SKEWS, start=1.0),
        Axis("size", "Weights of a model", SIZES, start=2, unit="MiB", log=True),
    ]
    return Requests(Experiment(
        title="Requests that find their model in memory", quantity="Found in memory", unit="%", axes=axes,
        predict=hits, measure=measure("hits"),
        readout="{models} of {size}, {share} of them in memory, asked for with a skew of {skew}: {value} of the "
                "requests find theirs there.",
    ), Experiment(
        title="A request, with a call back to storage now and then", quantity="Mean time", unit="s", axes=axes,
        predict=mean, measure=measure("mean"),
        readout="{models} of {size}, {share} of them in memory, asked for with a skew of {skew}: a request takes "
                "{value} in the mean.",
    ), run)


def slow(machine: Machine, percent: float, models: int, share: float, skew: float, size: int) -> Outcome | Unavailable:
    """Return the predicted seconds that so many per cent of the requests of a point do not exceed."""
    if isinstance(seconds := times(machine.calibration("weights"), state(machine), size), Unavailable):
        return seconds
    missing = 1 - model_cache.hits(model_cache.zipf(models, skew), held(models, share))
    held_s, fetched_s, fetch_s = seconds
    return Outcome(model_cache.percentile(percent, held_s, fetched_s + fetch_s, missing), "s")


def held(models: int, share: float) -> int:
    """Return how many models a share in % is: one at least."""
    return max(1, round(models * share / 100))


def times(calibration: Calibration, way: str, size: float) -> tuple[float, float, float] | Unavailable:
    """Return the seconds of an answer with its weights in memory and just fetched, and of fetching, for one input."""
    keys = ("answer", 1), ("again", 1), ("fetch", way)
    if reason := next(filter(None, (calibration.reason(*key) for key in keys)), ""):
        return Unavailable(reason)
    return tuple(interpolate(calibration.curve(*key), size * LAYER) for key in keys)


def answer_points() -> list[Point]:
    """Return the points of the lab: every way, for one input and for many, at a size that was not calibrated."""
    return [dict(ANSWER, way=way, batch=batch) for batch in BATCHES for way in WAYS]


def request_points() -> list[Point]:
    """Return the points of the lab: less and more memory, and requests that all models share alike."""
    return [MANY, *({**MANY, **change} for change in (dict(share=10), dict(share=50), dict(share=75), dict(share=100),
                                                      dict(skew=0)))]


def validation(machine: Machine) -> list[tuple[Experiment, list[Point]]]:
    """Return the experiments with the points that `labkit validate` measures: none of them was calibrated."""
    asked = requests(machine)
    several = [dict(models=models, share=share, skew=skew, size=size) for models, size in ((50, 2), (12, 8))
               for share in (25, 50) for skew in (0, 0.8, 1.2)]
    return [(answers(machine), [dict(way=way, size=size, batch=batch) for way in WAYS for size in (2, 8)
                                for batch in BATCHES]), (asked.hits, several), (asked.mean, several)]
