"""The tables of Lab 2.3, and the numbers that it states of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from labkit.display import TextTable, written
from labkit.experiment import Comparison, Experiment, Outcome, Unavailable, ratio
from labkit.labs.common import times
from labkit.labs.feeding_the_cluster import experiments as lab
from labkit.labs.feeding_the_cluster.measuring import kept
from labkit.loading import formats
from labkit.loading.formats import FILES, FORMATS, SHARDS
from labkit.loading.loader import BATCH, FETCH, PREPARE
from labkit.loading.samples import PICTURES
from labkit.machine import Machine
from labkit.measure.probes.feeding import CODED, COLD, HERE, RECORDS, STATES, WARM, form
from labkit.predict import input_pipeline
from labkit.units import percent, quantity

RATIOS = {"cold over warm": ((FETCH, PICTURES, FILES, COLD), (FETCH, PICTURES, FILES, WARM)),
          "coded over decoded": ((HERE, PICTURES, CODED), (HERE, PICTURES, RECORDS))}


def stages(machine: Machine, kind: str = PICTURES) -> TextTable:
    """Return the rates of each stage alone, by format, for one reader, one worker in this process, and the bytes."""
    calibration, rows = machine.calibration("feeding"), []
    for layout in FORMATS:
        row = [layout, quantity(formats.size(layout, kind), "B")]
        for state in reversed(STATES):
            row.append(_rate(calibration, FETCH, kind, layout, state))
        rows.append([*row, _rate(calibration, HERE, kind, form(layout))])
    return TextTable([kind, "a sample", "fetched, warm", "fetched, cold", "prepared"], rows)


def _rate(calibration, *key) -> str:
    return calibration.reason(*key) or quantity(1 / calibration.curve(*key)[0][1], "samples/s")


def coldness(machine: Machine) -> TextTable:
    """Return by format how much of the pictures stays in memory once dropped, and the bytes a second of both reads."""
    calibration, rows = machine.calibration("feeding"), []
    for layout in FORMATS:
        if not (reason := formats.missing(layout)):
            left = kept(layout)
            reads = [calibration.reason(FETCH, PICTURES, layout, state) or quantity(formats.size(
                layout, PICTURES) / calibration.curve(FETCH, PICTURES, layout, state)[0][1], "B/s") for state in STATES]
            rows.append([layout, percent(left) if isinstance(left, float) else left.reason, *reads])
        else:
            rows.append([layout, reason, "", ""])
    return TextTable(["format", "still in memory", *STATES], rows)


def over(machine: Machine, name: str) -> float | Unavailable:
    """Return how many times as long the first stage of one of `RATIOS` takes for a sample as the second."""
    calibration = machine.calibration("feeding")
    if reason := next(filter(None, (calibration.reason(*key) for key in RATIOS[name])), ""):
        return Unavailable(reason)
    more, less = (calibration.curve(*key)[0][1] for key in RATIOS[name])
    return more / less


def shards_on_disk(machine: Machine) -> Outcome | Unavailable:
    """Return how many times as fast one process fetches and prepares a picture from a shard as from a loose file."""
    steps, point = lab.steps(machine), {**lab.LOCAL, "state": lab.state(machine), "workers": 0}
    files, shards = (steps.predict(**{**point, "layout": layout}) for layout in (FILES, SHARDS))
    if not (files and shards):
        return shards if files else files
    return Outcome(files.parts[lab.WAITING] / shards.parts[lab.WAITING], "times")


def three_stages(machine: Machine, workers: int = 2, each: float = 10_000) -> TextTable:
    """Return for each format what the slowest stage alone would allow, and what so many workers are predicted to do."""
    calibration, rows = machine.calibration("feeding"), []
    for layout in FORMATS:
        keys = ((FETCH, PICTURES, layout, lab.state(machine)), (PREPARE, PICTURES, form(layout)))
        if reason := next(filter(None, (calibration.reason(*key) for key in keys)), ""):
            rows.append([layout, reason, "", ""])
            continue
        fetch, prepare = (1 / calibration.curve(*key)[-1][1] for key in keys)
        name, fastest = input_pipeline.bottleneck({"fetching": fetch, "preparing": prepare, "computing": each})
        binds, parts = lab.fed_step(calibration, PICTURES, layout, lab.state(machine), workers, BATCH / each)
        rows.append([layout, name, quantity(fastest, "samples/s"),
                     f"{quantity(BATCH / sum(parts.values()), 'samples/s')}: {binds}"])
    return TextTable(["format", "slowest stage", "its rate", f"predicted of {workers} workers, and what binds"], rows)


def predicted(steps: Experiment, points: Sequence[Mapping]) -> TextTable:
    """Return the predicted times of the points of `experiments.STEPS`, and what they say of the accelerator."""
    outcomes = [steps.predict(**point) for point in points]
    return TextTable(["step", "predicted", ""], [[name, written(one), one.note if one else ""]
                                                 for name, one in zip(lab.STEPS, outcomes, strict=True)])


def stall(comparison: Comparison, name: str) -> Outcome | Unavailable:
    """Return the measured stall of one of `experiments.STEPS`, in %."""
    measured = comparison.rows[list(lab.STEPS).index(name)].measured
    return lab.stall(measured) if measured else measured


def stalls(comparison: Comparison) -> TextTable:
    """Return the predicted and the measured stalls of `experiments.STEPS`."""
    rows = []
    for name, row in zip(lab.STEPS, comparison.rows, strict=True):
        halves = (row.carried, row.measured)
        rows.append([name, *(written(lab.stall(half)) if half else half.reason for half in halves)])
    return TextTable(["step", "predicted stall", "measured stall"], rows)


def stall_error(comparison: Comparison) -> float | Unavailable:
    """Return the median error of the predicted stalls, where a tenth of the time or more was measured."""
    pairs = [(lab.stall(row.carried).value, lab.stall(row.measured).value) for row in comparison.rows
             if row.carried and row.measured]
    errors = [abs(model - clock) / clock for model, clock in pairs if clock >= 10]
    return median(errors) if errors else Unavailable("Nothing waited for a tenth of the time, or nothing was measured.")


def without_over_with(comparison: Comparison) -> Outcome | Unavailable:
    """Return how many times as long as with one worker a measured step takes without."""
    names = list(lab.STEPS)
    return ratio(*(comparison.rows[names.index(f"loose files, {how}")].measured for how in ("no worker", "1 worker")))


def gain(comparison: Comparison, more: Mapping, less: Mapping, half: str = "measured") -> Outcome | Unavailable:
    """Return how many times the samples of one point over the link another gets.

    Args:
        comparison: of `experiments.over_link`.
        more, less: what differs from `experiments.FAR`.
        half: `"measured"` or `"predicted"`.
    """
    return times(comparison, {**lab.FAR, **more}, {**lab.FAR, **less}, half)


def over_link(comparison: Comparison) -> TextTable:
    """Return the measured and predicted rates over the link, and the bytes a second that the measured ones are."""
    rows = []
    for row in comparison.rows:
        point = row.point
        load = 8 * lab.wire(point["layout"], point["kind"]) * row.measured.value / 1e6 if row.measured else None
        rows.append([point["kind"], point["layout"], quantity(point["readers"], "readers"), written(row.measured),
                     written(row.predicted), f"{load:.1f} Mbit/s" if load else ""])
    return TextTable(["a sample", "kept as", "by", "measured", "predicted", "on the link"], rows)


def told(steps: Comparison, far: Comparison) -> dict[str, str]:
    """Return what the page on T5 shows of this run, by the key under which it finds it."""
    names = {"stall-alone": "loose files, no worker", "stall-fed": "loose files, 2 workers",
             "stall-shards": "tar shards, 2 workers", "stall-slow": "loose files, slow accelerator"}
    more = gain(far, dict(layout=SHARDS), {})
    return {**{key: written(stall(steps, name)) for key, name in names.items()},
            "shards-gain": f"{more.value:.0f} times" if more else more.reason}
