"""Lab 2.2 by real processes: steps, exchanges and trainings take the time that they must."""

from __future__ import annotations

from statistics import mean

import fakes
import pytest
from quiet_machine import with_tries

from labkit.distributed.pool import room, worker_pool
from labkit.labs.more_nodes import experiments as lab
from labkit.measure.probes import data_parallel as probe
from labkit.predict.data_parallel import COMPUTING, EXPOSED, SLOWEST, STRONG

pytestmark = pytest.mark.skipif(not room(2), reason="needs two processors and torch.distributed")


def test_steps_are_measured_by_one_pool_in_a_session():
    steps = lab.step_time(fakes.machine())
    point = dict(batch=16, scaling=STRONG, what="cats, width 12", round_trip=0, rate=lab.FASTEST)
    with steps.session():
        one, two = (steps.measure(nodes=nodes, **point) for nodes in (1, 2))
    assert 0 < one.low <= one.value <= one.high and one.speed > 0
    assert 0 < two.low <= two.value <= two.high and set(two.speed) == {COMPUTING, EXPOSED, SLOWEST}


@with_tries
def test_processes_exchange_compute_and_learn():
    with worker_pool(2) as pair:
        small, large = probe.exchanges(pair, [16, 2**24], budget=0.05)
        assert 0 < small.fastest <= small.usual and large.fastest > 3 * small.fastest
        few, many = (mean(probe.sampler(pair, probe.job("cats", 8, batch))() for _ in range(3)) for batch in (4, 256))
        assert many > 2 * few
        assert probe.sampler(pair, probe.job("cats", 8, 64), alone=True)() > 0
        run = probe.learn(pair, width=8, batch=64, seed=0, target=0.5)
        assert run.samples is None or 0 < run.samples <= probe.MOST
        late = probe.learn(pair, width=8, batch=64, seed=0, target=1.0, limit=1e-3)
        assert late.samples is None and late.seconds < run.seconds + 1
        with pytest.raises(ValueError, match="evenly"):
            probe.learn(pair, width=8, batch=33, seed=0)
