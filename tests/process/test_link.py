"""The emulated link: as slow, narrow and lossy as it was asked to be, and gone when its block is over."""

from __future__ import annotations

import math
import os
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest
from quiet_machine import quiet_machine

from labkit.models.networks.cats import CatNet
from labkit.netem import link
from labkit.offload import cloud
from labkit.offload.edge import CloudConnection
from labkit.offload.wire import NoAnswer
from labkit.processes import HelperFailed
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


def test_the_block_ends_its_processes_also_on_an_error(backend):
    before = children()
    for error in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(error), link.emulated_link(backend=backend) as way, cloud.running(CatNet(2), way):
            assert len(children() - before) == 2
            raise error
        assert wait_until(lambda: children() <= before)


KILLED = """
import signal, sys, time
import psutil
from labkit.netem import link
from labkit.offload import cloud
from labkit.models.networks.cats import CatNet
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the tests run with interrupts ignored
with link.emulated_link(backend=sys.argv[1]) as way, cloud.running(CatNet(2), way):
    print(*(child.pid for child in psutil.Process().children()), flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("how", ["SIGKILL", "SIGINT", "SIGTERM"])
def test_killing_the_client_ends_the_link_and_the_cloud(backend, how):
    child = subprocess.Popen([sys.executable, "-c", KILLED, backend], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                             env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    with child:
        helpers = [int(pid) for pid in child.stdout.readline().split()]
        assert len(helpers) == 2
        child.send_signal(getattr(signal, how))
        child.wait(timeout=30)
    assert wait_until(lambda: not any(map(psutil.pid_exists, helpers)))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("victim", ["link", "cloud"])
def test_killing_the_link_or_the_cloud_leaves_the_client_an_error(backend, victim):
    before = children()
    with link.emulated_link(backend=backend) as way:
        link_pid = (children() - before).pop()
        with cloud.running(CatNet(2), way):
            cloud_pid = (children() - before - {link_pid}).pop()
            with CloudConnection(way.dial) as line:
                os.kill({"link": link_pid, "cloud": cloud_pid}[victim], signal.SIGKILL)
                with pytest.raises(NoAnswer):
                    for _ in range(50):
                        line.echo(0, 1)
            with pytest.raises(NoAnswer, match=r"cannot be reached|not answered|lost"):
                CloudConnection(way.dial, 1)
    assert wait_until(lambda: children() <= before)


# A cloud that does not start


def test_a_port_in_use_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken, link.emulated_link(backend="relay") as way:
        port = taken.getsockname()[1]
        said = rf"Port {port} on 127\.0\.0\.1 is taken: choose another"
        with pytest.raises(HelperFailed, match=said), cloud.running(CatNet(2), way, port):
            pass


def test_damaged_weights_are_refused(tmp_path):
    from labkit.processes import Helper

    good = tmp_path / "good"
    cloud.save_file(CatNet(2).state_dict(), good)
    (tmp_path / "short").write_bytes(good.read_bytes()[:-40])
    (tmp_path / "garbage").write_bytes(os.urandom(300))
    for name, width in (("short", 2), ("garbage", 2), ("missing", 2), ("good", 4)):
        arguments = (str(tmp_path / name), str(width), "0", "")
        with pytest.raises(HelperFailed, match="weights cannot"), Helper("labkit.offload.cloud", *arguments) as helper:
            helper.answer()
