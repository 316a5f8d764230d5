"""One training step and one inference of the cat network, run for real: their time and their peak memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

import torch
from torch.profiler import ProfilerActivity, profile

from labkit import device as devices
from labkit.measure.probes import operators
from labkit.models import autocast, training
from labkit.models.networks.cats import CatNet
from labkit.specs.network import PICTURE
from labkit.timing import clock
from labkit.timing.drift import timed


def seconds(mode: str, width: int, batch: int, *, reference_seconds: float,
            budget: float = 0.4) -> tuple[clock.Timing, float]:
    """Time one step in turn with the reference kernel; the result is that of `labkit.timing.drift.timed`.

    Args:
        mode: `"inference"` or `"training step"`.
        width: channels after the first convolution.
        batch: pictures in the step.
        reference_seconds: seconds that the reference kernel took when the machine was calibrated.
        budget: seconds to spend.
    """
    device = devices.best()
    devices.settle()
    step = clock.sampler(_runner(mode, *_setting(width, batch, device)), devices.sync(device))
    return timed(step, operators.reference(device), reference_seconds, budget)


def peak_memory(mode: str, width: int, batch: int) -> int | None:
    """Return the peak bytes of tensors during one step, as the framework's allocator counts them.

    The weights, the optimiser's state and the pictures count too. None where the device keeps no such count.
    """
    device = devices.best()
    if device.type == "mps":
        return None
    network, pictures, labels, adam = _setting(width, batch, device)
    alive = [*network.parameters(), pictures, labels]
    if mode == "training step":
        training.step(network, adam, pictures, labels)  # the first step creates the optimiser's state
        adam.zero_grad()
        alive += [s for state in adam.state.values() for s in state.values()]
    standing = sum(tensor.numel() * tensor.element_size() for tensor in alive)
    run = _runner(mode, network, pictures, labels, adam)
    if device.type == "cuda":
        torch.cuda.synchronize()
        run()  # once unmeasured: the libraries take their own scratch space at the first call
        adam.zero_grad()
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        run()
        torch.cuda.synchronize()
        return standing + torch.cuda.max_memory_allocated() - before
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else the profiler announces itself on the reader's screen
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        run()
    return standing + _peak(record)


def _peak(record) -> int:
    """Follow the allocator's log and return the highest sum of what was taken and not yet given back."""
    events = [event for event in record.profiler.kineto_results.events() if event.name() == "[memory]"]
    alive = highest = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        alive += event.nbytes()
        highest = max(highest, alive)
    return highest


def training_step(width: int, batch: int, device: torch.device, dtype: str) -> Callable[[], object]:
    """Return a call of one training step in a format of `labkit.models.autocast`, its loss scaled where it must be.

    Args:
        width, batch: as in `seconds`.
        device: where it runs.
        dtype: the format.
    """
    network, pictures, labels, _ = _setting(width, batch, device)
    network, scaler = autocast.Autocast(network, dtype), autocast.grad_scaler(dtype, device)
    return partial(training.step, network, training.optimiser(network), pictures, labels, scaler)


def _setting(width, batch, device):
    network = training.to_device(CatNet(width), device)
    pictures = torch.rand(batch, *PICTURE, device=device).to(memory_format=devices.layout(device))
    labels = torch.zeros(batch, dtype=torch.int64, device=device)
    return network, pictures, labels, training.optimiser(network)


def _runner(mode, network, pictures, labels, adam):
    def infer():
        with torch.inference_mode():
            network(pictures)

    def step():
        training.step(network, adam, pictures, labels)

    return {"inference": infer, "training step": step}[mode]

