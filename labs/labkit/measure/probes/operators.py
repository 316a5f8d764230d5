"""What the layers of the cat network cost on this machine, each alone, in the framework that will run them.

Each probe runs one kind of layer, at a few widths and batch sizes. No probe runs a whole network: composing these
costs into the time of one is the prediction's business.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from labkit import device as devices
from labkit.models import autocast, training
from labkit.progress import report
from labkit.specs.calibration import Calibration
from labkit.specs.network import probed_channels
from labkit.timing import clock
from labkit.timing.drift import DriftCorrected, thinned

SECONDS = 20  # about how long it takes
BATCHES = (1, 2, 8, 32, 128, 512)
LARGEST = 1.5e9  # FLOP in a probe's forward pass: more would take seconds on a small machine

# kind, in-channels, out-channels, side of the picture read: a 3 × 3 convolution with stride 2, or the last layer
_PROBES = [
    *(("conv32", 3, width, 32) for width in (4, 16, 64)),
    *(("conv16", width, 2 * width, 16) for width in (4, 16, 64)),
    *(("conv8", width, 2 * width, 8) for width in (8, 32, 128)),
    *(("dense", features, 3, 1) for features in (256, 1024, 4096)),
]
_PARAMETERS = (1_000, 30_000, 1_000_000)  # numbers that an optimiser step changes

KEYS = (("optimiser",), *((mode, kind, probed_channels(kind, in_channels, out_channels))
                         for mode in ("infer", "train") for kind, in_channels, out_channels, _ in _PROBES))


def calibrate(device: torch.device) -> Calibration:
    """Time every layer, and the optimiser's step.

    Returns:
        `("infer", "conv16", 4)`, an inference of a layer by kind and channels, and `("train", "conv16", 4)`, forward
        and backward together: seconds; the work is the batch. `("optimiser",)`: seconds of a step; the work is
        parameters.
    """
    devices.settle()
    sync = devices.sync(device)
    timed = DriftCorrected(reference(device), seconds=SECONDS)
    curves = {}
    for done, (kind, in_channels, out_channels, side) in enumerate(_PROBES):
        report(done / len(_PROBES), f"Calibrating: {kind}, {in_channels} to {out_channels} channels")
        for mode, call in (("infer", inference), ("train", learning)):
            batches = [b for b in BATCHES if b * 18 * in_channels * out_channels * (side // 2) ** 2 <= LARGEST]
            curves[mode, kind, probed_channels(kind, in_channels, out_channels)] = timed.curve(
                thinned(batches), lambda batch, call=call, layer=(kind, in_channels, out_channels, side): clock.sampler(
                    call(*layer, batch, device), sync))
    curves["optimiser",] = [[count, timed(clock.sampler(update(count, device), sync))] for count in _PARAMETERS]
    return timed.calibration(curves)


def reference(device: torch.device) -> Callable[[], float]:
    """Return a sampler of the small convolution whose time tells how fast the machine runs at the moment."""
    return clock.sampler(inference("conv16", 16, 32, 16, 32, device), devices.sync(device))


def _layer(kind, in_channels, out_channels, device) -> nn.Module:
    if kind == "dense":
        return nn.Linear(in_channels, out_channels, device=device)
    convolution = nn.Sequential(nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1), nn.ReLU(inplace=True))
    return training.to_device(convolution, device)


def _input(kind, in_channels, side, batch, device):
    if kind == "dense":
        return torch.rand(batch, in_channels, device=device)
    return torch.rand(batch, in_channels, side, side, device=device).to(memory_format=devices.layout(device))


def inference(kind: str, in_channels: int, out_channels: int, side: int, batch: int,
              device: torch.device) -> Callable[[], None]:
    """Return a call of one layer of a `kind`, by in-channels, out-channels and the side of its picture (dense: 1)."""
    layer, picture = _layer(kind, in_channels, out_channels, device), _input(kind, in_channels, side, batch, device)

    def run():
        with torch.inference_mode():
            layer(picture)

    return run


def learning(kind: str, in_channels: int, out_channels: int, side: int, batch: int, device: torch.device,
             dtype: str = "fp32") -> Callable[[], None]:
    """Return a call of one layer forward and backward, in a format of `labkit.models.autocast`.

    The last layer also pays for the loss, the first needs no gradient of the picture; the rest is as in `inference`.
    """
    layer = autocast.Autocast(_layer(kind, in_channels, out_channels, device), dtype).network
    picture = _input(kind, in_channels, side, batch, device)
    if kind != "conv32":
        picture = picture.to(autocast.activation_dtype(dtype)).requires_grad_()
    labels = torch.zeros(batch, dtype=torch.int64, device=device)

    def forward():
        with autocast.context(dtype, device):
            return layer(autocast.cast_input(dtype, picture))

    slope = torch.rand_like(forward()).detach()

    def run():
        layer.zero_grad()
        picture.grad = None
        result = forward()
        if kind == "dense":
            nn.functional.cross_entropy(result.to(torch.promote_types(result.dtype, torch.float32)), labels).backward()
        else:
            result.backward(slope)

    return run


def update(count: int, device: torch.device, dtype: str = "fp32") -> Callable[[], None]:
    """Return a call of one Adam step over `count` numbers in eight tensors, as many as the cat network has.

    In formats that need it the gradients are divided by the loss's scale, and looked at for infinities.
    """
    weight_dtype = torch.float64 if dtype == "fp64" else torch.float32
    weights = nn.ParameterList(torch.rand(count // 8, device=device, dtype=weight_dtype) for _ in range(8))
    for weight in weights:
        weight.grad = torch.rand_like(weight)
    adam, scaler = training.optimiser(weights), autocast.grad_scaler(dtype, device)
    if scaler is None:
        return adam.step
    scaler.scale(torch.zeros((), device=device))

    def run():
        scaler.step(adam)
        scaler.update()

    return run
