"""Lab 2.7 by real processes: shards and stages train as one, hold and send what is counted, and end."""

from __future__ import annotations

import math
import shutil
from types import SimpleNamespace

import pytest
import torch

from labkit.distributed.pool import WorkerFailed, worker_pool
from labkit.labs.too_big_for_one_node import experiments as lab
from labkit.labs.too_big_for_one_node import measuring
from labkit.predict import sharding
from labkit.processes import HelperFailed
from labkit.specs.sharding import DATA_PARALLEL, KINDS, OFFLOADED, PIPELINE, WAYS, ZERO_3, ShardedJob

pytestmark = pytest.mark.skipif(not torch.distributed.is_available(), reason="this PyTorch has no torch.distributed")
SMALL = dict(width=64, layers=4)


@pytest.fixture(scope="module")
def pair():
    with worker_pool(2, crowded=True, backend="loopback") as workers:
        yield workers


@pytest.fixture(scope="module")
def runs(pair):
    return {way: pair.sharded(ShardedJob(way, **SMALL), 1) for way in WAYS}


def test_every_way_trains_as_data_parallel_training_does(runs):
    whole = measuring.loss(ShardedJob(DATA_PARALLEL, **SMALL), runs[DATA_PARALLEL])
    assert whole[-1] < whole[0]
    for way, ranks in runs.items():
        for ours, theirs in zip(measuring.loss(ShardedJob(way, **SMALL), ranks), whole, strict=True):
            assert math.isclose(ours, theirs, rel_tol=1e-4), way


def test_they_hold_and_send_what_is_counted(runs):
    for way, ranks in runs.items():
        job = ShardedJob(way, **SMALL)
        assert max(rank["peak"] for rank in ranks) == pytest.approx(sum(sharding.memory(job, 2).values()), rel=0.1), way
        if ranks[0]["sent"] is not None:
            expected = sum(sharding.traffic(job, 2).values())
            assert max(rank["sent"] for rank in ranks) == pytest.approx(expected, rel=0.05, abs=4096), way
    assert runs[OFFLOADED][0]["held"] < runs[ZERO_3][0]["held"]


def test_exchanges_are_timed_and_what_cannot_be_is_refused(pair, monkeypatch):
    for kind in KINDS:
        assert all(seconds > 0 for seconds in pair.exchange(kind, 2**16, 2))
    for ask, kind, words in (
            (lambda: pair.exchange(KINDS[0], 0), ValueError, "size"),
            (lambda: pair.sharded(ShardedJob(), 0), ValueError, "steps"),
            (lambda: pair.sharded(ShardedJob(PIPELINE, layers=3), 1), ValueError, "equal stages"),
            (lambda: pair.sharded(ShardedJob(width=64 * 2**10, layers=16), 1), MemoryError, "are free")):
        with pytest.raises(kind, match=words):
            ask()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(MemoryError, match="has 100 B free"):
        pair.sharded(ShardedJob(OFFLOADED, **SMALL), 1)
    assert pair.exchange(KINDS[0], 16)  # none of it ended the pool


def test_where_no_process_may_start_a_point_says_so(monkeypatch):
    def refused(*_, **__):
        raise HelperFailed("This machine lets no further process start.")

    monkeypatch.setattr("labkit.distributed.pool.Helper", refused)
    outcome = measuring.Runs()(lab.job(**lab.START), 2)
    assert not outcome and "no further process" in outcome.reason
    with pytest.raises(WorkerFailed, match="no further process"), worker_pool(2, crowded=True):
        pass
