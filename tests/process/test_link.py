"""The emulated link: as slow, narrow and lossy as it was asked to be, and gone when its block is over."""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from contextlib import ExitStack

import psutil
import pytest
from another_python import another_python
from quiet_machine import quiet_machine

from labkit.models.networks.cats import CatNet
from labkit.netem import link
from labkit.offload import cloud
from labkit.offload.edge import CloudConnection
from labkit.offload.wire import NoAnswer
from labkit.specs.link import LinkSpec

GONE_S = 15


def allowed(backend: str) -> bool:
    try:
        with link.emulated_link(backend=backend):
            return True
    except link.BackendUnavailable:
        return False


@pytest.fixture(scope="module", params=list(link.BACKENDS))
def backend(request):
    if not allowed(request.param):
        pytest.skip(f"This machine allows no {request.param}.")
    return request.param


@pytest.fixture(scope="module")
def site(backend):
    with link.emulated_link(backend=backend) as way, cloud.running(CatNet(2), way):
        yield way


@pytest.fixture
def line(site):
    site.mend()
    site.set_link(LinkSpec())
    with CloudConnection(site.dial) as line:
        yield line


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def wait_until(condition, seconds: float = GONE_S) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def test_without_a_tunnel_the_relay_takes_over_and_says_why(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(link.BackendUnavailable, match="needs Linux"), link.emulated_link(backend="tunnel"):
        pass
    monkeypatch.undo()

    def refused(stack):
        raise link.BackendUnavailable("Not allowed here.")

    monkeypatch.setattr(link, "_tunnel", refused)
    with link.emulated_link() as way:
        assert way.backend == "relay" and way.reason == "Not allowed here."


# The real thing


@pytest.mark.parametrize("trip", [0.02, 0.08])
@quiet_machine
def test_the_round_trip_is_what_was_asked_for(site, line, trip):
    site.set_link(LinkSpec(trip))
    times = [line.echo(0, 10) for _ in range(9)]
    assert trip < min(times) < 1.5 * trip  # whatever else the machine does makes it longer


@quiet_machine
def test_the_bandwidth_is_what_was_asked_for(site, line):
    spec, size = LinkSpec(0.002, 1e6), 100_000
    site.set_link(spec)
    best = min(line.echo(size, 20) for _ in range(6))
    assert 0.95 < best / spec.transfer(size) < 1.4
    site.set_link(LinkSpec(0.002, 4e6))
    assert min(line.echo(size, 20) for _ in range(6)) < 0.5 * best


@quiet_machine
def test_losses_slow_some_messages_and_lose_none(site, line):
    site.set_link(LinkSpec(0.002, math.inf, 0.1))
    times = sorted(line.echo(3000, 30) for _ in range(40))
    assert times[-1] > 10 * times[0]


def test_nothing_passes_while_the_link_is_down_and_all_is_well_afterwards(site, line):
    site.cut()
    try:
        with pytest.raises(NoAnswer, match=r"not answered within 0\.3 s"):
            line.echo(0, 0.3)
        with pytest.raises(NoAnswer):
            CloudConnection(site.dial, 0.3)
    finally:
        site.mend()
    with CloudConnection(site.dial) as again:
        assert again.echo(100, 10) > 0


def test_two_connections_do_not_mix(site, line):
    with CloudConnection(site.dial) as other:
        for size in (0, 5000, 1):
            line.echo(size, 10)
            other.echo(size, 10)


# Nothing is left


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_the_block_ends_its_process_also_on_an_error(backend, error):
    before = children()
    with pytest.raises(error), link.emulated_link(backend=backend):
        assert len(children() - before) == 1
        raise error
    assert wait_until(lambda: children() <= before)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """The file of a network of width 2."""
    path = tmp_path_factory.mktemp("weights") / "network.safetensors"
    cloud.save_file(CatNet(2).state_dict(), path)
    return path


CLIENT = """
import signal, sys, time
import psutil
from labkit.netem import link
from labkit.processes import Helper
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the tests run with interrupts ignored
backend, weights = sys.argv[1:]
with link.emulated_link(backend=backend) as way, Helper("labkit.offload.cloud", weights, "2", "0", way.door) as cloud:
    way.attach(cloud.answer()["port"])
    print(*(child.pid for child in psutil.Process().children()), flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_killing_the_client_ends_the_link_and_the_cloud(backend, weights):
    with ExitStack() as stack:
        clients = {how: stack.enter_context(another_python(CLIENT, backend, weights))
                   for how in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)}
        helpers = {how: [int(pid) for pid in client.stdout.readline().split()] for how, client in clients.items()}
        for how, client in clients.items():
            assert len(helpers[how]) == 2
            client.send_signal(how)
            client.wait(timeout=30)
            assert wait_until(lambda how=how: not any(map(psutil.pid_exists, helpers[how])))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("victim", ["link", "cloud"])
def test_killing_the_link_or_the_cloud_leaves_the_client_an_error_that_ends_the_block(backend, victim):
    before = children()
    with pytest.raises(NoAnswer, match=r"cannot be reached|not answered|lost"), link.emulated_link(
            backend=backend) as way:
        link_pid = (children() - before).pop()
        with cloud.running(CatNet(2), way):
            cloud_pid = (children() - before - {link_pid}).pop()
            with CloudConnection(way.dial) as line:
                os.kill({"link": link_pid, "cloud": cloud_pid}[victim], signal.SIGKILL)
                with pytest.raises(NoAnswer):
                    for _ in range(50):
                        line.echo(0, 1)
            CloudConnection(way.dial, 1)
    assert wait_until(lambda: children() <= before)
