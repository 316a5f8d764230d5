"""One answer of the cat network in several ways of running it: its layers and networks timed, and every answer clocked.

*Eager* is PyTorch, which starts one operator after the other. *Runtime* is ONNX Runtime, which reads the whole network
before it runs it. Weights are drawn by chance: the time does not depend on what they say.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import torch

from labkit import device as devices
from labkit.experiment import Unavailable
from labkit.measure.probes import memory, operators, products, sessions
from labkit.models import training
from labkit.models.networks.cats import CatNet
from labkit.progress import report
from labkit.runtimes import onnx_session
from labkit.runtimes.onnx_export import write
from labkit.specs.calibration import Calibration
from labkit.specs.execution import ALL, EAGER, ONE, RUNTIME
from labkit.specs.network import probed_channels
from labkit.timing import clock, drift

SECONDS = 11  # about how long it takes
GPU = "eager, GPU"
WAYS = (EAGER, RUNTIME)  # that are calibrated
BATCHES = (1, 8, 64)
WIDTHS = (1, 4, 16, 64)  # of the networks whose layers are timed; the narrowest has next to nothing to compute
WHOLE = (1, 4, 8, 16, 32, 64)  # of the networks that are timed whole
_BUDGET = 0.05  # seconds for a probe
_WARM_UP = 50  # answers before the first that counts
CPU = torch.device("cpu")


def _layers(width: int) -> list[tuple[str, int, int, int]]:
    """Return kind, in-channels, out-channels, and side of each layer of the cat network."""
    return [("conv32", 3, width, 32), ("conv16", width, 2 * width, 16), ("conv8", 2 * width, 4 * width, 8),
            ("dense", 64 * width, 3, 1)]


_LAYERS = {(EAGER, threads, layer[0], probed_channels(*layer[:3])): layer
           for threads in (ONE, ALL) for width in WIDTHS for layer in _layers(width)}
_PRODUCTS = (128, 256, 512, 1024)  # sides of the matrices whose product shows the peak rate
_READS = tuple(2**k for k in range(15, 22))  # bytes that are read again and again, out of the caches
KEYS = (*_LAYERS, *((RUNTIME, threads, width) for threads in (ONE, ALL) for width in WHOLE), ("product",), ("read",))


def all_threads() -> int:
    """Return how many threads this process can run at once."""
    return max(1, int(devices.cores()))


def calibrate(device: torch.device) -> Calibration:
    """Time single layers in PyTorch and whole networks in ONNX Runtime, on the processor whatever the device.

    Returns:
        Seconds of a run; the work is the batch: `("eager", "on one thread", "conv16", 4)` for a layer, and so on, by
        channels as `labkit.measure.probes.operators` counts them; `("runtime", "on all threads", 16)` for a network, by
        its width. On a machine with one processor, all threads are missing. For the floor, on all threads:
        `("product",)`, seconds of a matrix product, whose work is operations, and `("read",)`, of reading bytes.
    """
    devices.settle()
    corrected, curves, missing = drift.DriftCorrected(sessions.reference(), _BUDGET, SECONDS), {}, {}
    for done, (label, threads) in enumerate({ONE: 1, ALL: all_threads()}.items()):
        if label == ALL and threads == 1:
            missing = {key: "There is one core: one thread is all." for key in KEYS if label in key}
            break
        report(done / 2, f"Calibrating: layers and networks {label}")
        with devices.threads(threads):
            for key, layer in _LAYERS.items():
                if label in key:
                    curves[key] = corrected.curve(
                        drift.thinned(BATCHES),
                        lambda batch, layer=layer: clock.sampler(operators.inference(*layer, batch, CPU)))
        with tempfile.TemporaryDirectory() as folder:
            for width in WHOLE:
                network = _network(width, threads, folder)
                curves[RUNTIME, label, width] = corrected.curve(drift.thinned(BATCHES), network.sampler)
    with devices.threads(all_threads()):
        curves["product",] = [[2 * side**3, corrected(products.sampler("fp32", side, CPU))] for side in _PRODUCTS]
        curves["read",] = [[size, corrected(memory.reader(size, CPU))] for size in _READS]
    return corrected.calibration(curves, missing)


def _network(width, threads, folder) -> onnx_session.Network:
    return onnx_session.Network(write(CatNet(width), Path(folder) / f"{width}.onnx"), threads=threads)


@contextmanager
def ready(way: str, width: int, *, threads: int = 1, batch: int = 1) -> Iterator[Callable[[], object]]:
    """Yield a call that answers a batch of noise.

    Args:
        way: one of `WAYS`, or `GPU`.
        width: of the network.
        threads: of the processor; without meaning for the GPU.
        batch: pictures in a run.

    Raises:
        ValueError: another way, or a width, a number of threads or a batch below 1.
    """
    if way not in (*WAYS, GPU):
        raise ValueError(f"There is no way of running '{way}', but {', '.join(WAYS)} and {GPU}.")
    if way == RUNTIME:
        with tempfile.TemporaryDirectory() as folder:
            network = _network(width, threads, folder)
        yield network.run(batch)
        return
    device = devices.best() if way == GPU else CPU
    pictures = torch.from_numpy(onnx_session.noise(batch)).to(device).contiguous(memory_format=devices.layout(device))
    with devices.threads(threads):
        yield eager(training.to_device(CatNet(width), device), pictures)


def eager(network: torch.nn.Module, pictures: torch.Tensor) -> Callable[[], None]:
    """Return a call that answers pictures in PyTorch, and waits for the answer where a GPU gives it."""
    sync = devices.sync(pictures.device)

    @torch.inference_mode()
    def call():
        network(pictures)
        if sync:
            sync()

    return call


def gpu() -> str | Unavailable:
    """Return the GPU's name, or why there is none to measure on."""
    device = devices.best()
    if device.type == "cpu":
        return Unavailable("There is no GPU here that PyTorch can use.")
    return devices.name(device) if device.type == "cuda" else "Apple's GPU"


def seconds(way: str, width: int, batch: int, threads: int, *, reference_seconds: float,
            budget: float = 0.3) -> tuple[clock.Timing, float]:
    """Time one run in turn with the reference kernel; the result is that of `labkit.timing.drift.timed`.

    Args:
        way, width, batch, threads: as in `ready`.
        reference_seconds: seconds that the reference kernel took when the machine was calibrated.
        budget: seconds to spend.
    """
    devices.settle()
    with ready(way, width, threads=threads, batch=batch) as call:
        return drift.timed(clock.sampler(call), sessions.reference(), reference_seconds, budget)


def each(call: Callable[[], object], count: int, *, limit: float = 20.0) -> list[float]:
    """Return the seconds of each of `count` answers, one right after the other; fewer where `limit` seconds are over.

    Raises:
        ValueError: a count that is no whole number from 1 up, or a limit that is not above 0.
    """
    if not isinstance(count, int) or count < 1 or not limit > 0:
        raise ValueError(f"One answer or more can be clocked within a time above 0, not {count!r} in {limit} s.")
    for _ in range(_WARM_UP):
        call()
    found, last = [], perf_counter()
    end = last + limit
    while len(found) < count and last < end:
        begin = perf_counter()
        call()
        last = perf_counter()
        found.append(last - begin)
    return found
