"""What Lab 4.4's predictions stand on: single layers for one picture on one core, and messages over an emulated link.

No probe runs a whole network, and the link's own delay is taken off, so that composing the time of an answer over a
given link is left to the prediction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter, sleep

import torch
from torch import nn

from labkit import clock
from labkit.costs import Costs
from labkit.measure import cloud, link, parts, wire
from labkit.measure import device as devices
from labkit.measure.edge import PATIENCE_S, Line
from labkit.measure.helper import HelperFailed
from labkit.measure.pace import Paced
from labkit.measure.wire import NoAnswer
from labkit.networks.cats import CatNet
from labkit.progress import report
from labkit.shape import Shape

SECONDS = 18  # about how long it takes
WIDTHS = (2, 8, 32, 128)  # of the networks whose layers are timed
KINDS = ("conv32", "conv16", "conv8", "dense")
SIZES = (0, 2**12, 2**14, 2**16)  # bytes of a message
LINK = Shape(round_trip=0.01, bandwidth=12.5e6)  # over which messages are timed
PAUSE_S = 0.02  # between two pictures
CHAIN = (1, 4)  # equal layers that are timed after a pause
NAMES = (*(f"layer {kind}" for kind in KINDS), "waking", *link.RUNGS)
_LEAST = 1e-3  # pacemakers: what is measured as a difference may come out below nothing
_BUDGET, _AFTER_PAUSES = 0.06, 0.4  # seconds for a probe
_WARM_UP = 5  # messages, until TCP sends them at once


def calibrate(device: torch.device) -> Costs:
    """Time on one core of the processor, whatever the device: edge devices have no more.

    Returns:
        `"layer conv16"` and so on: seconds for one picture against the channels that the layer reads (the first: that
        it writes). `"waking"`: how many seconds longer a chain of layers takes after a pause, against its length.
        `"tunnel"`, `"relay"`: seconds of a message of so many bytes and its short answer, less what the link takes.
    """
    devices.settle()
    with one_core():
        paced, slow = Paced(pacemaker(), budget=_BUDGET), Paced(pacemaker(), budget=_AFTER_PAUSES)
        curves = {f"layer {kind}": [] for kind in KINDS}
        for done, width in enumerate(WIDTHS):
            report(done / 8, f"Calibrating: layers of width {width}")
            for kind, (channels, layer) in zip(KINDS, _layers(width), strict=True):
                curves[f"layer {kind}"].append([channels, paced(clock.sampler(layer))])
        curves["waking"] = []
        for length in CHAIN:
            chain = _chain(length)
            longer = slow(after_a_pause(chain)) - paced(clock.sampler(chain))
            curves["waking"].append([length, max(longer, _LEAST)])
        missing = {}
        for done, rung in enumerate(link.RUNGS):
            report(0.5 + done / 4, f"Calibrating: messages over the {rung}")
            try:
                curves[rung] = list(_messages(rung, slow))
            except (OSError, link.Unlinked, HelperFailed, NoAnswer) as trouble:
                missing[rung] = str(trouble)
    return paced.costs(curves, missing)


@contextmanager
def one_core() -> Iterator[None]:
    """Let the framework use one core inside the block."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def pacemaker() -> Callable[[], float]:
    """Return a sampler of the chain whose time tells how fast the core runs at the moment."""
    return clock.sampler(_chain(CHAIN[-1]))


def after_a_pause(call: Callable[[], object]) -> Callable[[], float]:
    """Return a sampler of `call` after a pause, as a device finds it that waits for the next picture."""
    def sample():
        sleep(PAUSE_S)
        begin = perf_counter()
        call()
        return perf_counter() - begin

    return sample


def _layers(width):
    stages = parts.stages(CatNet(width))
    for stage, shape in zip(stages, parts.shapes(width), strict=True):
        channels = width if shape[0] == 3 else shape[0] if stage is not stages[-1] else stage[1].in_features
        yield channels, _inference(stage, torch.rand(1, *shape))


def _chain(length):
    convolution = (nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(inplace=True)) for _ in range(length))
    return _inference(nn.Sequential(*convolution), torch.rand(1, 16, 8, 8))


def _inference(stage, data):
    def run():
        with torch.inference_mode():
            stage(data)

    return run


def _messages(rung, paced) -> Iterator[list[float]]:
    with link.laid(LINK, rung) as way, cloud.running(CatNet(WIDTHS[0]), way), Line(way.dial) as line:
        for size in SIZES:
            message = wire.HEAD.size + size
            own = LINK.round_trip + LINK.transfer(message) + LINK.transfer(wire.ANSWER)

            def once(size=size, own=own):
                sleep(PAUSE_S / 2)
                return line.echo(size, PATIENCE_S) - own

            for _ in range(_WARM_UP):
                once()
            yield [message, max(paced(once), _LEAST)]
