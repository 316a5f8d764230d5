"""What Lab 3.3's predictions stand on: the time of a batch in the running server, and the work around it.

A real server and its load generator run meanwhile on the same cores as they do in the lab, so that what they take from
each other is in the numbers. Clients ask in a closed loop, twice as many as a batch holds: every batch is full, and no
queue builds up. Then requests come at equal distances, so that some are read while the network computes, which slows
both. No probe lets requests come at random, which is left to the prediction.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np
import torch

from labkit import effort, session
from labkit.least_squares import two_costs
from labkit.measure import open_loop
from labkit.models.networks.dense import DenseCats
from labkit.progress import report
from labkit.runtimes.onnx_export import write
from labkit.runtimes.onnx_session import Network
from labkit.serving import server
from labkit.specs.calibration import Calibration, now
from labkit.specs.network import PICTURE
from labkit.timing.clock import Contention
from labkit.timing.drift import thinned

SECONDS = 14  # about how long it takes
KEYS = (("computing",), ("spread",), ("per request",), ("per batch",), ("rest",))
WIDTH = 4096  # of the network: its weights take 120 MB, far more than a core's caches
SIZES = (1, 2, 3, 4, 6, 8)  # pictures in a batch
_SHARES = [(step + 0.5) / 20 for step in range(20)]  # of a spread: twentieths
_ROUNDS, _EACH_S, _REFERENCE_S = 3, 0.3, 0.12
_MEANWHILE, _STEADY_S = 1.3, 1.5  # requests in the time of a picture, at equal distances: they come while it computes
_PICTURES = 64
_LEAST = 1e-6  # seconds: differences may come out below nothing


@contextmanager
def standing(width: int | None = None, **settings) -> Iterator[tuple[server.Server, open_loop.Generator]]:
    """Run the web service with a network that has learned nothing, which takes as long, and a load generator.

    Args:
        width: of the network; `WIDTH` unless given.
        settings: of `labkit.serving.server.running`.
    """
    torch.manual_seed(0)
    pictures = np.random.default_rng(0).integers(0, 256, (_PICTURES, *PICTURE), np.uint8)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = write(DenseCats(width or WIDTH), Path(folder) / "dense.onnx")
        choices = Network(path).answers(pictures)
        with server.running(path, **settings) as service, open_loop.running(pictures, choices) as generator:
            yield service, generator


def reference(service: server.Server, generator: open_loop.Generator) -> float:
    """Return the seconds that the network takes for a picture alone, one after the other: the reference kernel."""
    service.configure(max_batch=1)
    return median(generator.closed(service.port, 1, _REFERENCE_S).computed.tolist())


def calibrate(device: torch.device) -> Calibration:
    """Time the server on the processor, whatever the device.

    Returns:
        `("computing",)`: seconds of the network, on a straight line through the medians, for it fetches its weights
        once and computes for each picture; the work is the pictures in a batch. `("spread",)`: how long a picture alone
        would take, from the fastest twentieth of the batches to the slowest; the work is the percentile. `("rest",)`:
        what else a request takes, in the same way. `("per request",)`: the event loop's processor time for 1 request.
        `("per batch",)`: between the loop and the network, there and back, for 1 batch.
    """
    with session.KEPT.held(("server", 0), standing) as (service, generator):
        generator.closed(service.port, 8, _REFERENCE_S)  # warm
        sizes, contention, references, spreads, spending = thinned(SIZES), Contention(), [], [], []
        ratios = {size: [] for size in sizes}
        before = reference(service, generator)
        rounds = effort.pick(quick=1, usual=2, long=2 * _ROUNDS)
        each, steadily = effort.pick(quick=(0.2, 1.0), usual=(_EACH_S, _STEADY_S), long=(_EACH_S, _STEADY_S))
        for done in range(rounds):
            for size in sizes:
                report(done / rounds, f"Calibrating: batches of {size}")
                service.configure(max_batch=size)
                spent = service.cpu_seconds()
                load = generator.closed(service.port, 2 * size, each)
                spent = service.cpu_seconds() - spent
                after = reference(service, generator)
                references.append((before * after) ** 0.5)
                before = after
                full = np.unique(load.computed[load.batch == size])  # the pictures of a batch say the same
                ratios[size].append(median(full) / references[-1])
                spreads.append(np.quantile(full / median(full), _SHARES))
                spending.append(spent / len(load.due) / references[-1])
        service.configure(max_batch=SIZES[-1])
        steady = generator.open(service.port, _MEANWHILE / reference(service, generator), steadily, even=True)
        share = contention.share()
    usual = median(references)
    per_request = median(spending) * usual
    rest = steady.seconds - steady.waited - steady.computed - steady.handed - per_request
    start, each_more = two_costs([(1, size) for size in sizes], [median(found) for found in ratios.values()])
    return Calibration(
        curves={
            ("computing",): [[size, (start + each_more * size) * usual] for size in SIZES],
            ("spread",): [[100 * share, ratio * usual]
                       for share, ratio in zip(_SHARES, np.median(spreads, 0).tolist(), strict=True)],
            ("per request",): [[1, per_request]],
            ("per batch",): [[1, float(np.nanmean(steady.handed))]],
            ("rest",): [[100 * share, max(float(np.nanquantile(rest, share)), _LEAST)] for share in _SHARES],
        },
        reference_seconds=usual, drift=max(references) / min(references), contention=share,
        date=now())
