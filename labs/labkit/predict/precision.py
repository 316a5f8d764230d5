"""Time of a training step of the cat network in a number format, on any number of threads.

On one thread and on all of them the step is the sum of its layers' own times, in that format. Between, what threads
share shrinks with their number and the rest does not (Amdahl 1967, doi:10.1145/1465482.1465560).
"""

from __future__ import annotations

from labkit.predict.operators import interpolate
from labkit.predict.step import layer_by_layer
from labkit.specs import network
from labkit.specs.calibration import Calibration
from labkit.specs.execution import ALL, ONE

BYTES = {"fp64": 8, "fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2}  # of a number that a layer reads or writes


def at(calibration: Calibration, place: str, dtype: str, width: int, batch: int) -> dict[str, float]:
    """Return the parts of a training step's time in seconds at a place: `ONE`, `ALL` or `GPU`.

    Args:
        calibration: what `labkit.measure.probes.precision` found.
        place: where it runs.
        dtype: the number format.
        width: channels after the first convolution.
        batch: pictures in the step.

    Raises:
        ValueError: the format could not be measured there; the message says why.
    """
    update = interpolate(calibration.curve(place, dtype, "optimiser"), network.parameters(network.cats(width)))
    return {"layers": layer_by_layer(calibration, (place, dtype), width, batch), "optimiser": update}


def on_threads(calibration: Calibration, dtype: str, width: int, batch: int, threads: int,
               most: int) -> dict[str, float]:
    """Return the parts of a training step's time in seconds on the processor; the rest is as in `at`.

    Args:
        threads, most: how many threads work, and how many `ALL` were.

    Raises:
        ValueError: more threads than all, or fewer than one.
    """
    if not 1 <= threads <= most:
        raise ValueError(f"There are from 1 to {most} threads here, not {threads}.")
    one = at(calibration, ONE, dtype, width, batch)
    if threads == 1:
        return one
    every = at(calibration, ALL, dtype, width, batch)
    return {part: amdahl(one[part], serial(one[part], every[part], most), threads) for part in one}


def serial(one: float, every: float, most: int) -> float:
    """Return the seconds that more threads do not shorten.

    Args:
        one, every: seconds on one thread, and on `most`.

    Raises:
        ValueError: fewer than two threads.
    """
    if most < 2:
        raise ValueError(f"What threads share shows with two threads or more, not with {most}.")
    return (most * every - one) / (most - 1)


def amdahl(one: float, alone: float, threads: int) -> float:
    """Return the seconds on some threads of what takes `one` on one thread, `alone` of which no other can help with."""
    return alone + (one - alone) / threads
