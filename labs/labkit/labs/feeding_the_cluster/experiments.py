"""Lab 2.3: batches for an accelerator, from this machine's storage or from a store over a link."""

from __future__ import annotations

from labkit.experiment import Axis, Experiment, Outcome, Point, Unavailable
from labkit.labs.common import banded
from labkit.labs.feeding_the_cluster import measuring
from labkit.loading import formats
from labkit.loading.formats import FILES, FORMATS, MAP, SHARDS
from labkit.loading.loader import BATCH, FETCH, PREPARE
from labkit.loading.samples import KINDS, MIXED, PICTURES
from labkit.machine import Machine
from labkit.measure.probes.feeding import COLD, HAND, HERE, STATES, WARM, form
from labkit.predict import input_pipeline, links
from labkit.predict.operators import interpolate
from labkit.session import Session
from labkit.specs.calibration import Calibration
from labkit.specs.link import LinkSpec, on_the_wire
from labkit.units import quantity

COMPUTING, WAITING = "computing", "waiting for data"
WORKERS, READERS = (0, 1, 2, 4, 8), (1, 2, 4, 8, 16)
EACH = (100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)  # samples/s that an accelerator takes
TRIPS, RATES = (1, 5, 10, 50), (20, 100, 1000)  # ms and Mbit/s of a link
SLOWEST_S = 4.0  # of a round of all workers that is measured
# The points that the lab looks at.
LOCAL = dict(kind=PICTURES, layout=FILES, state=COLD, workers=1, each=10_000)
FAR = dict(kind=PICTURES, layout=FILES, readers=1, trip=10, rate=100)
STEPS = {"loose files, no worker": dict(LOCAL, workers=0, each=2000), "loose files, 1 worker": dict(LOCAL, each=2000),
         "loose files, 2 workers": dict(LOCAL, workers=2, each=2000),
         **{f"{layout}, 2 workers": dict(LOCAL, layout=layout, workers=2) for layout in FORMATS[1:]},
         "mixed shards, 2 workers": dict(LOCAL, kind=MIXED, layout=SHARDS, workers=2),
         "loose files, slow accelerator": dict(LOCAL, workers=2, each=200)}
OVER_LINK = [dict(FAR, kind=kind, layout=layout, readers=readers) for kind, layout, readers in (
    (PICTURES, FILES, 1), (PICTURES, FILES, 8), (PICTURES, SHARDS, 1), (MIXED, FILES, 1), (PICTURES, SHARDS, 4),
    (PICTURES, MAP, 1), (PICTURES, formats.PARQUET, 1), (MIXED, SHARDS, 1))]


def state(machine: Machine) -> str:
    """Return how the lab reads: from storage where this machine can, else from memory."""
    return WARM if machine.calibration("feeding").reason(FETCH, PICTURES, FILES, COLD) else COLD


def step_points(machine: Machine) -> list[Point]:
    """Return the points of `STEPS`, read as `state` says."""
    return [{**point, "state": state(machine)} for point in STEPS.values()]


def steps(machine: Machine) -> Experiment:
    """Return the experiment on the time of one step, fed from this machine's own storage.

    Args:
        machine: this machine, with what the probe `feeding` finds.

    Raises:
        ValueError: a machine that lacks the probe.
    """
    calibration = machine.calibration("feeding")

    def predict(kind, layout, state, workers, each):
        if reason := _lacking(calibration, kind, layout, state, workers):
            return Unavailable(reason)
        binds, parts = fed_step(calibration, kind, layout, state, workers, BATCH / each)
        stall = 100 * parts[WAITING] / sum(parts.values())
        note = f"The accelerator waits for {quantity(float(f'{stall:.2g}'), '%')} of the time: {binds}."
        return banded(parts, note=note, widening=calibration.widening)

    def measure(kind, layout, state, workers, each):
        if not (expected := predict(kind, layout, state, workers, each)):
            return expected
        return measuring.step(calibration, kind, layout, state, workers, BATCH / each, lambda speed: fed_step(
            calibration, kind, layout, state, workers, BATCH / each, speed)[1])

    return Experiment(
        title="A step, fed from this machine's storage",
        quantity="Time of one step",
        unit="s",
        axes=[
            Axis("kind", "A sample is", KINDS),
            Axis("layout", "Kept as", FORMATS),
            Axis("state", "Read", STATES),
            Axis("workers", "Workers", WORKERS, start=2, unit="workers"),
            Axis("each", "The accelerator takes", EACH, start=2000, unit="samples/s", log=True),
        ],
        predict=predict,
        measure=measure,
        readout=f"{{kind}}, kept as {{layout}}, read {{state}} by {{workers}}, for an accelerator that takes {{each}}: "
                f"a step of {BATCH} takes {{value}}, of which {{part:{WAITING}}} are waiting.",
    )


def stalls(machine: Machine) -> Experiment:
    """Return the experiment on the share of its time for which the accelerator waits, at the points of `steps`."""
    step = steps(machine)

    def share(outcome: Outcome | Unavailable) -> Outcome | Unavailable:
        return stall(outcome) if outcome else outcome

    return Experiment(
        title="The share of its time for which an accelerator waits",
        quantity="Stall",
        unit="%",
        axes=step.axes,
        predict=lambda **point: share(step.predict(**point)),
        measure=lambda **point: share(step.measure(**point)),
        readout="{kind}, kept as {layout}, read {state} by {workers}, for an accelerator that takes {each}: it waits "
                "for {value} of the time.",
    )


def stall(outcome: Outcome) -> Outcome:
    """Return the share in % of a step, predicted or measured, for which the accelerator waits."""
    return Outcome(100 * outcome.parts[WAITING] / outcome.value, "%", note=outcome.note)


def over_link(machine: Machine) -> Experiment:
    """Return the experiment on the samples a second that readers bring from a store over one link; as for `steps`."""
    calibration, session = machine.calibration("feeding"), Session()

    def predict(kind, layout, readers, trip, rate):
        reason = _lacking(calibration, kind, layout, WARM, readers) or calibration.reason("request")
        if reason:
            return Unavailable(reason)
        spec = LinkSpec(trip / 1e3, rate * 1e6 / 8)
        binds, seconds = remote(calibration, kind, layout, readers, spec)
        share = quantity(float(f"{100 * wire(layout, kind) / spec.rate / seconds:.2g}"), "%")
        note = f"What binds: {binds}. The link is busy for {share} of the time."
        return banded({"": 1 / seconds}, "samples/s", note, widening=calibration.widening)

    def measure(kind, layout, readers, trip, rate):
        if not (expected := predict(kind, layout, readers, trip, rate)):
            return expected
        if (longest := readers * BATCH / expected.value) > SLOWEST_S:
            return Unavailable(f"A batch of each reader would take about {quantity(longest, 's')}: too long to wait.")
        return measuring.rate(session, kind, layout, readers, LinkSpec(trip / 1e3, rate * 1e6 / 8))

    return Experiment(
        title="Samples from a store over one link",
        quantity="Samples a second",
        unit="samples/s",
        axes=[
            Axis("kind", "A sample is", KINDS),
            Axis("layout", "Kept as", FORMATS),
            Axis("readers", "Readers", READERS, start=1, unit="readers", log=True),
            Axis("trip", "Round trip of the link", TRIPS, start=10, unit="ms", log=True),
            Axis("rate", "Bandwidth of the link", RATES, start=100, unit="Mbit/s", log=True),
        ],
        predict=predict,
        measure=measure,
        readout="{kind}, kept as {layout}, over a link of {trip} and {rate}, by {readers}: {value}.",
        session=session.open,
    )


def fed_step(calibration: Calibration, kind: str, layout: str, state: str, workers: int, computing: float,
             speed: float = 1.0) -> tuple[str, dict[str, float]]:
    """Return what an accelerator waits for, and the parts of a step's seconds.

    Without a worker it waits for all of the loading. Workers load beside it, and it waits for what takes longer than
    its computing, or for the next batch to be handed over.

    Args:
        calibration, kind, layout, state, workers: as for `local`.
        computing: seconds of a step.
        speed: of the machine, 1 when it was calibrated.
    """
    binds, load = local(calibration, kind, layout, state, workers)
    waits = {binds: BATCH * load / speed}
    if workers:
        waits = {binds: waits[binds] - computing, _BINDS["hand"]: calibration.curve(HAND, kind)[0][1] / speed}
    binds = max(waits, key=waits.get)
    return binds, {COMPUTING: computing, WAITING: waits[binds]}


def local(calibration: Calibration, kind: str, layout: str, state: str, workers: int) -> tuple[str, float]:
    """Return what binds a loader on this machine, and the seconds a sample that it takes.

    Without a worker the two stages and the accelerator take turns. What reading costs the processor is known from
    reading out of memory.
    """
    curve, own = calibration.curve(FETCH, kind, layout, state), calibration.curve(FETCH, kind, layout, WARM)[0][1]
    fetch = max(curve[0][1], own)
    if not workers:
        return "it loads by itself", fetch + calibration.curve(HERE, kind, form(layout))[0][1]
    prepare, cores = _preparing(calibration, kind, layout, own, workers)
    if layout in formats.STREAMED:  # the next bytes are on their way while a sample is prepared
        fetch = own + max(fetch - own - prepare, 0.0)
    storage = own / workers if state == WARM else interpolate(curve, min(workers, curve[-1][0]))
    binds, seconds = input_pipeline.loading(workers, fetch, prepare, storage, cores)
    return _BINDS[binds], seconds


def remote(calibration: Calibration, kind: str, layout: str, readers: int, spec: LinkSpec) -> tuple[str, float]:
    """Return what binds readers of a store over a link that they share, and the seconds a sample that they take."""
    count, own = formats.requests(layout, kind), calibration.curve(FETCH, kind, layout, WARM)[0][1]
    asking = count * (spec.round_trip + links.seconds(calibration.curve("request"), formats.size(layout, kind) / count))
    arriving = wire(layout, kind) / spec.rate
    prepare, cores = _preparing(calibration, kind, layout, own, readers)
    if layout in formats.STREAMED:  # one sample is prepared while the next arrives
        fetch, prepare = asking + max(arriving - own - prepare, 0.0), own + prepare
    else:
        fetch = asking + arriving + own
    binds, seconds = input_pipeline.loading(readers, fetch, prepare, arriving, cores)
    return {**_BINDS, "storage": "the link", "workers": "too few readers, who wait for each answer"}[binds], seconds


_BINDS = {"workers": "too few workers", "storage": "storage", "cores": "the cores that prepare",
          "hand": "handing over each batch"}


def wire(layout: str, kind: str) -> float:
    """Return the bytes that a sample keeps the link busy for, headers of the packets included."""
    count = formats.requests(layout, kind)
    return count * on_the_wire(round(formats.size(layout, kind) / count))


def _preparing(calibration: Calibration, kind: str, layout: str, own: float, workers: int) -> tuple[float, float]:
    """Return one worker's seconds of preparing a sample, and the least seconds a sample that the cores need in all."""
    curve = calibration.curve(PREPARE, kind, form(layout))
    alone, together = curve[0][1], interpolate(curve, min(workers, curve[-1][0]))
    return alone, together * (1 + own / alone)


def _lacking(calibration: Calibration, kind: str, layout: str, state: str, workers: int) -> str:
    """Return why something cannot be predicted on this machine, or nothing."""
    stages = [(PREPARE, kind, form(layout)), (HAND, kind)] if workers else [(HERE, kind, form(layout))]
    keys = [(FETCH, kind, layout, WARM), (FETCH, kind, layout, state), *stages]
    return next(filter(None, (calibration.reason(*key) for key in keys)), "")


def validation(machine: Machine) -> list[tuple[Experiment, list[Point]]]:
    """Return the experiments with the points that `labkit validate` measures: none of them was calibrated."""
    points = [dict(kind=kind, layout=layout, state=state, workers=workers, each=50_000)
              for kind in KINDS for layout in FORMATS for state in STATES for workers in (0, 1, 2)]
    waiting = [dict(kind=kind, layout=layout, state=state(machine), workers=workers, each=each)
               for kind, each in ((PICTURES, 10_000), (MIXED, 5000)) for layout in FORMATS for workers in (1, 2)]
    far = [dict(kind=kind, layout=layout, readers=readers, trip=trip, rate=100)
           for kind in KINDS for layout in FORMATS for readers, trip in ((1, 5), (2, 10), (4, 10), (8, 5))]
    return [(steps(machine), points), (stalls(machine), waiting), (over_link(machine), far)]
