"""The web service of Lab 3.3 under ten thousand requests, and on Ray Serve."""

from __future__ import annotations

import numpy as np
import pytest
from ports import free_port

from labkit.measure.open_loop import OK, SHED
from labkit.measure.probes import serving as probe
from labkit.models.networks.dense import DenseCats
from labkit.runtimes.onnx_export import write
from labkit.serving import malformed, ray_app


def test_ten_thousand_requests_then_twice_the_capacity_then_recovery():
    with probe.standing(width=2048, max_batch=2, max_queue=5_000) as (service, generator):
        generator.closed(service.port, 6, 0.5)
        for _ in range(3):  # a machine that slows down meanwhile has less capacity, and sheds
            capacity = min(generator.closed(service.port, 6, 1.0).rate for _ in range(3))
            load = generator.open(service.port, 0.8 * capacity, 10_000 / (0.8 * capacity))
            assert len(load.due) == 10_000 == load.count(OK) + load.count(SHED) and load.wrong == 0
            if load.count(OK) == 10_000:
                break
        assert load.count(OK) == 10_000

        service.configure(max_batch=2, max_queue=32)
        before = generator.open(service.port, 0.2 * capacity, 1.0)
        flood = generator.open(service.port, 2 * capacity, 3.0)
        after = generator.open(service.port, 0.2 * capacity, 3.0)
    assert flood.count(SHED) > len(flood.due) / 10 and flood.count(OK) > 0
    assert flood.count(SHED) + flood.count(OK) == len(flood.due) and flood.wrong == 0
    assert np.median(flood.seconds[flood.status == SHED]) < np.median(flood.answered)
    recovered = after.due > 2
    assert (after.status[recovered] == OK).all()
    assert np.median(after.seconds[recovered]) < 5 * np.median(before.answered) < 5 * np.median(flood.answered)


def test_the_same_app_runs_on_ray_serve(tmp_path):
    ray = pytest.importorskip("ray", reason="Ray Serve is an optional extra: pip install 'cluster-to-edge[ray]'")
    from ray import serve

    network = write(DenseCats(8), tmp_path / "net.onnx")
    port = free_port()
    ray.init(num_cpus=2, include_dashboard=False, configure_logging=False)
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        serve.run(ray_app.deployment(network, max_batch=4))
        reply = malformed.send(port, malformed.request())
        assert reply.status == 200 and '"class"' in reply.text
        assert malformed.send(port, malformed.request(b"")).status == 422
    finally:
        serve.shutdown()
        ray.shutdown()
