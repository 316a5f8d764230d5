"""What Lab 3.4's predictions stand on: fetching a model's weights in each way, and an answer with them in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter

import torch

from labkit import cache
from labkit import device as devices
from labkit.measure.probes.storage import NoColdReads, evict
from labkit.progress import report
from labkit.serving import model_store as store
from labkit.specs.calibration import Calibration, Key
from labkit.timing.drift import DriftCorrected, thinned

SECONDS = 22  # about how long it takes
HELD = "held in memory"
MAPPED_WARM, MAPPED_COLD = "mapped, warm", "mapped, cold"
READ_WARM, READ_COLD = "read, warm", "read, cold"
FETCHED = {MAPPED_WARM: store.mapped, MAPPED_COLD: store.mapped, READ_WARM: store.read, READ_COLD: store.read}
COLD = (MAPPED_COLD, READ_COLD)
LAYERS = (1, 4, 16, 32)
AGAIN = (1, 3, 5, 7, 9, 12, 16, 32)  # MiB that are used again: dense where the caches of most processors end
BATCHES = (1, 64)
KEYS = (*(("fetch", way) for way in FETCHED), *((kind, batch) for kind in ("answer", "again") for batch in BATCHES))
_BUDGET = 0.2
_DRIVE = 16 * store.LAYER  # bytes of the read that tells how fast the drive is at the moment: enough to be steady
_OTHERS = 2**26  # bytes: more than the last cache of most processors


def folder() -> AbstractContextManager[Path]:
    """Return a folder for models that goes with its `with` block, which raises `OSError` where it cannot be made."""
    return cache.scratch("models")


def settle(place: Path) -> float:
    """Write out what is in a folder, for what is not on the device yet cannot be dropped from memory, and drop it.

    Returns:
        The share of its pages that stays all the same; raises as `evict` does.
    """
    if hasattr(os, "sync"):
        os.sync()
    return evict(place)


def forget(path: Path) -> None:
    """Drop a file that nobody maps from the page cache; `settle` has seen that this works here."""
    file = os.open(path, os.O_RDONLY)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(file)


def inputs(batch: int) -> torch.Tensor:
    """Return inputs for the models of `labkit.serving.model_store`, the same at each call."""
    return torch.randn(batch, store.SIDE, generator=torch.Generator().manual_seed(1))


def answering(path: Path, way: str, batch: int) -> Callable[[], float]:
    """Return a sampler of the seconds from a request to its answers.

    Args:
        path: the model; cold ways need `settle` before.
        way: `HELD`, or one of `FETCHED`.
        batch: inputs that are answered together.
    """
    asked = inputs(batch)
    if way == HELD:
        held = store.read(path)
        return sampler(path, way, lambda: store.answer(held, asked))
    return sampler(path, way, lambda: store.answer(FETCHED[way](path), asked))


def fetching(path: Path, way: str) -> Callable[[], float]:
    """Return a sampler of the seconds until all of a model's weights are there, in one of the ways of `FETCHED`."""
    return sampler(path, way, lambda: store.touch(FETCHED[way](path)))


def sampler(path: Path, way: str, call: Callable[[], object]) -> Callable[[], float]:
    """Return a sampler of single calls, with other data in the processor's caches before each, as in a service of many
    models; a cold way drops the file at `path` from memory before each too.
    """
    others = torch.ones(_OTHERS // 4)

    def sample() -> float:
        if way in COLD:
            forget(path)
        others.sum()
        begin = perf_counter()
        call()
        return perf_counter() - begin

    sample()
    return sample


def again(weights: store.Weights, batch: int = 1) -> Callable[[], float]:
    """Return a sampler of an answer straight after another, so that what fits the processor's caches is there."""
    asked = inputs(batch)

    def sample() -> float:
        store.answer(weights, asked)
        begin = perf_counter()
        store.answer(weights, asked)
        return perf_counter() - begin

    return sample


def processor(place: Path, calibration: Calibration) -> tuple[Callable[[], float], float]:
    """Return the kernel that tells how fast the processor is at the moment, and what it took when it was calibrated.

    Args:
        place: where its model is written; raises `OSError` where it cannot be.
        calibration: of this probe.
    """
    path = place / "processor.safetensors"
    store.write(path, min(LAYERS))
    return answering(path, HELD, 1), calibration.reference_seconds


def drive(place: Path, calibration: Calibration) -> tuple[Callable[[], float], float]:
    """Return such a kernel of the drive; arguments as of `processor`.

    Raises:
        OSError: the model cannot be written, or not be dropped from memory.
    """
    size, seconds = min(calibration.curve("fetch", READ_COLD), key=lambda point: abs(point[0] - _DRIVE))
    path = place / "drive.safetensors"
    store.write(path, int(size // store.LAYER))
    settle(place)
    return fetching(path, READ_COLD), seconds


def calibrate(device: torch.device) -> Calibration:
    """Time fetching and answering on one thread of the processor, whatever the device.

    Returns:
        `("fetch", way)`: seconds until the weights are in memory; `("answer", batch)`: seconds of an answer whose
        weights are there, and in no cache of the processor; `("again", batch)`: of one whose weights were just used.
        The work of all is bytes of weights. Cold fetching is corrected for the drift of the drive, all else for the
        processor's.
    """
    report(0, "Calibrating: models in files")
    try:
        with folder() as place, devices.threads(1):
            paths = {layers * store.LAYER: place / f"{layers}.safetensors" for layers in thinned(LAYERS)}
            for size, path in paths.items():
                store.write(path, size // store.LAYER)
            return _calibrate(place, paths)
    except OSError as trouble:
        return Calibration.unavailable(KEYS, "The models cannot be written to the cache folder: "
                                             f"{trouble.strerror or trouble}.")


def _calibrate(place: Path, paths: dict[int, Path]) -> Calibration:
    def timed(kernel: Callable[[], float], keys: Iterable[Key]) -> Calibration:
        corrected, curves = DriftCorrected(kernel, budget=_BUDGET, seconds=SECONDS), {}
        for kind, how in keys:
            report(len(curves) / len(KEYS), f"Calibrating: {kind} {how}")
            sizes = (layers * store.LAYER for layers in thinned(AGAIN)) if kind == "again" else paths
            curves[kind, how] = corrected.curve(sizes, partial(_sampler, paths, kind, how))
        return corrected.calibration(curves)

    cold = [("fetch", way) for way in COLD]
    found = timed(answering(paths[min(paths)], HELD, 1), (key for key in KEYS if key not in cold))
    try:
        settle(place)
    except NoColdReads as trouble:
        return replace(found, missing=dict.fromkeys(cold, str(trouble)))
    read = timed(fetching(paths[_DRIVE], READ_COLD), cold)
    return replace(found, curves={**found.curves, **read.curves}, contention=max(found.contention, read.contention))


def _sampler(paths: dict[int, Path], kind: str, how: str | int, size: int) -> Callable[[], float]:
    if kind == "again":
        return again(store.drawn(size // store.LAYER), how)
    return fetching(paths[size], how) if kind == "fetch" else answering(paths[size], HELD, how)
