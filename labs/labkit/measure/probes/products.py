"""How fast the machine multiplies matrices, in each number format that it has.

A matrix product is most of what a neural network does, so its rate is the peak of the roofline.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from labkit import device as devices
from labkit import effort
from labkit.progress import report
from labkit.specs.calibration import Calibration, CostCurve
from labkit.timing import clock
from labkit.timing.drift import DriftCorrected, thinned

SECONDS = 10  # about how long it takes
FORMATS = ("fp64", "fp32", "tf32", "bf16", "fp16", "fp8", "int8")
KEYS = tuple((name,) for name in FORMATS)
SIDES = {"cpu": (16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048),
         "mps": (64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096),
         "cuda": (64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096, 8192)}
LONGEST = 0.1  # seconds (quick: a quarter): a format whose next larger product takes longer is measured no further
_REFERENCE = 128  # side of the fp32 product that tells how fast the machine runs at the moment
_DTYPES = {"fp64": torch.float64, "fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16,
           "fp16": torch.float16, "fp8": torch.float8_e4m3fn, "int8": torch.int8}


def calibrate(device: torch.device) -> Calibration:
    """Time products of square matrices, whose sides grow up to the largest that the format's speed allows.

    Returns:
        `("fp32",)` and so on: seconds of one product; the work is its operations (2 side³). A format that the device or
        the framework lacks is missing, with what it said.
    """
    devices.settle()
    timed = DriftCorrected(sampler("fp32", _REFERENCE, device), seconds=SECONDS)
    curves, missing = {}, {}
    for done, name in enumerate(FORMATS):
        report(done / len(FORMATS), f"Calibrating: matrix products in {name}")
        try:
            curves[name,] = _curve(name, device, timed)
        except (RuntimeError, TypeError, ValueError, NotImplementedError) as refusal:
            missing[name,] = _reason(name, device, refusal)
    return timed.calibration(curves, missing)


def _curve(name, device, timed) -> CostCurve:
    samples, before, taken, longest = {}, 1, 0.0, effort.pick(quick=LONGEST / 4, usual=LONGEST, long=LONGEST)
    for side in thinned(SIDES[device.type]):
        if taken * (side / before) ** 3 > longest:
            break
        sample = samples[2 * side**3] = sampler(name, side, device)
        before, taken = side, sample()
    return timed.curve(samples, samples.get)


def sampler(name: str, side: int, device: torch.device) -> Callable[[], float]:
    """Return a sampler of one product of two matrices of `side` × `side` in a format.

    Raises:
        RuntimeError, TypeError, ValueError, NotImplementedError: the device or the framework lacks the format.
    """
    if name == "tf32" and not devices.has_tf32(device):
        raise ValueError("only NVIDIA's GPUs have it, from the Ampere generation on")
    if name == "fp8" and device.type != "cuda":
        raise ValueError("the framework multiplies in it on some GPUs only")
    run = {"int8": _int8, "fp8": _fp8}.get(name, _floats)(operand(name, side, device), operand(name, side, device))
    sample = clock.fastest(clock.sampler(run, devices.sync(device)))
    return _with_tf32(sample, name == "tf32") if devices.has_tf32(device) else sample


def operand(name: str, side: int, device: torch.device) -> torch.Tensor:
    """Return a random matrix (side, side) in a format: from 0 to 1, or over all whole numbers of 8 bits."""
    numbers = torch.rand(side, side, device=device)
    return (numbers * 256 - 128 if name == "int8" else numbers).to(_DTYPES[name])


def _floats(left, right):
    out = torch.empty_like(left)
    return lambda: torch.mm(left, right, out=out)


def _int8(left, right):
    return lambda: torch._int_mm(left, right)


def _fp8(left, right):
    one, columns = torch.ones((), device=left.device), right.t().contiguous().t()  # the right one in columns
    return lambda: torch._scaled_mm(left, columns, scale_a=one, scale_b=one, out_dtype=torch.bfloat16)


def _with_tf32(sample, on):
    """Run a sample with TF32 on or off."""

    def run():
        with devices.tf32(on):
            return sample()

    return run


def _reason(name, device, refusal) -> str:
    said = str(refusal).strip().splitlines()
    return f"PyTorch cannot multiply {name} matrices on this {'CPU' if device.type == 'cpu' else 'GPU'}" + (
        f" ({said[0][:120]})." if said else ".")
