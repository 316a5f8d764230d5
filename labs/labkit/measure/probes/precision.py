"""What the cat network's layers cost in training, each alone: by number format, on one thread, on all, and on the GPU.

The whole network never runs here. A format that a processor has no instructions for may be so slow that measuring it
would take all the time of a lab: one small layer is tried first.
"""

from __future__ import annotations

from contextlib import ExitStack
from itertools import product

import torch

from labkit import device as devices
from labkit import effort
from labkit.measure import step_time
from labkit.measure.probes import operators
from labkit.measure.probes.latency import all_threads
from labkit.models import autocast
from labkit.progress import report
from labkit.specs.calibration import Calibration
from labkit.specs.execution import ALL, GPU, ONE
from labkit.specs.network import probed_channels
from labkit.timing import clock
from labkit.timing.drift import DriftCorrected, timed

REFERENCE = "reference"
SECONDS = 22  # about how long it takes
PLACES = (ONE, ALL, GPU)
BATCHES = (8, 64, 256)
WIDTHS = (8, 16, 32)  # of the networks whose layers are timed
PARAMETERS = (8_000, 200_000)
TOO_SLOW = 5  # times as long as in fp32; fp64 is timed however slow it is, for every processor has it
CPU = torch.device("cpu")
_BUDGET = 0.05  # seconds for a probe, and as many for the reference kernel beside it
_TRIED = ("conv16", 16, 32, 16, 32)  # the layer that is tried first: kind, in-channels, out-channels, side, batch

_LAYERS = tuple(layer for width in WIDTHS for layer in (
    ("conv32", 3, width, 32), ("conv16", width, 2 * width, 16), ("conv8", 2 * width, 4 * width, 8),
    ("dense", 64 * width, 3, 1)))
_RESTS = (("optimiser",), *((layer[0], probed_channels(*layer[:3])) for layer in _LAYERS))
KEYS = (*((place, dtype, *rest) for place, dtype, rest in product(PLACES, autocast.DTYPES, _RESTS)),
        *((place, REFERENCE) for place in PLACES))


def calibrate(device: torch.device) -> Calibration:
    """Time every layer, forward and backward together.

    Returns:
        Seconds of a layer forward and backward, by place, format, kind and channels as
        `labkit.measure.probes.operators` counts them: `("on all threads", "bf16", "conv16", 8)`; the work is the batch.
        `("on all threads", "bf16", "optimiser")`: seconds of a step; the work is parameters. `("on all threads",
        "reference")`: seconds of 1 reference kernel.
    """
    devices.settle()
    found, missing = [], {}
    for done, place in enumerate(PLACES):
        report(done / len(PLACES), f"Calibrating: training {place}")
        if why := _absent(place, device):
            missing |= {key: why for key in KEYS if key[0] == place}
            continue
        with devices.threads(1 if place == ONE else all_threads()):
            calibration = _at(place, device if place == GPU else CPU)
        found.append(calibration)
        missing |= calibration.missing
    return Calibration(
        curves={name: curve for calibration in found for name, curve in calibration.curves.items()},
        reference_seconds=found[0].reference_seconds,
        drift=max(calibration.drift for calibration in found),
        contention=max(calibration.contention for calibration in found),
        date=found[-1].date,
        missing=missing,
        battery=any(calibration.battery for calibration in found),
    )


def _absent(place, device) -> str:
    if place == ALL and all_threads() == 1:
        return "There is one core: one thread is all."
    return "There is no GPU here that PyTorch can use." if place == GPU and device.type == "cpu" else ""


def _at(place, device) -> Calibration:
    sync, corrected = devices.sync(device), DriftCorrected(operators.reference(device), _BUDGET, SECONDS / 2)
    curves, missing, batches = {}, {}, effort.pick(quick=BATCHES[:2], usual=BATCHES, long=BATCHES)
    for dtype in autocast.DTYPES:
        with autocast.tf32_for(dtype, device):
            if why := refusal(dtype, device):
                missing |= {(place, dtype, *rest): why for rest in _RESTS}
                continue
            for layer in _LAYERS:
                curves[place, dtype, layer[0], probed_channels(*layer[:3])] = corrected.curve(
                    batches, lambda batch, layer=layer, dtype=dtype: clock.sampler(
                        operators.learning(*layer, batch, device, dtype), sync))
            curves[place, dtype, "optimiser"] = [
                [count, corrected(clock.sampler(operators.update(count, device, dtype), sync))] for count in PARAMETERS]
    calibration = corrected.calibration(curves, missing)
    calibration.curves[place, REFERENCE] = [[1, calibration.reference_seconds]]
    return calibration


def refusal(dtype: str, device: torch.device) -> str:
    """Return why a network is not trained in a format on a device, or nothing where it is.

    The number of threads is what it is set to.
    """
    if dtype == "tf32" and not devices.has_tf32(device):
        return "Only NVIDIA's GPUs have tf32, from the Ampere generation on."
    where = "CPU" if device.type == "cpu" else "GPU"
    try:
        usual = _quickest("fp32", device)
        taken = usual if dtype == "fp32" else _quickest(dtype, device)
    except (RuntimeError, TypeError, NotImplementedError) as trouble:
        said = str(trouble).strip().splitlines() or [type(trouble).__name__]
        return f"PyTorch cannot train in {dtype} on this {where} ({said[0][:120]})."
    if dtype != "fp64" and taken > TOO_SLOW * usual:
        return (f"This {where} has no fast instructions for {dtype}: a layer took {taken / usual:.0f} times as long as "
                f"in fp32, and more than {TOO_SLOW} times is left out.")
    return ""


def _quickest(dtype, device) -> float:
    sample = clock.sampler(operators.learning(*_TRIED, device, dtype), devices.sync(device))
    return min(sample() for _ in range(2))


def seconds(dtype: str, width: int, batch: int, threads: int | None, calibration: Calibration, *,
            budget: float = 0.4) -> tuple[clock.Timing, float]:
    """Time one training step in turn with the reference kernel; the result is that of `labkit.timing.drift.timed`.

    Args:
        dtype: a format of `labkit.models.autocast.DTYPES`.
        width: channels after the first convolution.
        batch: pictures in the step.
        threads: of the processor; None for the GPU.
        calibration: what `calibrate` found.
        budget: seconds to spend.

    Raises:
        ValueError: a format, or a number of threads, that there is not.
    """
    devices.settle()
    device = devices.best() if threads is None else CPU
    place = GPU if threads is None else ALL if threads == all_threads() > 1 else ONE
    sync = devices.sync(device)
    with ExitStack() as stack:
        stack.enter_context(devices.threads(all_threads() if threads is None else threads))
        stack.enter_context(autocast.tf32_for(dtype, device))
        call = clock.sampler(step_time.training_step(width, batch, device, dtype), sync)
        if place == ONE:  # the speed of one thread, whatever the step runs on
            with devices.threads(1):
                beside = operators.reference(device)
            return timed(_on(threads, call), _on(1, beside), calibration.curve(ONE, REFERENCE)[0][1], budget)
        return timed(call, operators.reference(device), calibration.curve(place, REFERENCE)[0][1], budget)


def _on(threads, sample):
    def run():
        with devices.threads(threads):
            return sample()

    return run
