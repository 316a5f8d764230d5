"""One training step against one inference: the time and the memory of each, predicted and measured."""

from __future__ import annotations

from collections.abc import Callable

from labkit.experiment import Axis, Experiment, Outcome, Unavailable
from labkit.machine import Machine, named
from labkit.predict import step as predicted
from labkit.units import quantity

BATCHES = tuple(2**k for k in range(11))
WIDTHS = (4, 8, 16, 32, 64)
THIS = "this machine"
CATALOGUE = {"1 × NVIDIA T4": ("NVIDIA T4", 1), "1 × NVIDIA H100": ("NVIDIA H100 SXM5 80GB", 1),
             "8 × NVIDIA H100": ("NVIDIA H100 SXM5 80GB", 8)}
BAND = 0.25  # nine predictions in ten are within it: data/measured/cats-step.csv, held by a test
FLOOR = "By the datasheet alone: starting the operations, which rules small batches, comes on top"


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
        ValueError: a machine of the catalogue, which is known by its datasheet alone.
    """
    if not machine.calibrated:
        raise ValueError(f"The time of a step is predicted from a calibration, which {machine.name} lacks: "
                         "use labkit.machine.this(). The catalogue's machines are on the slider.")

    def predict(batch, width, mode, where):
        if where == THIS:
            return _calibrated(predicted.seconds(machine.operators, mode, width, batch))
        name, devices = CATALOGUE[where]
        if batch < devices:
            return Unavailable(f"{devices} devices share the batch, so it must hold {devices} pictures or more.")
        sheet = named(name)
        note = f"{FLOOR}, and so does the traffic between the {devices}." if devices > 1 else f"{FLOOR}."
        parts = predicted.floor(sheet.flops, sheet.bandwidth, mode, width, batch // devices)
        return Outcome(sum(parts.values()), "s", parts=parts, note=note)

    def measure(batch, width, mode, where):
        if where != THIS:
            return Unavailable(f"This is not {where}: it can only be predicted here.")
        too_large = _too_large(machine, mode, width, batch)
        return _measured_time(machine, mode, width, batch, budget) if too_large is None else too_large

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
    more, less = (outcome_of(mode=mode, **point) for mode in ("training step", "inference"))
    if not (more and less):
        return less if more else more
    return Outcome(more.value / less.value, "times", low=more.low / less.high, high=more.high / less.low)


def _calibrated(parts) -> Outcome:
    value = sum(parts.values())
    return Outcome(value, "s", low=value / (1 + BAND), high=value / (1 - BAND), parts=parts)


def _too_large(machine, mode, width, batch) -> Unavailable | None:
    needed = sum(predicted.memory(mode, width, batch).values())
    if needed > machine.memory / 2:
        return Unavailable(f"This point needs {quantity(needed, 'B')}, more than half of the "
                           f"{quantity(machine.memory, 'B')} here: choose a smaller batch or width.")
    return None


def _measured_time(machine, mode, width, batch, budget) -> Outcome:
    from labkit.measure import step

    timing, speed = step.seconds(mode, width, batch, pace=machine.operators["pace"], budget=budget)
    clock = quantity(timing.median / speed, "s")
    drift = f"The clock showed {clock}; the time is at the calibrated pace, of which the machine kept {speed:.2f}."
    notes = [timing.note, drift if abs(speed - 1) > 0.1 else ""]
    return Outcome(timing.median, "s", low=timing.low, high=timing.high, note=" ".join(filter(None, notes)))


def _measured_memory(mode, width, batch) -> Outcome | Unavailable:
    from labkit.measure import step

    peak = step.peak_memory(mode, width, batch)
    if peak is None:
        return Unavailable("Apple's GPU keeps no count of its peak memory.")
    return Outcome(peak, "B")
