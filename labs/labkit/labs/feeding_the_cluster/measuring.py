"""What Lab 2.3 measures: real workers load real files, for an accelerator of pauses or as fast as they can."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter

from labkit import effort
from labkit.experiment import Outcome, Unavailable
from labkit.labs.common import drifted
from labkit.loading import store
from labkit.loading.loader import BATCH, BOTH, Batches, Epoch, LoaderFailed, loading
from labkit.loading.places import Store
from labkit.loading.samples import PICTURES
from labkit.measure.probes.feeding import COLD, data_set, folder, reference
from labkit.measure.probes.storage import NoColdReads, evict
from labkit.processes import HelperFailed
from labkit.session import Session
from labkit.specs.calibration import Calibration
from labkit.specs.link import LinkSpec
from labkit.stats import median
from labkit.timing.drift import speed_of

_EPOCHS = 7  # enough for an interval of the median


def seconds_a_point() -> float:
    """Return the seconds for which a point is measured, by the effort that holds now."""
    return effort.pick(quick=0.4, usual=2.0, long=8.0)


def step(calibration: Calibration, kind: str, layout: str, state: str, workers: int, computing: float,
         parts: Callable[[float], Mapping[str, float]]) -> Outcome | Unavailable:
    """Measure a step that is fed from this machine's storage.

    Args:
        calibration: what the probe `feeding` found.
        kind, layout, state, workers: a point of `experiments.steps`.
        computing: seconds for which the accelerator computes.
        parts: returns the predicted parts of a step at a speed of the machine.
    """
    batches = data_set(kind, layout, BOTH)
    kernel, kernels = reference(), []

    def before() -> None:
        kernels.append(kernel())
        if state == COLD:
            evict(batches.place.path)

    try:
        with loading(batches, workers) as run:
            runs = _repeat(lambda left: run(computing, left), before)
        speed = speed_of(calibration.reference_seconds, median([*kernels, kernel()])[0])
    except (LoaderFailed, NoColdReads, OSError) as trouble:
        return Unavailable(str(trouble))
    value, low, high = median([some.seconds / some.batches for some in runs])
    waiting = value * sum(some.waiting for some in runs) / sum(some.seconds for some in runs)
    usual, now = parts(1.0), parts(speed)
    speeds = {name: usual[name] / now[name] for name in usual if usual[name] and now[name]}
    (computed, waited) = usual
    return Outcome(value, "s", low=low, high=high, parts={computed: value - waiting, waited: waiting},
                   note=drifted(speed), speed=speeds)


def rate(session: Session, kind: str, layout: str, readers: int, spec: LinkSpec) -> Outcome | Unavailable:
    """Measure the samples a second that readers bring from a store; they share a link of some kind."""
    try:
        with session.open():
            link = session.start("store", lambda: store.running(folder()))
            link.set_link(spec)
            with loading(Batches(layout, Store(link.relay_port, f"{kind}/{layout}"), BOTH), readers) as run:
                runs = _repeat(lambda left: run(0.0, left), None)
    except (LoaderFailed, HelperFailed, OSError) as trouble:
        session.drop("store")
        return Unavailable(str(trouble))
    value, low, high = median([BATCH * some.batches / some.seconds for some in runs])
    return Outcome(value, "samples/s", low=low, high=high)


def _repeat(run: Callable[[float], Epoch], before: Callable[[], object] | None) -> list[Epoch]:
    """Read a data set again and again until the time of a point is spent; what is done before each is not counted."""
    runs, left = [], seconds_a_point()
    while not runs or (left > 0 and len(runs) < _EPOCHS):
        if before:
            before()
        begin = perf_counter()
        runs.append(run(max(left, 0.0)))
        left -= perf_counter() - begin
    return runs


def kept(layout: str) -> float | Unavailable:
    """Return the share of the pictures' pages that stay in memory after they were dropped, or why they cannot be."""
    try:
        return evict(data_set(PICTURES, layout, BOTH).place.path)
    except (NoColdReads, OSError) as trouble:
        return Unavailable(str(trouble))
