"""The web service of Lab 3.3 answers everybody who asks properly, and nobody else stops it; the load generator loses
and hides nothing, and names its own limits.
"""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress

import fakes
import numpy as np
import psutil
import pytest
from another_python import another_python
from ports import free_port
from quiet_machine import quiet_machine

from labkit.experiment import compare
from labkit.labs.serving_under_load import experiments as lab
from labkit.labs.serving_under_load import testbed
from labkit.measure import open_loop
from labkit.measure.probes import serving as probe
from labkit.models.networks.cats import CatNet
from labkit.models.networks.dense import DenseCats
from labkit.processes import HelperFailed
from labkit.runtimes.onnx_export import write
from labkit.runtimes.onnx_session import Network
from labkit.serving import malformed, server

TIMEOUT = 1.0


@pytest.fixture(scope="module")
def small():
    """A quick service whose clients must hurry, and a generator."""
    with probe.standing(width=16, timeout=TIMEOUT) as (service, generator):
        yield service, generator


def health(port: int) -> int:
    return malformed.send(port, b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").status


def connections(port: int) -> int:
    """How many connections to the service are open, on its side."""
    return sum(c.status != "LISTEN" and c.laddr.port == port for child in psutil.Process().children(recursive=True)
               for c in child.net_connections("tcp") if c.laddr)


# Clients of all kinds


@pytest.mark.parametrize("name", malformed.WELL_FORMED)
def test_whoever_asks_properly_is_answered(name, small):
    reply = malformed.send(small[0].port, malformed.WELL_FORMED[name])
    assert reply.status == 200 and '"class"' in reply.text


@pytest.mark.parametrize(("name", "expected"), [
    ("half a picture", {422}), ("nothing", {422}), ("a picture too many", {413}), ("a gigabyte, announced", {413}),
    ("a text", {415}), ("no HTTP", {400}), ("an endless head", {400, 431, malformed.CUT_OFF}), ("another page", {404})])
def test_others_are_told_what_is_wrong(name, expected, small):
    reply = malformed.send(small[0].port, malformed.MALFORMED[name])
    assert reply.status in expected
    assert reply.status not in (413, 415, 422) or "3,072 bytes" in reply.text
    assert health(small[0].port) == 200


@pytest.mark.parametrize("keep_alive", [False, True])
def test_a_client_that_sends_no_more_after_its_request_is_answered(keep_alive, small):
    message = malformed.request()
    if keep_alive:
        message = message.replace(b"Connection: close\r\n", b"")
    reply = malformed.send(small[0].port, message, half_close=True)
    assert reply.status == 200 and '"class"' in reply.text
    early = malformed.send(small[0].port, message[:-100], half_close=True)
    assert early.status in (400, 500, malformed.CUT_OFF) and health(small[0].port) == 200


@pytest.mark.parametrize("kind", ["application/octet-stream", "text/plain"])
@pytest.mark.parametrize("chunk", [10_000, 1])
def test_a_body_without_end_is_refused_and_holds_no_connection(kind, chunk, small):
    message = (f"POST /classify HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
               ).encode() + 2000 * (f"{chunk:x}\r\n".encode() + bytes(chunk) + b"\r\n")
    assert malformed.send(small[0].port, message).status in (408, 413, 415, malformed.CUT_OFF)
    end = time.monotonic() + 20 * TIMEOUT
    while connections(small[0].port) and time.monotonic() < end:
        time.sleep(0.1)
    assert not connections(small[0].port) and health(small[0].port) == 200


@pytest.mark.parametrize("size", [None, 60, -1])
def test_a_slow_head_is_cut_off(size, small):
    reply = malformed.send_slowly(small[0].port, malformed.request()[:size])
    assert reply.status == malformed.CUT_OFF and TIMEOUT / 2 < reply.seconds < 10 * TIMEOUT


def test_a_slow_body_is_told_and_cut_off(small):
    reply = malformed.send_half_a_body(small[0].port)
    assert reply.status == 408 and "did not arrive" in reply.text and reply.seconds < 10 * TIMEOUT


def test_silent_connections_are_closed_and_others_served(small):
    silent = [socket.create_connection(("127.0.0.1", small[0].port), 5) for _ in range(200)]
    try:
        assert health(small[0].port) == 200
        for connection in silent:
            connection.settimeout(20 * TIMEOUT)
            with suppress(ConnectionError):
                assert connection.recv(1) == b""
    finally:
        for connection in silent:
            connection.close()


def test_clients_that_hang_up_stop_nobody(small):
    for cut in (10, 200, None) * 20:
        malformed.hang_up(small[0].port, malformed.request()[:cut])
    load = small[1].open(small[0].port, 100, 1.0)
    assert load.count(open_loop.OK) == len(load.due) == 100 and load.wrong == 0


@quiet_machine
def test_who_finds_the_queue_full_hears_when_to_come_again(small):
    service, _ = small
    service.configure(max_batch=2, window=0.4, max_queue=1)
    try:
        with socket.create_connection(("127.0.0.1", service.port), 5) as first:
            first.sendall(malformed.request())
            time.sleep(0.1)
            with socket.create_connection(("127.0.0.1", service.port), 5) as second:
                second.sendall(malformed.request())
                head = second.recv(4096).lower()
            assert head.startswith(b"http/1.1 503") and b"retry-after: 1" in head
            assert first.recv(4096).startswith(b"HTTP/1.1 200")
    finally:
        service.configure()


@pytest.mark.parametrize("settings", [{"max_batch": 0}, {"max_queue": -1}, {"window": math.nan}])
def test_a_running_service_refuses_settings_and_goes_on(settings, small):
    with pytest.raises(HelperFailed, match="not"):
        small[0].configure(**settings)
    assert health(small[0].port) == 200


@quiet_machine
def test_an_answer_is_sent_at_once(small):
    """Nagle's algorithm and delayed acknowledgements would hold each back for some 40 ms."""
    load = small[1].closed(small[0].port, 1, 0.5)
    rest = load.answered - (load.waited + load.computed + load.handed)[load.status == open_loop.OK]
    assert np.median(rest) < 0.03


# A service that cannot start, and one that must end


def test_a_network_that_cannot_be_used_is_named(tmp_path):
    import onnx
    from onnx import TensorProto, helper

    whole = write(CatNet(4), tmp_path / "whole.onnx")
    (tmp_path / "cut.onnx").write_bytes(whole.read_bytes()[:1000])
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])], "other",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 7])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 7])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "other.onnx")
    for name, words in (("cut.onnx", "cut.onnx is no whole ONNX file"), ("none.onnx", "no such file"),
                        ("other.onnx", "not a network of this course")):
        with pytest.raises(HelperFailed, match=words), server.running(tmp_path / name):
            pass


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def test_nothing_runs_on_after_an_error(small):
    before = children()
    with pytest.raises(ZeroDivisionError), probe.standing(width=8):
        assert len(children()) == len(before) + 2
        raise ZeroDivisionError
    assert children() <= before


PARENT = """
import time
from labkit.measure.probes import serving
import psutil
with serving.standing(width=8) as (service, generator):
    print(*(child.pid for child in psutil.Process().children(recursive=True)), flush=True)
    generator.open(service.port, 50, 60)
"""


def test_nothing_survives_a_parent_that_was_killed():
    process = another_python(PARENT)
    try:
        helpers = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
        time.sleep(0.3)
    finally:
        process.kill()
        process.communicate(timeout=30)
    assert len(helpers) == 2
    _, alive = psutil.wait_procs(helpers, timeout=15)
    for one in alive:
        one.kill()
    assert not alive


# The generator


@quiet_machine
def test_an_open_loop_counts_from_when_a_request_was_due_and_a_closed_loop_hides_a_stop(small):
    service, generator = small
    service.configure(max_queue=1000)

    def meanwhile():
        time.sleep(0.5)
        service.stall(0.4)

    opened = generator.open(service.port, 100, 2.0, meanwhile=meanwhile)
    closed = generator.closed(service.port, 2, 2.0, meanwhile=meanwhile)
    assert opened.count(open_loop.OK) == len(opened.due) == 200
    assert closed.answered.max() > 0.3 and opened.answered.max() > 0.3  # both met the stop
    late = [float((load.answered > 0.1).mean()) for load in (opened, closed)]
    assert late[0] > 0.08 and late[1] < late[0] / 4
    assert (opened.seconds >= opened.sent).all() and 0 < opened.busy < 1


def test_a_wrong_answer_is_counted(tmp_path):
    path = write(DenseCats(8), tmp_path / "net.onnx")
    pictures = np.random.default_rng(0).integers(0, 256, (5, 3, 32, 32), np.uint8)
    right = Network(path).answers(pictures)
    with server.running(path) as service:
        for shift, wrong in ((0, 0), (1, 50)):
            with open_loop.running(pictures, (right + shift) % 3) as generator:
                load = generator.open(service.port, 200, 0.25)
                assert load.wrong == wrong and load.count(open_loop.OK) == 50


def test_a_server_that_is_not_there_is_no_answer(small):
    with pytest.raises(HelperFailed):
        small[1].open(free_port(), 100, 0.5)
    load = small[1].open(small[0].port, 100, 0.5)  # and the generator goes on
    assert load.count(open_loop.OK) == 50


def hanging_up(connection):
    connection.recv(2**16)


def garbage(connection):
    connection.recv(2**16)
    connection.sendall(b"SSH-2.0-OpenSSH\r\n\r\n")


@contextmanager
def pretending(behave):
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        def run():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=attend, args=(connection,), daemon=True).start()

        def attend(connection):
            with connection:
                connection.settimeout(5)
                with suppress(OSError):
                    behave(connection)

        threading.Thread(target=run, daemon=True).start()
        yield listener.getsockname()[1]


@pytest.mark.parametrize("behave", [hanging_up, garbage])
def test_a_server_that_talks_nonsense_has_answered_nothing(behave, small):
    with pretending(behave) as port:
        load = small[1].open(port, 100, 0.3)
    assert load.count(open_loop.LOST) == len(load.due) == 30


def test_replicas_get_requests_in_turn(small):
    with probe.standing(width=16) as (other, _):
        load = small[1].open([small[0].port, other.port], 200, 0.5)
    assert load.count(open_loop.OK) == 100 and load.wrong == 0


FEW_FILES = """
import time
from labkit.measure.probes import serving
with serving.standing(width=16, max_queue=1000) as (service, generator):
    def stop():
        time.sleep(0.2)
        service.stall(1.5)
    load = generator.open(service.port, 300, 2.5, meanwhile=stop)
print(load.count(200), load.count(0), load.count(-1), len(load.due), load.connections)
print(load.note)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="There is no ulimit.")
def test_too_few_open_files_are_told_as_the_clients_limit():
    command = 'ulimit -n 256; exec "$0" -c "$1"'
    told = subprocess.run(["sh", "-c", command, sys.executable, FEW_FILES], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert told.returncode == 0, told.stderr
    counts, note = told.stdout.splitlines()
    answered, lost, unsent, asked, limit = map(int, counts.split())
    assert lost == 0 and unsent > 0 and answered + unsent == asked and limit < 256
    assert f"{unsent:,} requests were not sent" in note and "ulimit -n" in note and "client's limit" in note


# Under load


@quiet_machine
def test_a_flood_is_shed_and_the_server_recovers():
    """`tests/nightly` lets ten thousand requests come first."""
    with probe.standing(width=1024, max_batch=2, max_queue=16) as (service, generator):
        capacity = min(generator.closed(service.port, 6, 0.7).rate for _ in range(3))
        before = generator.open(service.port, 0.2 * capacity, 1.0)
        flood = generator.open(service.port, 3 * capacity, 1.0)
        after = generator.open(service.port, 0.2 * capacity, 2.0)
    assert flood.count(open_loop.SHED) > len(flood.due) / 10 and flood.count(open_loop.OK) > 0
    assert set(flood.status) <= {open_loop.OK, open_loop.SHED, open_loop.UNSENT} and flood.wrong == 0
    recovered = after.due > 1
    assert (after.status[recovered] == open_loop.OK).all() and before.wrong == after.wrong == 0


@pytest.fixture
def here(monkeypatch):
    """A made-up calibration, and a small network, so that the testbed's own behaviour is what is tested."""
    monkeypatch.setattr(probe, "WIDTH", 16)
    return fakes.machine()


@quiet_machine
def test_a_real_point_is_measured_once_for_all_percentiles(here):
    experiment = lab.answers(here, testbed.ServerTestbed(here, most=2.0, tries=1))
    rows = compare(experiment, lab.points(here, (0.5,))).rows
    found = {row.point["percentile"]: row.measured for row in rows}
    assert 0 < found["p50"].value < found["p90"].value and found["p50"].low <= found["p50"].value
    assert "are needed" in found["p99.9"].reason
    assert found["p50"].speed > 0


@quiet_machine
def test_a_stop_of_the_server_is_seen_in_the_open_loop(here):
    bed = testbed.ServerTestbed(here)
    with bed.open():
        stop = testbed.stop_once(bed)
        flood = lab.flood(bed, here)
    assert stop.p99(testbed.OPEN).value > stop.stop / 2 and stop.share().value > 50
    closed = stop.p99(testbed.CLOSED)
    assert not closed or closed.value < stop.p99(testbed.OPEN).value
    assert flood.wrong == 0 and flood.lost == 0
