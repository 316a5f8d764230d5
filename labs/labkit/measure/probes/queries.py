"""What it costs to be asked by LoadGen, and how far the slow answers lie from the usual: by a narrow network.

The same network is timed by itself, and then asked by LoadGen, one sample at a time, eight at a time, and all at once.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from statistics import mean, median, pstdev

import numpy as np
import torch

from labkit import effort
from labkit.measure import loadgen
from labkit.measure.loadgen import MULTI, OFFLINE, SINGLE, STREAMS, Settings
from labkit.measure.mlperf_log import Log
from labkit.models.networks.cats import CatNet
from labkit.progress import report
from labkit.runtimes import onnx_export
from labkit.runtimes.onnx_session import SIDE, Network
from labkit.specs.calibration import Calibration, now
from labkit.timing import clock

SECONDS = 9  # about how long it takes
NAMES = ("alone", "p50", "p90", "p99", "turn", "deviation")
KEYS = tuple((name,) for name in NAMES)
WIDTH, BATCH = 16, 64  # of the narrow network; samples that it answers at once in Offline
POOL = 256  # pictures that are asked about
_RUN_S, _TURNS = 0.3, 3
_ONE_S = 20e-6  # about what one sample takes: LoadGen prepares its queries for that
_BUDGET_S = 0.05


def calibrate(device: torch.device) -> Calibration:
    """Ask a narrow network, whatever the device.

    Returns:
        Seconds of a query; the work is its samples. `("alone",)`: the network by itself; `("p50",)`, `("p90",)` and
        `("p99",)`: asked by LoadGen; `("turn",)`: from one query to the next, in the mean, and `("deviation",)`, its
        standard deviation.
    """
    if reason := loadgen.missing():
        return Calibration.unavailable(KEYS, reason)
    with tempfile.TemporaryDirectory() as folder:
        file = onnx_export.write(CatNet(WIDTH), Path(folder) / "narrow.onnx")
        try:
            return _asked(file)
        except loadgen.Failed as trouble:
            return Calibration.unavailable(KEYS, str(trouble))


def pictures() -> np.ndarray:
    """Return byte pictures (POOL, 3, 32, 32) of noise: the time of an answer does not depend on what they show."""
    return np.random.default_rng(0).integers(0, 256, (POOL, 3, SIDE, SIDE), np.uint8)


def _asked(file: Path) -> Calibration:
    reference, references, shares = Network(file).sampler(1), [], []
    found: dict[tuple[str, int], list[float]] = {}
    turns = effort.pick(quick=1, usual=2, long=2 * _TURNS)
    for turn in range(turns):  # each scenario several times, for a disturbance lasts longer than a run
        for done, (scenario, samples) in enumerate(((SINGLE, 1), (MULTI, STREAMS), (OFFLINE, BATCH))):
            report((3 * turn + done) / (3 * turns), f"Calibrating: LoadGen's {scenario}")
            expected = 1 / (_ONE_S * (samples if scenario == MULTI else 1))
            settings = Settings(scenario, _RUN_S, expected, BATCH)
            log, share = loadgen.undisturbed(partial(loadgen.run, file, pictures(), settings), tries=2)
            for name, seconds in {"alone": log.alone, **_found(log)}.items():
                found.setdefault((name, samples), []).append(seconds)
            shares.append(share)
            references.append(clock.rounds({"reference": reference}, budget=_BUDGET_S)["reference"].median)
    curves = {(name,): [[samples, median(found[name, samples])] for samples in (1, STREAMS, BATCH)
                     if (name, samples) in found] for name in NAMES}
    drift = sorted(references)[-2] / sorted(references)[1]  # without the fastest and the slowest
    return Calibration(curves, reference_seconds=median(references), drift=drift, contention=mean(shares),
                 date=now())


def _found(log: Log) -> dict[str, float]:
    """Return the seconds of a query by their names; in Offline, where there is one, the mean of a batch is its turn."""
    if log.scenario == OFFLINE:
        return dict.fromkeys(("p50", "turn"), BATCH / log.rate)
    turns = np.diff(np.unique(log.times[:, 1])).tolist()
    found = {f"p{share}": log.percentile(share) for share in (50, 90, 99)}
    return {**found, "turn": mean(turns), "deviation": pstdev(turns)}
