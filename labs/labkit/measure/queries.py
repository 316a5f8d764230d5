"""What it costs to be asked by LoadGen, and how far the slow answers lie from the usual: by a narrow network.

The same network is timed by itself, and then asked by LoadGen, one sample at a time, eight at a time, and all at once.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import mean, median, pstdev

import numpy as np
import torch

from labkit import clock
from labkit.costs import Costs
from labkit.measure import exported, loadgen
from labkit.measure.loadgen import MULTI, OFFLINE, SINGLE, STREAMS, Settings
from labkit.measure.mlperf_log import Log
from labkit.measure.runtime import SIDE, Network
from labkit.networks.cats import CatNet
from labkit.progress import report

SECONDS = 6  # about how long it takes
NAMES = ("alone", "p50", "p90", "p99", "turn", "deviation")
WIDTH, BATCH = 16, 64  # of the narrow network; samples that it answers at once in Offline
POOL = 256  # pictures that are asked about
_RUN_S = 0.7
_ONE_S = 20e-6  # about what one sample takes: LoadGen prepares its queries for that
_BUDGET_S = 0.15


def calibrate(device: torch.device) -> Costs:
    """Ask a narrow network, whatever the device.

    Returns:
        Seconds against the samples of a query: `"alone"`, the network by itself; `"p50"`, `"p90"` and `"p99"`, asked by
        LoadGen; `"turn"`, from one query to the next, in the mean, and `"deviation"`, its standard deviation.
    """
    if reason := loadgen.missing():
        return Costs.unavailable(NAMES, reason)
    with tempfile.TemporaryDirectory() as folder:
        file = exported.write(CatNet(WIDTH), Path(folder) / "narrow.onnx")
        try:
            return _costs(file)
        except loadgen.Failed as trouble:
            return Costs.unavailable(NAMES, str(trouble))


def pictures() -> np.ndarray:
    """Return byte pictures (POOL, 3, 32, 32) of noise: the time of an answer does not depend on what they show."""
    return np.random.default_rng(0).integers(0, 256, (POOL, 3, SIDE, SIDE), np.uint8)


def _costs(file: Path) -> Costs:
    curves, shares, paces = {name: [] for name in NAMES}, [], []
    pacemaker = Network(file).sampler(1)
    for done, (scenario, samples, alone) in enumerate(((SINGLE, 1, _ONE_S), (MULTI, STREAMS, STREAMS * _ONE_S),
                                                       (OFFLINE, BATCH, _ONE_S))):
        report(done / 3, f"Calibrating: LoadGen's {scenario}")
        settings = Settings(scenario, _RUN_S, 1 / alone, BATCH)
        log, share = loadgen.undisturbed(partial(loadgen.run, file, pictures(), settings))
        paces.append(clock.rounds({"pace": pacemaker}, budget=_BUDGET_S)["pace"].median)
        shares.append(share)
        for name, seconds in {"alone": log.alone, **_found(log)}.items():
            curves[name].append([samples, seconds])
    return Costs(curves, pace=median(paces), drift=max(paces) / min(paces), contention=mean(shares),
                 date=datetime.now(UTC).isoformat(timespec="seconds"))


def _found(log: Log) -> dict[str, float]:
    """Return the seconds of a query by their names; in Offline, where there is one, the mean of a batch is its turn."""
    if log.scenario == OFFLINE:
        return dict.fromkeys(("p50", "turn"), BATCH / log.rate)
    turns = np.diff(np.unique(log.times[:, 1])).tolist()
    found = {f"p{share}": log.percentile(share) for share in (50, 90, 99)}
    return {**found, "turn": mean(turns), "deviation": pstdev(turns)}
