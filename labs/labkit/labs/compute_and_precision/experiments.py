"""Lab 2.1: the time of a training step by number format and threads, and what the format does to what is learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product

from labkit import catalogue, effort
from labkit.display import TextTable, written
from labkit.experiment import Axis, Comparison, Experiment, Outcome, Point, Unavailable, ratio
from labkit.labs.common import FLOOR, at, banded, measured, most_threads
from labkit.labs.compute_and_precision import training_time
from labkit.machine import Machine
from labkit.predict import precision as predicted
from labkit.predict import step
from labkit.specs.execution import ALL, GPU, ONE
from labkit.specs.number_format import FORMATS
from labkit.units import quantity

DTYPES = tuple(predicted.BYTES)
WIDTHS = (8, 12, 16, 24, 32)
BATCHES = tuple(2**k for k in range(3, 11))
PROCESSOR, OWN_GPU = "this CPU", "this machine's GPU"
CATALOGUE = {"NVIDIA T4": "NVIDIA T4", "NVIDIA A100": "NVIDIA A100 SXM4 80GB", "NVIDIA H100": "NVIDIA H100 SXM",
             "NVIDIA RTX 4090": "NVIDIA RTX 4090"}
PICTURES = 50_000  # of an epoch: those of Lab 1.3
WORK = ("one step", "an epoch of 50,000 pictures")


def time(machine: Machine, budget: float | None = None) -> Experiment:
    """Return the experiment on the time of a training step, or of an epoch of steps.

    Args:
        machine: this machine.
        budget: seconds to spend on measuring a point; by the effort that holds now unless given.

    Raises:
        ValueError: a machine that lacks what its lab's probes find, such as one of the catalogue.
    """
    calibration, most = machine.calibration("precision"), most_threads(machine)
    budget = budget or effort.pick(quick=0.06, usual=0.3, long=1.0)

    def predict(batch, width, dtype, threads, where, work):
        if reason := _refused(calibration, dtype, threads, where, most):
            return Unavailable(reason)
        if where in CATALOGUE:
            return _times(_sheet(where, dtype, width, batch), work, batch)
        if where == OWN_GPU:
            parts = predicted.at(calibration, GPU, dtype, width, batch)
            return _times(banded(parts, widening=calibration.widening), work, batch)
        if threads > most:
            return Unavailable(f"{threads} threads on {most} cores wait for each other, which the model leaves "
                               f"out. Measure {work} in {dtype}: {batch:,} pictures a step, {width} channels wide.")
        parts = predicted.on_threads(calibration, dtype, width, batch, threads, most)
        return _times(banded(parts, widening=calibration.widening), work, batch)

    def measure(batch, width, dtype, threads, where, work):
        if where in CATALOGUE:
            return Unavailable(f"The {where} is only predicted here, from its data sheet.")
        if reason := _refused(calibration, dtype, threads, where, most):
            return Unavailable(reason)
        needed = predicted.BYTES[dtype] / 4 * sum(step.memory("training step", width, batch).values())
        if needed > machine.memory / 2:
            return Unavailable(f"This point needs {quantity(needed, 'B')}, more than half of the "
                               f"{quantity(machine.memory, 'B')} here: choose a smaller batch or width.")
        from labkit.measure.probes import precision

        on = None if where == OWN_GPU else threads
        return _times(measured(*precision.seconds(dtype, width, batch, on, calibration, budget=budget)), work, batch)

    return Experiment(
        title="A training step by number format and threads",
        quantity="Time",
        unit="s",
        axes=[
            Axis("batch", "Batch size", BATCHES, start=128, unit="pictures", log=True),
            Axis("width", "Width of the network", WIDTHS, start=16, unit="channels", log=True),
            Axis("dtype", "Number format", DTYPES, start="fp32"),
            Axis("threads", "Threads of this CPU", _threads(most), start=most, unit="threads"),
            Axis("work", "What is timed", WORK),
            Axis("where", "Machine", (PROCESSOR, OWN_GPU, *CATALOGUE)),
        ],
        predict=predict,
        measure=measure,
        readout="On {where} ({threads}), {work} in {dtype} takes {value}: {batch} in a step, {width} in width.",
    )


def seconds() -> float:
    """Return the seconds for all measurements of a cell, by the effort that holds now."""
    return effort.pick(quick=3.0, usual=15.0, long=45.0)


def epochs(comparison: Comparison, usual: Point) -> dict[str, Outcome | Unavailable]:
    """Return the measured seconds of an epoch by format, from the steps of a comparison at a point without format."""
    return {row.point["dtype"]: _times(row.measured, WORK[1], row.point["batch"]) for row in comparison.rows
            if usual.items() <= row.point.items()}


def longer(comparison: Comparison, usual: Point, dtype: str, than: str) -> tuple[Outcome | Unavailable, ...]:
    """Return how many times as long a step takes in a format as in another, predicted and measured."""
    rows = [at(comparison, **usual, dtype=name) for name in (dtype, than)]
    if None in rows:
        return (Unavailable(f"This CPU does not train in {dtype} or {than}."),) * 2
    return ratio(rows[0].predicted, rows[1].predicted), ratio(rows[0].measured, rows[1].measured)


def _threads(most: int) -> list[int]:
    return sorted({*(2**k for k in range(most.bit_length())), most, 2 * most})


def _refused(calibration, dtype, threads, where, most) -> str:
    """Return why a format cannot be timed somewhere, or nothing."""
    if where in CATALOGUE:
        return ""
    places = (GPU,) if where == OWN_GPU else (ONE, ALL) if threads > 1 and most > 1 else (ONE,)
    return next(filter(None, (calibration.reason(place, dtype, "optimiser") for place in places)), "")


def _sheet(where, dtype, width, batch) -> Outcome | Unavailable:
    sheet = catalogue.machine(CATALOGUE[where])
    if dtype not in sheet.formats:
        return Unavailable(f"The catalogue has no rate of the {where} in {dtype}: it lacks the format, or its sources "
                           "are silent.")
    parts = step.floor(sheet.formats[dtype], sheet.bandwidth, "training step", width, batch, predicted.BYTES[dtype])
    return Outcome(sum(parts.values()), "s", parts=parts, note=f"{FLOOR}.")


def _times(outcome, work, batch) -> Outcome | Unavailable:
    """Return an outcome of one step for as many steps as the work has."""
    steps = 1 if work == WORK[0] else -(-PICTURES // batch)
    if not outcome or steps == 1:
        return outcome
    note = f"{outcome.note} {steps:,} steps; fetching the pictures comes on top.".strip()
    return Outcome(steps * outcome.value, outcome.unit, low=steps * outcome.low, high=steps * outcome.high,
                   parts={name: steps * part for name, part in outcome.parts.items()}, note=note,
                   speed=outcome.speed)


def formats(machine: Machine) -> dict[str, str]:
    """Return every format with why this CPU does not train in it, or nothing where it does."""
    calibration, most = machine.calibration("precision"), most_threads(machine)
    return {dtype: _refused(calibration, dtype, most, PROCESSOR, most) for dtype in DTYPES}


def shared(machine: Machine, width: int, batch: int, dtype: str = "fp32") -> float | Unavailable:
    """Return which share of a step on one thread all threads share, by Amdahl's law, or why that cannot be said."""
    calibration, most = machine.calibration("precision"), most_threads(machine)
    if reason := _refused(calibration, dtype, most, PROCESSOR, most):
        return Unavailable(reason)
    if most == 1:
        return Unavailable("There is one core: there is nobody to share with.")
    one, every = (sum(predicted.at(calibration, place, dtype, width, batch).values()) for place in (ONE, ALL))
    return min(max(1 - predicted.serial(one, every, most) / one, 0.0), 1.0)


def speed_ups(outcome_of: Callable[..., Outcome | Unavailable], threads: Sequence[int],
              cases: Mapping[str, Point]) -> dict[str, dict[int, float]]:
    """Return how many times as fast some threads are as one, by case and threads, where that can be said.

    Args:
        outcome_of: the `predict` or the `measure` of `time`.
        threads: how many, 1 among them.
        cases: points without their threads, by what they are called.
    """
    outcomes = {case: {n: outcome_of(**point, threads=n) for n in threads} for case, point in cases.items()}
    return {case: {n: by[1].value / outcome.value for n, outcome in by.items() if outcome and by[1]}
            for case, by in outcomes.items()}


def oversubscribed(measured: Mapping[str, Mapping[int, float]], most: int) -> dict[str, float]:
    """Return how many times as fast twice as many threads as processors are as one each, by case.

    Args:
        measured: what `speed_ups` returned.
        most: processors.
    """
    return {case: by[2 * most] / by[most] for case, by in measured.items() if by.keys() >= {most, 2 * most}}


def threads_table(machine: Machine, cases: Mapping[str, Point],
                  measured: Mapping[str, Mapping[int, float]]) -> TextTable:
    """Return what Amdahl's law says of some cases, and what more threads gained: the arguments are those of before."""
    most, rows = most_threads(machine), []
    over = oversubscribed(measured, most)
    for case, point in cases.items():
        share = shared(machine, point["width"], point["batch"])
        limit = "" if not isinstance(share, float) else f"{1 / (1 - share):.1f} ×" if share < 1 else "any number"
        rows.append((case, f"{100 * share:.0f} %" if isinstance(share, float) else share.reason, limit,
                     f"{measured[case][most]:.2f} ×" if most in measured[case] else "not measured",
                     f"{over[case]:.2f} ×" if case in over else "not measured"))
    return TextTable(("case", "shared", "at most", f"{most} threads over 1", f"{2 * most} over {most}"), rows)


def formats_table() -> TextTable:
    """Return what floating-point formats can tell apart."""
    return TextTable(("format", "bits", "exponent", "fraction", "least", "largest", "step at 1"), [
        (name, str(each.bits), str(each.exponent), str(each.fraction), f"{each.least:.1e}", f"{each.largest:.1e}",
         f"{each.step:.1e}") for name, each in FORMATS.items()])


def formats_here(machine: Machine) -> TextTable:
    """Return in which formats this CPU trains, or why not."""
    return TextTable(("format", "on this CPU"), [(dtype, reason or "trained in here")
                                                       for dtype, reason in formats(machine).items()])


def comparison_points(machine: Machine, usual: Point) -> list[Point]:
    """Return points to compare, none of which was calibrated: every format on one thread and on all, the usual first.

    Args:
        machine: this machine.
        usual: batch, width, work and place of most of them.
    """
    most = most_threads(machine)
    own = [dtype for dtype, reason in formats(machine).items() if not reason]
    points = [dict(usual, dtype=dtype, threads=threads) for threads in sorted({1, most}) for dtype in own]
    points += [dict(usual, dtype=dtype, threads=most, width=24, batch=32) for dtype in own]
    if machine.device != "cpu":
        points += [dict(usual, dtype=dtype, threads=most, where=OWN_GPU) for dtype in DTYPES]
    return points


def predictions(times: Experiment, usual: Point) -> TextTable:
    """Return the predicted seconds of a point in every format."""
    return TextTable(("format", "predicted"), [
        (dtype, written(times.predict(**usual, dtype=dtype))) for dtype in DTYPES])


def day_table(accelerators: int = 1024, model: str = "70 billion", accelerator: str = "H100") -> TextTable:
    """Return the days of a large training by number format, and the bytes of gradients that a step exchanges."""
    run, rows = training_time.run(), []
    parameters, _ = training_time.MODELS[model]
    for dtype in ("fp64", *training_time.FORMATS):
        days = ""
        if dtype in training_time.FORMATS:
            took = run.predict(accelerators=accelerators, model=model, format=dtype, accelerator=accelerator)
            days = f"{took.value:,.0f} ({took.low:,.0f} to {took.high:,.0f})" if took else took.reason
        size = quantity(parameters * predicted.BYTES[dtype], "B") if dtype in ("fp64", "fp32", "bf16") else ""
        rows.append((dtype, days, size))
    return TextTable(("format", f"days on {accelerators:,} {accelerator}", "gradients of a step"), rows)


def validation(machine: Machine) -> list[tuple[Experiment, list[Point]]]:
    """Return the experiment with the points that `labkit validate` measures.

    None was calibrated: the widths lie between the two of the calibration, or else the batches do; and no whole network
    was.
    """
    most, at = most_threads(machine), ((8, 128), (12, 64), (16, 16), (16, 256), (24, 32), (24, 512), (32, 128))
    threads = sorted({1, *([2, most] if most > 1 else [])})
    places = [(PROCESSOR, count, dtype) for count, dtype in product(threads, DTYPES)]
    places += [(OWN_GPU, most, dtype) for dtype in DTYPES]
    calibration = machine.calibration("precision")
    return [(time(machine), [
        {"batch": batch, "width": width, "dtype": dtype, "threads": count, "where": where, "work": WORK[0]}
        for where, count, dtype in places if not _refused(calibration, dtype, count, where, most)
        for width, batch in at])]
