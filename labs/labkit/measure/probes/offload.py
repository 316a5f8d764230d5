"""What Lab 4.4's predictions stand on: single layers for one picture on one core, and messages over an emulated link.

No probe runs a whole network, and the link's own delay is taken off, so that composing the time of an answer over a
given link is left to the prediction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter, sleep

import torch

from labkit import device as devices
from labkit import effort
from labkit.models.networks.cats import CatNet
from labkit.netem import link
from labkit.offload import cloud, parts, wire
from labkit.offload.edge import PATIENCE_S, CloudConnection
from labkit.offload.wire import NoAnswer
from labkit.processes import HelperFailed
from labkit.progress import report
from labkit.specs.calibration import Calibration
from labkit.specs.link import LinkSpec
from labkit.timing import clock
from labkit.timing.drift import DriftCorrected, thinned

SECONDS = 18  # about how long it takes
WIDTHS = (2, 8, 32, 128)  # of the networks whose layers are timed
KINDS = ("conv32", "conv16", "conv8", "dense")
SIZES = (0, 2**12, 2**14, 2**16)  # bytes of a message
LINK = LinkSpec(round_trip=0.01, rate=12.5e6)  # over which messages are timed
PAUSE_S = 0.02  # between two pictures
AWAKE = (1, 2, 3)  # layers in a row that are timed after a pause
KEYS = (*(("layer", kind) for kind in KINDS), ("waking",), *(("message", backend) for backend in link.BACKENDS))
_LEAST = 1e-3  # reference kernels: what is measured as a difference may come out below nothing
_BUDGET = 0.06  # seconds for a probe
_SAMPLES = 25  # after pauses
_YAWNS = 4  # reference kernels, until the core is awake
_WARM_UP = 5  # messages, until TCP sends them at once


def calibrate(device: torch.device) -> Calibration:
    """Time on one core of the processor, whatever the device: edge devices have no more.

    Returns:
        `("layer", "conv16")` and so on: seconds for one picture; the work is the channels that the layer reads (the
        first: that it writes). `("waking",)`: how many seconds longer some layers in a row take after a pause; the work
        is their number. `("message", "tunnel")`, `("message", "relay")`: seconds of a message and its short answer,
        less what the link takes; the work is the message's bytes.
    """
    devices.settle()
    with devices.threads(1):
        corrected = DriftCorrected(reference(), budget=_BUDGET, seconds=SECONDS)
        curves = {("layer", kind): [] for kind in KINDS}
        for done, width in enumerate(WIDTHS):
            report(done / 8, f"Calibrating: layers of width {width}")
            for kind, (channels, layer) in zip(KINDS, _layers(width), strict=True):
                curves["layer", kind].append([channels, corrected(clock.sampler(layer))])
        curves["waking",] = []
        for count in AWAKE:
            some = _first(count)
            longer = _rarely(lambda some=some: _seconds(some)) - corrected(clock.sampler(some))
            curves["waking",].append([count, max(longer, _LEAST)])
        missing = {}
        for done, backend in enumerate(link.BACKENDS):
            report(0.5 + done / 4, f"Calibrating: messages over the {backend}")
            try:
                curves["message", backend] = list(_messages(backend))
            except (OSError, link.BackendUnavailable, HelperFailed, NoAnswer) as trouble:
                missing["message", backend] = str(trouble)
    return corrected.calibration(curves, missing)


def reference() -> Callable[[], float]:
    """Return a sampler of some layers whose time tells how fast the core runs once it is awake."""
    sample = clock.sampler(_first(AWAKE[-1]))
    return lambda: [sample() for _ in range(_YAWNS)][-1]


def _rarely(sample: Callable[[], float]) -> float:
    """Return what `sample` takes in reference kernels, after a pause, as a device that waits for pictures finds it.

    The core idles nearly all the time: were anything timed in turn with it, it would wake up sooner.
    """
    kernel, times, references = reference(), [], []
    for _ in range(effort.pick(quick=_SAMPLES // 3, usual=_SAMPLES, long=2 * _SAMPLES)):
        sleep(PAUSE_S)
        times.append(sample())
        references.append(kernel())
    return median(times) / median(references)


def _seconds(call: Callable[[], object]) -> float:
    begin = perf_counter()
    call()
    return perf_counter() - begin


def _layers(width):
    stages = parts.stages(CatNet(width))
    for stage, shape in zip(stages, parts.shapes(width), strict=True):
        channels = width if shape[0] == 3 else shape[0] if stage is not stages[-1] else stage[1].in_features
        yield channels, _inference(stage, torch.rand(1, *shape))


def _first(count):
    """Return a call of the first layers of a network for a byte picture: never of all of them."""
    stages = parts.stages(CatNet(WIDTHS[1]))[:count]
    picture = torch.zeros(1, *parts.shapes(WIDTHS[1])[0], dtype=torch.uint8)
    return _inference(lambda data: parts.run(stages, data), picture)


def _inference(stage, data):
    def run():
        with torch.inference_mode():
            stage(data)

    return run


def _messages(backend) -> Iterator[list[float]]:
    with link.emulated_link(LINK, backend) as way, cloud.running(CatNet(WIDTHS[0]), way), \
            CloudConnection(way.dial) as line:
        for size in thinned(SIZES):
            message = wire.HEAD.size + size
            own = LINK.round_trip + LINK.transfer(message) + LINK.transfer(wire.ANSWER)

            for _ in range(_WARM_UP):
                line.echo(size, PATIENCE_S)
            yield [message, max(_rarely(lambda size=size, own=own: line.echo(size, PATIENCE_S) - own), _LEAST)]
