"""What Lab 3.3's predictions stand on: the time of a batch in the running server, and the work around it.

A real server and its load generator run meanwhile on the same cores as they do in the lab, so that what they take from
each other is in the numbers. Clients ask in a closed loop, twice as many as a batch holds: every batch is full, and no
queue builds up. No probe lets requests come at random, which is left to the prediction.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np
import torch

from labkit.clock import Contention
from labkit.costs import Costs
from labkit.measure import arrivals, server
from labkit.measure.exported import write
from labkit.measure.runtime import Network
from labkit.networks.dense import DenseCats
from labkit.progress import report

SECONDS = 12  # about how long it takes
NAMES = ("computing", "spread", "handling", "handing", "rest")
WIDTH = 4096  # of the network: its weights take 120 MB, far more than a core's caches
SIZES = (1, 2, 3, 4, 6, 8)  # pictures in a batch
STEPS = 20  # of the spread
_EACH_S, _PACE_S = 0.8, 0.25
_PICTURES = 64
_LEAST = 1e-6  # seconds: differences may come out below nothing


@contextmanager
def standing(width: int | None = None, **settings) -> Iterator[tuple[server.Server, arrivals.Generator]]:
    """Run the web service with a network that has learned nothing, which takes as long, and a load generator.

    Args:
        width: of the network; `WIDTH` unless given.
        settings: of `labkit.measure.server.running`.
    """
    torch.manual_seed(0)
    pictures = np.random.default_rng(0).integers(0, 256, (_PICTURES, 3, 32, 32), np.uint8)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = write(DenseCats(width or WIDTH), Path(folder) / "dense.onnx")
        choices = Network(path).answers(pictures)
        with server.running(path, **settings) as service, arrivals.running(pictures, choices) as generator:
            yield service, generator


def pace(service: server.Server, generator: arrivals.Generator) -> float:
    """Return the seconds that the network takes for a picture alone, one after the other: the pacemaker."""
    service.settle(limit=1)
    return median(generator.closed(service.port, 1, _PACE_S).computed.tolist())


def calibrate(device: torch.device) -> Costs:
    """Time the server on the processor, whatever the device.

    Returns:
        `"computing"`: seconds of the network against the pictures in a batch. `"spread"`: how long a picture alone
        would take, from the fastest twentieth of the batches to the slowest. For one request, `"handling"`: the event
        loop's processor time, `"handing"`: between the loop and the network, there and back, and `"rest"`.
    """
    with standing() as (service, generator):
        generator.closed(service.port, 8, _PACE_S)  # warm
        contention, paces, sizes, ratios, handling = Contention(), [], [], [], []
        for done, size in enumerate(SIZES):
            report(done / len(SIZES), f"Calibrating: batches of {size}")
            paces.append(pace(service, generator))
            service.settle(limit=size)
            before = service.spent()
            load = generator.closed(service.port, 2 * size, _EACH_S)
            handling.append((service.spent() - before) / len(load.due) / paces[-1])
            full = np.unique(load.computed[load.batch == size])  # the pictures of a batch say the same
            sizes.append([size, median(full) / paces[-1]])
            ratios.append(np.quantile(full / median(full), (np.arange(STEPS) + 0.5) / STEPS))
        service.settle(limit=1)
        alone = generator.closed(service.port, 1, _EACH_S)
        share = contention.share()
    usual = median(paces)
    each = median(handling) * usual
    handing = median(alone.handed)
    rest = median(alone.seconds - alone.waited - alone.computed - alone.handed) - each
    return Costs(
        curves={
            "computing": [[size, ratio * usual] for size, ratio in sizes],
            "spread": [[100 * (step + 0.5) / STEPS, ratio * usual]
                       for step, ratio in enumerate(np.median(ratios, 0).tolist())],
            "handling": [[1, each]],
            "handing": [[1, float(handing)]],
            "rest": [[1, max(float(rest), _LEAST)]],
        },
        pace=usual, drift=max(paces) / min(paces), contention=share,
        date=datetime.now(UTC).isoformat(timespec="seconds"))
