"""Lab 1.1's experiments for real: any point can be run, several in one session, and nothing is left."""

from __future__ import annotations

from contextlib import suppress

import fakes
import pytest
import torch
from quiet_machine import quiet_machine

from labkit.experiment import compare
from labkit.labs.your_machine import experiments
from labkit.measure.probes import all_reduce, loopback, storage


@pytest.fixture
def here(quiet, tmp_path, monkeypatch):
    monkeypatch.setenv("CLUSTER_TO_EDGE_CACHE", str(tmp_path))
    monkeypatch.setattr(storage, "FILE", 2**24)
    for module in (loopback, all_reduce):
        monkeypatch.setattr(module, "_BLOCK_S", 0.01)
    yield fakes.machine()
    with suppress(FileNotFoundError):
        assert not list((tmp_path / "storage").iterdir())


@pytest.mark.parametrize(("experiment", "point"), [
    (experiments.products, {"dtype": "fp32", "side": 96}),
    (experiments.reads, {"size": 3 * 2**15}),
    *((experiments.moves, {"what": what, "size": 2**13}) for what, (probe, _) in experiments.MOVES.items()
      if probe != "copies"),
])
def test_a_point_can_be_run_for_real(experiment, point, here):
    experiment = experiment(here, budget=0.05)
    outcome = experiment.measure(**point)
    if not outcome and "It cannot be run here" in outcome.reason:
        pytest.skip(outcome.reason)
    assert 0 < outcome.low <= outcome.value <= outcome.high and outcome.unit == experiment.unit


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this PyTorch has no torch.distributed")
@quiet_machine
def test_several_points_can_be_run_in_one_session(here):
    experiment = experiments.moves(here, budget=0.05)
    kinds = ("a message to another process", "a read from memory's file cache")
    points = [{"what": what, "size": size} for what in kinds for size in (2**13, 2**22)]
    small, large, *reads = (row.measured.value for row in compare(experiment, points).rows)
    assert small < large and reads[0] < reads[1]
