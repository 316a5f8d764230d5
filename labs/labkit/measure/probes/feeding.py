"""What Lab 2.3's predictions stand on: each stage of an input pipeline alone, and a request to a store.

The stages are those of the real loader, with the other one left out: it only fetches, from storage or out of the page
cache, or only prepares samples that are in memory. So what handing batches over costs, and what workers cost each
other, is in the numbers.
"""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import product
from pathlib import Path
from statistics import median
from time import perf_counter

import psutil
import torch

from labkit import cache as caches
from labkit import effort, host
from labkit.loading import formats, store
from labkit.loading.formats import FILES, FORMATS, MAP
from labkit.loading.loader import BATCH, FETCH, PREPARE, Batches, Epoch, LoaderFailed, loading
from labkit.loading.places import Folder, Store
from labkit.loading.samples import KINDS, PICTURES
from labkit.measure.probes.storage import NoColdReads, evict
from labkit.processes import HelperFailed
from labkit.progress import report
from labkit.specs.calibration import Calibration
from labkit.specs.link import LinkSpec
from labkit.timing import clock
from labkit.timing.drift import DriftCorrected

SECONDS = 40  # about how long it takes
COUNT = 1024  # samples of each kind, fewer where drawing them takes long
READERS = 4  # that fetch from storage at once
COLD, WARM = STATES = ("from storage, cold", "from memory, warm")
CODED, RECORDS = FORMS = ("coded", "records")  # how samples come out of a format
HERE = "here"  # prepared in the process that trains, without a worker
HAND = "hand"  # a batch that a worker has ready, handed to the process that trains
LINK = LinkSpec(round_trip=0.01, rate=12.5e6)  # over which requests are timed
SIZES = (1, 2**16, 2**21)  # bytes that are asked for
KEYS = (*((FETCH, kind, layout, state) for kind in KINDS for layout in FORMATS for state in STATES),
        *((stage, kind, form) for stage in (PREPARE, HERE) for kind in KINDS for form in FORMS),
        *((HAND, kind) for kind in KINDS), ("request",))
_BUDGET, _DRAW_S = 0.2, 2.0
_KERNELS = 15  # until the core runs as it does in a loop
_ASKED = 8  # short requests in a sample
_LEAST = 1e-6  # seconds: a difference may come out below nothing
_held: list[tempfile.TemporaryDirectory] = []


def form(layout: str) -> str:
    """Return which of `FORMS` a format holds."""
    return RECORDS if layout == MAP else CODED


@cache
def folder() -> Path:
    """Write the data sets, one folder a kind, and return where they lie; they go when this process ends.

    Raises:
        OSError: no room, or no right to write.
    """
    place = caches.folder("samples")
    place.mkdir(parents=True, exist_ok=True)
    for left in place.glob("set-*-*"):  # by a process that was killed
        if not psutil.pid_exists(int(left.name.split("-")[1])):
            shutil.rmtree(left, ignore_errors=True)
    held = tempfile.TemporaryDirectory(prefix=f"set-{os.getpid()}-", dir=place, ignore_cleanup_errors=True)
    for kind in KINDS:
        formats.write(Path(held.name) / kind, kind, COUNT,
                      seconds=effort.pick(quick=_DRAW_S / 2, usual=_DRAW_S, long=_DRAW_S))
    if hasattr(os, "sync"):
        os.sync()  # what is not on the device yet cannot be dropped from memory
    _held.append(held)
    return Path(held.name)


def data_set(kind: str, layout: str, stages: str) -> Batches:
    """Return a data set of this process as batches, of which some stages run."""
    return Batches(layout, Folder(folder() / kind / layout), stages)


def reference() -> Callable[[], float]:
    """Return a sampler of preparing two pictures here, whose time tells how fast the machine runs."""
    some = data_set(PICTURES, FILES, PREPARE)
    sample = clock.sampler(lambda: some.prepared(some.held[:2]))
    return lambda: median(sample() for _ in range(_KERNELS))


@contextmanager
def sampler(batches: Batches, workers: int, state: str = WARM) -> Iterator[Callable[[], float]]:
    """Yield a function that loads for a moment and returns the seconds a sample.

    Raises:
        LoaderFailed: the workers were refused.
        NoColdReads: the files cannot be dropped from memory.
    """
    with loading(batches, workers) as run:
        def sample() -> float:
            if state == COLD:  # to its end: what a worker still reads cannot be dropped
                evict(batches.place.path)
            some = run(0.0, math.inf if state == COLD else _epoch())
            return some.seconds / (some.batches * BATCH)

        sample()
        yield sample


def calibrate(device: torch.device) -> Calibration:
    """Time the stages on the processor, whatever the device.

    Returns:
        `("fetch", kind, format, state)`: seconds a sample that is fetched; the work is the readers at once, one in this
        process, or workers. `("prepare", kind, form)`: seconds a sample that is prepared and handed over; the work is
        the workers. `("here", kind, form)`: seconds of preparing one sample in this process. `("hand", kind)`: seconds
        for which this process waits for a batch that is ready; the work is the batch. `("request",)`: seconds of a
        request to the store, less what the link takes; the work is the bytes asked for.
    """
    try:
        report(0, "Calibrating: writing the data sets")
        folder()
    except OSError as trouble:
        return Calibration.unavailable(KEYS, "The data sets cannot be written to the cache folder: "
                                             f"{trouble.strerror or trouble}.")
    timed = DriftCorrected(reference(), budget=_BUDGET, seconds=SECONDS)
    curves, missing = {}, {}
    for done, (kind, layout) in enumerate(product(KINDS, FORMATS)):
        report(done / len(KINDS) / len(FORMATS), f"Calibrating: {kind} from {layout}")
        _fetching(timed, kind, layout, curves, missing)
        if layout in (FILES, MAP):
            _preparing(timed, kind, layout, curves, missing)
    try:
        with store.running(folder(), LINK) as link:
            asked = Store(link.relay_port, f"{PICTURES}/{MAP}")
            curves["request",] = [[size, timed(_request(asked, size))] for size in SIZES]
    except (OSError, HelperFailed) as trouble:
        missing["request",] = f"There is no store: {trouble}"
    return timed.calibration(curves, missing)


def _fetching(timed: DriftCorrected, kind: str, layout: str, curves: dict, missing: dict) -> None:
    keys = {state: (FETCH, kind, layout, state) for state in STATES}
    if reason := formats.missing(layout):
        missing.update(dict.fromkeys(keys.values(), reason))
        return
    batches = data_set(kind, layout, FETCH)
    with sampler(batches, 0) as sample:
        curves[keys[WARM]] = [[1, timed(sample)]]
    try:
        with sampler(batches, 0, COLD) as sample:
            curves[keys[COLD]] = [[1, timed(sample)]]
        with sampler(batches, READERS, COLD) as sample:
            curves[keys[COLD]].append([READERS, timed(sample)])
    except (NoColdReads, LoaderFailed) as trouble:
        if keys[COLD] not in curves:  # else one reader has to do
            missing[keys[COLD]] = str(trouble)


def _preparing(timed: DriftCorrected, kind: str, layout: str, curves: dict, missing: dict) -> None:
    batches, what = data_set(kind, layout, PREPARE), (kind, form(layout))
    with sampler(batches, 0) as sample:
        curves[HERE, *what] = [[1, timed(sample)]]
    try:
        curve = []
        for workers in (1, max(2, int(host.cores()))):
            with sampler(batches, workers) as sample:
                curve.append([workers, timed(sample)])
        curves[PREPARE, *what] = curve
        if layout == FILES:
            with loading(batches, 1) as run:
                curves[HAND, kind] = [[BATCH, timed(_handing(run))]]
    except LoaderFailed as trouble:
        missing.update({key: str(trouble) for key in ((PREPARE, *what), (HAND, kind)) if key not in curves})


def _epoch() -> float:
    """Return the seconds for which a warm sample loads."""
    return effort.pick(quick=0.03, usual=0.1, long=0.1)


def _handing(run: Callable[[float, float], Epoch]) -> Callable[[], float]:
    """Return a sampler of the seconds for which a batch is waited for that was ready when it was asked for."""
    busy = run(0.0, _epoch())
    pause = 2 * busy.seconds / busy.batches  # in which a worker prepares one and a spare

    def sample() -> float:
        some = run(pause, _epoch())
        return some.waiting / some.batches

    return sample


def _request(asked: Store, size: int) -> Callable[[], float]:
    name, own = "records.bin", LINK.round_trip + LINK.transfer(size)

    def once() -> float:
        begin = perf_counter()
        asked.span(name, 0, size)
        return max(perf_counter() - begin - own, _LEAST)

    def sample() -> float:
        return median(once() for _ in range(_ASKED if size <= 2**16 else 1))

    return sample
