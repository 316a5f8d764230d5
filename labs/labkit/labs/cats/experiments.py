"""One training step against one inference: the time and the memory of each, predicted and measured."""

from __future__ import annotations

from collections.abc import Callable

from labkit import catalogue
from labkit.experiment import Axis, Experiment, Outcome, Point, Unavailable
from labkit.experiment import ratio as quotient
from labkit.labs.common import FLOOR, banded, measured
from labkit.machine import Machine
from labkit.predict import step as predicted
from labkit.units import quantity

BATCHES = tuple(2**k for k in range(11))
WIDTHS = (4, 8, 16, 32, 64)
THIS = "this machine"
CATALOGUE = {"1 × NVIDIA T4": ("NVIDIA T4", 1), "1 × NVIDIA H100": ("NVIDIA H100 SXM", 1),
             "8 × NVIDIA H100": ("NVIDIA H100 SXM", 8)}


def _axes(*more: Axis) -> list[Axis]:
    return [
        Axis("batch", "Batch size", BATCHES, start=128, unit="pictures", log=True),
        Axis("width", "Width of the network", WIDTHS, start=16, unit="channels", log=True),
        Axis("mode", "What runs", predicted.MODES, start="training step"),
        *more,
    ]


def time(machine: Machine, budget: float = 0.4) -> Experiment:
    """Return the experiment on the time of one step, for a calibrated machine and for some of the catalogue.

    Args:
        machine: this machine.
        budget: seconds to spend on measuring a point.

    Raises:
        ValueError: a machine whose layers have not been measured, such as one of the catalogue.
    """
    calibration = machine.calibration("operators")

    def predict(batch, width, mode, where):
        if where == THIS:
            return banded(predicted.seconds(calibration, mode, width, batch), widening=calibration.widening)
        name, devices = CATALOGUE[where]
        if batch < devices:
            return Unavailable(f"{devices} devices share the batch, so it must hold {devices} pictures or more.")
        sheet = catalogue.machine(name)
        note = f"{FLOOR}, and so does the traffic between the {devices}." if devices > 1 else f"{FLOOR}."
        parts = predicted.floor(sheet.flops, sheet.bandwidth, mode, width, batch // devices)
        return Outcome(sum(parts.values()), "s", parts=parts, note=note)

    def measure(batch, width, mode, where):
        if where != THIS:
            return Unavailable(f"{where} is only predicted here, from its data sheet.")
        too_large = _too_large(machine, mode, width, batch)
        return _measured_time(calibration, mode, width, batch, budget) if too_large is None else too_large

    return Experiment(
        title="One training step against one inference: time",
        quantity="Time",
        unit="s",
        axes=_axes(Axis("where", "Machine", (THIS, *CATALOGUE), start=THIS)),
        predict=predict,
        measure=measure,
        readout="On {where}, one {mode} over {batch} takes {value} in a network {width} wide.",
    )


def memory(machine: Machine) -> Experiment:
    """Return the experiment on the peak memory of one step."""

    def predict(batch, width, mode):
        parts = predicted.memory(mode, width, batch)
        return Outcome(sum(parts.values()), "B", parts=parts)

    def measure(batch, width, mode):
        too_large = _too_large(machine, mode, width, batch)
        return _measured_memory(mode, width, batch) if too_large is None else too_large

    return Experiment(
        title="One training step against one inference: memory",
        quantity="Peak memory",
        unit="B",
        axes=_axes(),
        predict=predict,
        measure=measure,
        readout="One {mode} over {batch} needs {value} at its peak in a network {width} wide.",
    )


def ratio(outcome_of: Callable[..., Outcome | Unavailable], **point) -> Outcome | Unavailable:
    """Return how many times as much a training step takes as an inference at the same point.

    Args:
        outcome_of: an experiment's `predict` or `measure`.
        point: the axes other than `mode`.
    """
    return quotient(*(outcome_of(mode=mode, **point) for mode in ("training step", "inference")))


def validation(machine: Machine) -> list[tuple[Experiment, list[Point]]]:
    """Return the experiments with the points that `labkit validate` measures: whole networks, which no calibration
    runs, at widths and batches between and at those of the single layers.
    """
    points = [{"batch": batch, "width": width, "mode": mode} for width in (8, 16, 32) for batch in (1, 4, 16, 64, 256)
              for mode in predicted.MODES]
    return [(time(machine), [{**point, "where": THIS} for point in points]), (memory(machine), points)]


def _too_large(machine, mode, width, batch) -> Unavailable | None:
    needed = sum(predicted.memory(mode, width, batch).values())
    if needed > machine.memory / 2:
        return Unavailable(f"This point needs {quantity(needed, 'B')}, more than half of the "
                           f"{quantity(machine.memory, 'B')} here: choose a smaller batch or width.")
    return None


def _measured_time(calibration, mode, width, batch, budget) -> Outcome:
    from labkit.measure import step_time

    return measured(*step_time.seconds(mode, width, batch, reference_seconds=calibration.reference_seconds,
                                       budget=budget))


def _measured_memory(mode, width, batch) -> Outcome | Unavailable:
    from labkit.measure import step_time

    peak = step_time.peak_memory(mode, width, batch)
    if peak is None:
        return Unavailable("Apple's GPU keeps no count of its peak memory.")
    return Outcome(peak, "B")
