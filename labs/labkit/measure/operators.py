"""What single operations cost on this machine, in the framework that will run them.

Each probe runs one kind of layer alone, at a few widths and batch sizes. No probe runs a whole network: composing
these costs into the time of one is the prediction's business.

A processor's speed wanders: its clock changes, and in a cloud a neighbour may share the core. So every probe runs
in turn with a *pacemaker*, one small convolution that never changes, and its time is given at the pace that the
machine kept in the median of the calibration.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from statistics import median

import torch
from torch import nn

from labkit import clock
from labkit.measure import device as devices
from labkit.measure import training
from labkit.progress import report

BATCHES = (1, 2, 8, 32, 128, 512)
LARGEST = 1.5e9  # FLOP in a probe's forward pass: more would take seconds on a small machine
_BUDGET = 0.06  # seconds for a probe, and as much for the pacemaker beside it
_RETRIES = 2

# kind, channels read, channels written, side of the picture read: a 3 × 3 convolution with stride 2, or the last layer
_PROBES = [
    *(("conv32", 3, width, 32) for width in (4, 16, 64)),
    *(("conv16", width, 2 * width, 16) for width in (4, 16, 64)),
    *(("conv8", width, 2 * width, 8) for width in (8, 32, 128)),
    *(("dense", features, 3, 1) for features in (256, 1024, 4096)),
]
_PARAMETERS = (1_000, 30_000, 1_000_000)  # numbers that an optimiser step changes


def probe(device: torch.device) -> dict:
    """Time every operation, for inference and for training (forward and backward together).

    Returns:
        `{"infer": {kind: {channels: [[batch, seconds], …]}}, "train": …, "optimiser": [[parameters, seconds], …],
        "pace": seconds of the pacemaker, "contention": share}`; `channels` is the number written for `conv32`,
        which reads a picture, and the number read for every other kind.
    """
    devices.settle_allocator()
    timed = _Paced(device)
    result = {"infer": {}, "train": {}, "optimiser": []}
    for done, (kind, read, written, side) in enumerate(_PROBES):
        report(done / len(_PROBES), f"Calibrating: {kind}, {read} to {written} channels")
        channels = str(written if kind == "conv32" else read)
        for mode, call in (("infer", _inference), ("train", _training)):
            curve = result[mode].setdefault(kind, {}).setdefault(channels, [])
            for batch in BATCHES:
                if batch * 18 * read * written * (side // 2) ** 2 <= LARGEST:
                    curve.append([batch, timed(call(kind, read, written, side, batch, device))])
            for _ in range(_RETRIES):
                for i in _suspects(curve):
                    again = timed(call(kind, read, written, side, curve[i][0], device))
                    curve[i][1] = min(curve[i][1], again)
    result["optimiser"] = [[count, timed(_optimiser(count, device))] for count in _PARAMETERS]
    return timed.at_one_pace(result)


class _Paced:
    """Times calls in turn with the pacemaker; times are in pacemakers until `at_one_pace` turns them into seconds."""

    def __init__(self, device):
        self._pacemaker, self._sync = pacemaker(device), devices.sync(device)
        self._paces, self._shares = [], []

    def __call__(self, call) -> float:
        calls = {"call": call, "pace": self._pacemaker}
        timings = clock.interleave(calls, budget=_BUDGET, sync=self._sync)
        self._paces.append(timings["pace"].median)
        self._shares.append(timings["call"].contention)
        return timings["call"].median / timings["pace"].median

    def at_one_pace(self, result) -> dict:
        pace = median(self._paces)
        scaled = {
            mode: {kind: {channels: _scaled(curve, pace) for channels, curve in curves.items()}
                   for kind, curves in result[mode].items()}
            for mode in ("infer", "train")
        }
        shares = sum(self._shares) / len(self._shares)
        return {**scaled, "optimiser": _scaled(result["optimiser"], pace), "pace": pace, "contention": shares}


def _scaled(curve, pace):
    return [[size, pacemakers * pace] for size, pacemakers in curve]


def _suspects(curve) -> list[int]:
    """Return the points that a disturbance must have slowed.

    A batch cannot take longer than a larger one, nor much longer than its share of the work above a smaller one.
    """
    slower = [i for i, (here, after) in enumerate(pairwise(curve)) if here[1] > 1.05 * after[1]]
    steep = [i + 1 for i, (here, after) in enumerate(pairwise(curve))
             if after[1] / here[1] > 1.5 * after[0] / here[0]]
    return sorted({*slower, *steep})


def pacemaker(device: torch.device) -> Callable[[], None]:
    """Return the call whose time tells how fast the machine runs at the moment."""
    return _inference("conv16", 16, 32, 16, 32, device)


def _layer(kind, read, written, device) -> nn.Module:
    if kind == "dense":
        return nn.Linear(read, written, device=device)
    convolution = nn.Sequential(nn.Conv2d(read, written, 3, stride=2, padding=1), nn.ReLU(inplace=True))
    return training.to_device(convolution, device)


def _input(kind, read, side, batch, device):
    if kind == "dense":
        return torch.rand(batch, read, device=device)
    return torch.rand(batch, read, side, side, device=device).to(memory_format=devices.layout(device))


def _inference(kind, read, written, side, batch, device):
    layer, picture = _layer(kind, read, written, device), _input(kind, read, side, batch, device)

    def run():
        with torch.inference_mode():
            layer(picture)

    return run


def _training(kind, read, written, side, batch, device):
    """Forward and backward; the last layer also pays for the loss, the first needs no gradient of the picture."""
    layer = _layer(kind, read, written, device)
    picture = _input(kind, read, side, batch, device).requires_grad_(kind != "conv32")
    labels = torch.zeros(batch, dtype=torch.int64, device=device)
    slope = torch.rand_like(layer(picture)).detach()

    def run():
        layer.zero_grad()
        picture.grad = None
        result = layer(picture)
        if kind == "dense":
            nn.functional.cross_entropy(result, labels).backward()
        else:
            result.backward(slope)

    return run


def _optimiser(count, device):
    """One Adam step over eight tensors, as many as the cat network has."""
    weights = nn.ParameterList(torch.rand(count // 8, device=device) for _ in range(8))
    for weight in weights:
        weight.grad = torch.rand_like(weight)
    return training.optimiser(weights).step
