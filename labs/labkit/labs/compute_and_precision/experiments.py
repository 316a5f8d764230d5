"""Lab 2.1: the time of a training step by number format and threads, and what the format does to what is learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product

from labkit import catalogue
from labkit.experiment import Axis, Experiment, Outcome, Point, Unavailable
from labkit.labs.common import FLOOR, banded, measured, most_threads
from labkit.machine import Machine
from labkit.predict import precision as predicted
from labkit.predict import seeds, step
from labkit.specs.execution import ALL, GPU, ONE
from labkit.units import quantity

FORMS = tuple(predicted.BYTES)
WIDTHS = (8, 12, 16, 24, 32)
BATCHES = tuple(2**k for k in range(3, 11))
PROCESSOR, OWN_GPU = "this processor", "this machine's GPU"
CATALOGUE = {"NVIDIA T4": "NVIDIA T4", "NVIDIA A100": "NVIDIA A100 SXM4 80GB", "NVIDIA H100": "NVIDIA H100 SXM",
             "NVIDIA RTX 4090": "NVIDIA RTX 4090"}
PICTURES = 50_000  # of an epoch: those of Lab 1.3
WORK = ("one step", "an epoch of 50,000 pictures")


def time(machine: Machine, budget: float = 0.4) -> Experiment:
    """Return the experiment on the time of a training step, or of an epoch of steps.

    Args:
        machine: this machine.
        budget: seconds to spend on measuring a point.

    Raises:
        ValueError: a machine that lacks what its lab's probes find, such as one of the catalogue.
    """
    calibration, most = machine.calibration("precision"), most_threads(machine)

    def predict(batch, width, form, threads, where, work):
        if reason := _refused(calibration, form, threads, where, most):
            return Unavailable(reason)
        if where in CATALOGUE:
            return _times(_sheet(where, form, width, batch), work, batch)
        if where == OWN_GPU:
            parts = predicted.at(calibration, GPU, form, width, batch)
            return _times(banded(parts, widening=calibration.widening), work, batch)
        if threads > most:
            return Unavailable(f"{threads} threads on {most} processors wait for each other, which the model leaves "
                               f"out. Measure {work} in {form}: {batch:,} pictures a step, {width} channels wide.")
        parts = predicted.on_threads(calibration, form, width, batch, threads, most)
        return _times(banded(parts, widening=calibration.widening), work, batch)

    def measure(batch, width, form, threads, where, work):
        if where in CATALOGUE:
            return Unavailable(f"The {where} is only predicted here, from its data sheet.")
        if reason := _refused(calibration, form, threads, where, most):
            return Unavailable(reason)
        needed = predicted.BYTES[form] / 4 * sum(step.memory("training step", width, batch).values())
        if needed > machine.memory / 2:
            return Unavailable(f"This point needs {quantity(needed, 'B')}, more than half of the "
                               f"{quantity(machine.memory, 'B')} here: choose a smaller batch or width.")
        from labkit.measure.probes import precision

        on = None if where == OWN_GPU else threads
        return _times(measured(*precision.seconds(form, width, batch, on, calibration, budget=budget)), work, batch)

    return Experiment(
        title="A training step by number format and threads",
        quantity="Time",
        unit="s",
        axes=[
            Axis("batch", "Batch size", BATCHES, start=128, unit="pictures", log=True),
            Axis("width", "Width of the network", WIDTHS, start=16, unit="channels", log=True),
            Axis("form", "Number format", FORMS, start="fp32"),
            Axis("threads", "Threads of this processor", _threads(most), start=most, unit="threads"),
            Axis("work", "What is timed", WORK),
            Axis("where", "Machine", (PROCESSOR, OWN_GPU, *CATALOGUE)),
        ],
        predict=predict,
        measure=measure,
        readout="On {where} ({threads}), {work} in {form} takes {value}: {batch} in a step, {width} in width.",
    )


def _threads(most: int) -> list[int]:
    return sorted({*(2**k for k in range(most.bit_length())), most, 2 * most})


def _refused(calibration, form, threads, where, most) -> str:
    """Return why a format cannot be timed somewhere, or nothing."""
    if where in CATALOGUE:
        return ""
    places = (GPU,) if where == OWN_GPU else (ONE, ALL) if threads > 1 and most > 1 else (ONE,)
    return next(filter(None, (calibration.reason(place, form, "optimiser") for place in places)), "")


def _sheet(where, form, width, batch) -> Outcome | Unavailable:
    sheet = catalogue.machine(CATALOGUE[where])
    if form not in sheet.formats:
        return Unavailable(f"The catalogue has no rate of the {where} in {form}: it lacks the format, or its sources "
                           "are silent.")
    parts = step.floor(sheet.formats[form], sheet.bandwidth, "training step", width, batch, predicted.BYTES[form])
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
    """Return every format with why this processor does not train in it, or nothing where it does."""
    calibration, most = machine.calibration("precision"), most_threads(machine)
    return {form: _refused(calibration, form, most, PROCESSOR, most) for form in FORMS}


def shared(machine: Machine, width: int, batch: int, form: str = "fp32") -> float | Unavailable:
    """Return which share of a step on one thread all threads share, by Amdahl's law, or why that cannot be said."""
    calibration, most = machine.calibration("precision"), most_threads(machine)
    if reason := _refused(calibration, form, most, PROCESSOR, most):
        return Unavailable(reason)
    if most == 1:
        return Unavailable("There is one processor: there is nobody to share with.")
    one, every = (sum(predicted.at(calibration, place, form, width, batch).values()) for place in (ONE, ALL))
    return min(max(1 - predicted.serial(one, every, most) / one, 0.0), 1.0)


def factors(outcome_of: Callable[..., Outcome | Unavailable], threads: Sequence[int],
            cases: Mapping[str, Point]) -> dict[str, dict[int, float]]:
    """Return how many times as fast some threads are as one, by case and threads, where that can be said.

    Args:
        outcome_of: the `predict` or the `measure` of `time`.
        threads: how many, 1 among them.
        cases: points without their threads, by what they are called.
    """
    found = {case: {n: outcome_of(**point, threads=n) for n in threads} for case, point in cases.items()}
    return {case: {n: by[1].value / outcome.value for n, outcome in by.items() if outcome and by[1]}
            for case, by in found.items()}


def table(found: Mapping[str, Outcome], times: Mapping[str, Outcome | Unavailable]) -> str:
    """Return the mean share of right answers of each way, and what an epoch takes in its format, as lines of a table.

    Args:
        found: what `means` returned.
        times: seconds of an epoch by way, for those that the processor computes in itself.
    """
    lines = [f"{'':<20}{'right':>8}{'95 % interval':>18}{'an epoch':>12}"]
    for way, mean in found.items():
        took = times.get(way)
        lines.append(f"{way:<20}{mean.value:>6.1f} %{mean.low:>11.1f} to {mean.high:.1f} %"
                     f"{quantity(took.value, 's') if took else '-':>10}")
    return "\n".join(lines)


def differences(found: Mapping[str, Sequence[float]], beside: str) -> dict[str, Outcome]:
    """Return by how many points each way is more often right than one of them, seed by seed, with its 95 % interval.

    Args:
        found: shares of right answers by way and seed, as `labkit.models.seed_sweep.sweep_seeds` returns them.
        beside: the way that the others are compared with.
    """
    return {way: _points([100 * (a - b) for a, b in zip(shares, found[beside], strict=True)])
            for way, shares in found.items() if way != beside}


def means(found: Mapping[str, Sequence[float]]) -> dict[str, Outcome]:
    """Return the mean share of right answers of each way in %, with its 95 % interval over seeds."""
    return {way: _points([100 * share for share in shares], "%") for way, shares in found.items()}


def _points(values, unit="points") -> Outcome:
    value, low, high = (round(number, 6) + 0.0 for number in seeds.interval(values))  # no -2e-14, and no -0
    return Outcome(value, unit, low=min(low, value), high=max(high, value))


def narrowest(found: Mapping[int, Sequence[float]], full: Sequence[float], lost: float) -> int | None:
    """Return the fewest bits from which on a training loses at most so many points; None where all lose more.

    Args:
        found: shares of right answers by bits, with the same seeds as `full`.
        full: those in fp32.
        lost: points of the mean.
    """
    best = None
    for bits in sorted(found, reverse=True):
        if 100 * (sum(full[:len(found[bits])]) - sum(found[bits])) / len(found[bits]) > lost:
            break
        best = bits
    return best


def validation(machine: Machine) -> list[tuple[Experiment, list[Point]]]:
    """Return the experiment with the points that `labkit validate` measures.

    None was calibrated: the widths lie between the two of the calibration, or else the batches do; and no whole network
    was.
    """
    most, at = most_threads(machine), ((8, 128), (12, 64), (16, 16), (16, 256), (24, 32), (24, 512), (32, 128))
    threads = sorted({1, *([2, most] if most > 1 else [])})
    places = [(PROCESSOR, count, form) for count, form in product(threads, FORMS)]
    places += [(OWN_GPU, most, form) for form in FORMS]
    calibration = machine.calibration("precision")
    return [(time(machine), [
        {"batch": batch, "width": width, "form": form, "threads": count, "where": where, "work": WORK[0]}
        for where, count, form in places if not _refused(calibration, form, count, where, most)
        for width, batch in at])]
