"""Lab 3.3: the service answers everybody who asks properly, and nobody else stops it; the generator loses and hides
nothing; the simulated queue keeps to the formulas where there are some.
"""

from __future__ import annotations

import asyncio
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

from labkit.checks import NOT_YET
from labkit.experiment import Outcome, compare
from labkit.labs.serving_under_load import checks as check
from labkit.labs.serving_under_load import experiments as serving
from labkit.labs.serving_under_load import figures
from labkit.measure import open_loop
from labkit.measure.probes import serving as probe
from labkit.models.datasets import cats
from labkit.models.networks.cats import CatNet
from labkit.models.networks.dense import DenseCats, DenseNet
from labkit.predict import queueing
from labkit.processes import HelperFailed
from labkit.runtimes.onnx_export import write
from labkit.serving import malformed, ray_app
from labkit.serving import process as server
from labkit.serving.app import CLASSES, Batcher, Full
from labkit.widgets.explorer import Explorer

PICTURE = bytes(3072)
PATIENCE = 1.0


@pytest.fixture(scope="module")
def small():
    """A quick service whose clients must hurry, and a generator."""
    with probe.standing(width=16, patience=PATIENCE) as (service, generator):
        yield service, generator


@pytest.fixture(scope="module")
def here():
    return fakes.machine()


def status(port: int) -> int:
    return malformed.ask(port, b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")[0]


# The queue, by itself


class Counting:
    """A network that notes the sizes of its batches, and can be made to fail or to wait."""

    def __init__(self, seconds: float = 0.0):
        self.sizes, self.seconds, self.broken = [], seconds, False

    def __call__(self, pictures):
        self.sizes.append(len(pictures))
        time.sleep(self.seconds)
        if self.broken:
            raise RuntimeError("out of order")
        scores = np.zeros((len(pictures), 3), np.float32)
        scores[np.arange(len(pictures)), (pictures[:, 0, 0, 0] > 0).astype(int)] = 1
        return scores


def through(network, work, **settings):
    """Run `work(batcher)` with a running queue."""
    async def run():
        batcher = Batcher(network, **settings)
        running = asyncio.create_task(batcher.run())
        try:
            return await asyncio.wait_for(work(batcher), 10)
        finally:
            running.cancel()

    return asyncio.run(run())


def many(batcher, count):
    return asyncio.gather(*(batcher.ask(PICTURE) for _ in range(count)), return_exceptions=True)


def test_the_queue_takes_what_waits_up_to_its_limit():
    network = Counting(0.02)

    async def work(batcher):
        first = asyncio.create_task(batcher.ask(PICTURE))
        await asyncio.sleep(0.005)
        return [await first, *await many(batcher, 6)]

    answers = through(network, work, limit=4)
    assert network.sizes == [1, 4, 2] and [answer["batch"] for answer in answers] == [1, 4, 4, 4, 4, 2, 2]
    assert answers[-1]["waited"] > answers[1]["waited"] > 0


def test_a_window_waits_for_more_but_not_once_the_batch_is_full():
    network = Counting()

    async def work(batcher):
        async def later():
            await asyncio.sleep(0.05)
            return await batcher.ask(PICTURE)

        await asyncio.gather(batcher.ask(PICTURE), later())
        batcher.settle(2, 60.0, 64)
        await many(batcher, 2)

    through(network, work, limit=4, window=0.3)
    assert network.sizes == [2, 2]


def test_every_answer_belongs_to_its_own_picture():
    pictures = [bytes([255 * (n % 3 == 0)]) * 3072 for n in range(20)]
    answers = through(Counting(), lambda batcher: asyncio.gather(*map(batcher.ask, pictures)), limit=3)
    assert [answer["class"] for answer in answers] == [CLASSES[int(n % 3 == 0)] for n in range(20)]


def test_a_full_queue_says_so_at_once():
    found = through(Counting(0.05), lambda batcher: many(batcher, 9), limit=2, room=5)
    assert [isinstance(answer, Full) for answer in found] == 5 * [False] + 4 * [True]


def test_a_network_that_fails_fails_one_batch():
    network = Counting()

    async def work(batcher):
        network.broken = True
        bad = await many(batcher, 2)
        network.broken = False
        return bad, await many(batcher, 2)

    bad, good = through(network, work)
    assert all(isinstance(answer, RuntimeError) for answer in bad) and {answer["class"] for answer in good} == {"cat"}


@pytest.mark.parametrize("settings", [{"limit": 0}, {"limit": 2.5}, {"limit": True}, {"room": 0}, {"window": -1},
                                      {"window": math.nan}, {"window": math.inf}, {"window": "1"}])
def test_settings_that_are_none_are_refused(settings):
    with pytest.raises(ValueError, match="not"):
        Batcher(Counting(), **settings)


def test_the_classes_are_those_of_the_pictures():
    assert CLASSES == cats.CLASSES


# The service, and clients of all kinds


@pytest.mark.parametrize(("name", "expected"), [
    ("a picture", 200), ("half a picture", 422), ("nothing", 422), ("a picture too many", 413),
    ("a gigabyte, announced", 413), ("a text", 415), ("no HTTP", 400), ("another page", 404)])
def test_whoever_asks_is_told(name, expected, small):
    found, words = malformed.ask(small[0].port, malformed.REQUESTS[name])
    assert found == expected
    assert expected not in (413, 415, 422) or "3,072 bytes" in words
    assert status(small[0].port) == 200


def test_an_endless_head_is_cut_off(small):
    assert malformed.ask(small[0].port, malformed.REQUESTS["an endless head"])[0] in (400, malformed.CUT_OFF)


def test_a_body_without_end_is_cut_off(small):
    message = (b"POST /classify HTTP/1.1\r\nHost: a\r\nContent-Type: application/octet-stream\r\n"
               b"Transfer-Encoding: chunked\r\n\r\n") + 200 * (b"2710\r\n" + bytes(10_000) + b"\r\n")
    assert malformed.ask(small[0].port, message)[0] in (413, malformed.CUT_OFF)
    assert status(small[0].port) == 200


@pytest.mark.parametrize(("message", "said"), [(malformed.request(), (malformed.CUT_OFF,)),
                                               (malformed.request()[:60], (malformed.CUT_OFF,)),
                                               (malformed.request()[:-1], (malformed.CUT_OFF,))])
def test_a_slow_head_is_cut_off(message, said, small):
    found, _, seconds = malformed.dawdle(small[0].port, message)
    assert found in said and PATIENCE / 2 < seconds < 10 * PATIENCE


def test_a_slow_body_is_told_and_cut_off(small):
    begin = time.monotonic()
    found, words = malformed.ask(small[0].port, malformed.request(PICTURE[:100], size=3072))
    assert found == 408 and "did not arrive" in words and time.monotonic() - begin < 10 * PATIENCE


def test_silent_connections_are_closed_and_others_served(small):
    lines = [socket.create_connection(("127.0.0.1", small[0].port), 5) for _ in range(200)]
    try:
        assert status(small[0].port) == 200
        for line in lines:
            line.settimeout(20 * PATIENCE)
            with suppress(ConnectionError):
                assert line.recv(1) == b""
    finally:
        for line in lines:
            line.close()


def test_clients_that_hang_up_stop_nobody(small):
    for cut in (10, 200, None) * 20:
        malformed.hang_up(small[0].port, malformed.request()[:cut])
    load = small[1].open(small[0].port, 100, 1.0)
    assert load.count(200) == len(load.due) == 100 and load.wrong == 0


def test_who_finds_the_queue_full_hears_when_to_come_again(small):
    service, _ = small
    service.settle(limit=2, window=0.4, room=1)
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
        service.settle()


@pytest.mark.parametrize("settings", [{"limit": 0}, {"room": -1}, {"window": math.nan}])
def test_a_running_service_refuses_settings_and_goes_on(settings, small):
    with pytest.raises(HelperFailed, match="not"):
        small[0].settle(**settings)
    assert status(small[0].port) == 200


# A service that cannot start, and one that must end


def test_a_damaged_network_is_named(tmp_path):
    whole = write(CatNet(4), tmp_path / "whole.onnx")
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(whole.read_bytes()[:1000])
    with pytest.raises(HelperFailed, match=r"cut.onnx is no whole ONNX file"), server.running(cut):
        pass
    with pytest.raises(HelperFailed, match="no such file"), server.running(tmp_path / "none.onnx"):
        pass


def test_a_network_of_another_shape_is_named(tmp_path, monkeypatch):
    import onnx
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])], "other",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 7])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 7])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(HelperFailed, match="not a network of this course"), server.running(tmp_path / "other.onnx"):
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
    process = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True,
                               env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    try:
        found = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
        time.sleep(0.3)
    finally:
        process.kill()
        process.communicate(timeout=30)
    assert len(found) == 2
    _, alive = psutil.wait_procs(found, timeout=15)
    for one in alive:
        one.kill()
    assert not alive


# The generator


@pytest.mark.parametrize("rate", [0, -1, math.nan, math.inf, True, None, "10"])
def test_a_rate_that_is_none_is_refused(rate, small):
    for ask in (lambda: open_loop.schedule(rate, 1), lambda: small[1].open(small[0].port, rate, 1)):
        with pytest.raises(ValueError, match="rate must be a finite number above 0"):
            ask()
    with pytest.raises(ValueError, match="rate must be a finite number above 0"):
        queueing.play(queueing.Service(((1, 0.01),)), rate, 1)


@pytest.mark.parametrize(("call", "words"), [
    (lambda: open_loop.schedule(10, 0), "seconds must be a finite number above 0"),
    (lambda: open_loop.schedule(0.1, 1), "make not one"),
    (lambda: open_loop.Generator(None).closed(1, 0, 1), "needs a client"),
    (lambda: open_loop.Generator(None).closed(1, 2, math.nan), "needs a client")])
def test_loads_that_are_none_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_arrivals_are_a_poisson_process():
    moments = open_loop.schedule(1000, 100, seed=1)
    gaps = np.diff(moments)
    assert len(moments) == 100_000 and gaps.mean() == pytest.approx(1e-3, rel=0.02)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.02)
    counts = np.histogram(moments, np.arange(0, 99, 0.1))[0]
    assert counts.var() == pytest.approx(counts.mean(), rel=0.2)
    assert (open_loop.schedule(1000, 100, seed=1) == moments).all()
    assert (open_loop.schedule(1000, 100, seed=2) != moments).any()
    assert np.diff(open_loop.schedule(10, 3, even=True)) == pytest.approx(0.1)


def test_an_open_loop_counts_from_when_a_request_was_due_and_a_closed_loop_hides_a_stop(small):
    service, generator = small
    service.settle(room=1000)

    def meanwhile():
        time.sleep(0.5)
        service.stall(0.4)

    opened = generator.open(service.port, 100, 2.0, meanwhile=meanwhile)
    closed = generator.closed(service.port, 2, 2.0, meanwhile=meanwhile)
    assert opened.count(200) == len(opened.due) == 200
    assert closed.answered.max() > 0.3 and opened.answered.max() > 0.3  # both met the stop
    late = [float((load.answered > 0.1).mean()) for load in (opened, closed)]
    assert late[0] > 0.08 and late[1] < late[0] / 4
    assert (opened.seconds >= opened.sent).all() and 0 < opened.busy < 1


def test_a_wrong_answer_is_counted(tmp_path):
    path = write(DenseCats(8), tmp_path / "net.onnx")
    pictures = np.random.default_rng(0).integers(0, 256, (5, 3, 32, 32), np.uint8)
    right = probe.Network(path).answers(pictures)
    with server.running(path) as service:
        for shift, wrong in ((0, 0), (1, 50)):
            with open_loop.running(pictures, (right + shift) % 3) as generator:
                load = generator.open(service.port, 200, 0.25)
                assert load.wrong == wrong and load.count(200) == 50


def test_a_server_that_is_not_there_is_no_answer(small):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(HelperFailed):
        small[1].open(port, 100, 0.5)
    load = small[1].open(small[0].port, 100, 0.5)  # and the generator goes on
    assert load.count(200) == 50


def hanging_up(line):
    line.recv(2**16)


def garbage(line):
    line.recv(2**16)
    line.sendall(b"SSH-2.0-OpenSSH\r\n\r\n")


@contextmanager
def pretending(behave):
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        def run():
            while True:
                try:
                    line, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=attend, args=(line,), daemon=True).start()

        def attend(line):
            with line:
                line.settimeout(5)
                with suppress(OSError):
                    behave(line)

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
    assert load.count(200) == 100 and load.wrong == 0


# Under load


@pytest.mark.slow
def test_ten_thousand_requests_then_twice_the_capacity_then_recovery():
    with probe.standing(width=2048, limit=2, room=5_000) as (service, generator):
        generator.closed(service.port, 6, 0.5)
        for _ in range(3):  # a machine that slows down meanwhile has less capacity, and sheds
            capacity = min(generator.closed(service.port, 6, 1.0).rate for _ in range(3))
            load = generator.open(service.port, 0.8 * capacity, 10_000 / (0.8 * capacity))
            assert len(load.due) == 10_000 == load.count(200) + load.count(503) and load.wrong == 0
            if load.count(200) == 10_000:
                break
        assert load.count(200) == 10_000

        service.settle(limit=2, room=32)
        before = generator.open(service.port, 0.2 * capacity, 1.0)
        flood = generator.open(service.port, 2 * capacity, 3.0)
        after = generator.open(service.port, 0.2 * capacity, 3.0)
    assert flood.count(503) > len(flood.due) / 10 and flood.count(200) > 0
    assert flood.count(503) + flood.count(200) == len(flood.due) and flood.wrong == 0
    assert np.median(flood.seconds[flood.status == 503]) < np.median(flood.answered)
    recovered = after.due > 2
    assert (after.status[recovered] == 200).all()
    assert np.median(after.seconds[recovered]) < 5 * np.median(before.answered) < 5 * np.median(flood.answered)


# The simulated queue


EXPONENTIAL = tuple(-np.log(1 - (np.arange(2000) + 0.5) / 2000))


@pytest.mark.parametrize("load", [0.3, 0.5, 0.8])
@pytest.mark.parametrize(("spread", "variation"), [((1.0,), 0.0), (EXPONENTIAL, 1.0)])
def test_one_at_a_time_waits_as_the_formula_says(load, spread, variation):
    service = queueing.Service(((1, 0.01),), spread)
    played = queueing.play(service, 100 * load, 1, room=10**9, count=100_000)
    expected = queueing.mean_wait(100 * load, 0.01, variation)
    assert played.waiting.mean() == pytest.approx(expected, rel=0.1)
    assert played.answered.mean() == pytest.approx(expected + 0.01, rel=0.06) and played.shed == 0


def test_the_percentiles_of_mm1_are_exponential():
    played = queueing.play(queueing.Service(((1, 0.01),), EXPONENTIAL), 50, 1, room=10**9, count=100_000)
    for share in (50, 90, 99):  # of all the time in the system: exponential with the mean 1 / (service rate - arrivals)
        expected = -math.log(1 - share / 100) / (100 - 50)
        assert played.percentile(share)[0] == pytest.approx(expected, rel=0.08)


def test_a_queue_with_little_room_turns_away_as_the_formula_says():
    room = 4  # M/M/1/K with one in service and four waiting
    for load in (0.8, 1.5):
        played = queueing.play(queueing.Service(((1, 0.01),), EXPONENTIAL), 100 * load, 1, room=room, count=100_000)
        expected = (1 - load) * load ** (room + 1) / (1 - load ** (room + 2))
        assert played.shed == pytest.approx(expected, rel=0.06)


def test_littles_law():
    service = queueing.Service(((1, 0.006), (8, 0.012)), (0.9, 1.1), 5e-4, 2e-4)
    count, rate = 20_000, 300.0
    played = queueing.play(service, rate, 8, room=10**9, count=count)
    arrived = np.cumsum(np.random.default_rng(queueing.SEED).exponential(1 / rate, count))[count // 10:]
    left = arrived + played.seconds
    moments = np.linspace(arrived[1000], arrived[-1000], 4000)
    inside = np.searchsorted(arrived, moments) - np.searchsorted(np.sort(left), moments)
    assert inside.mean() == pytest.approx(rate * played.seconds.mean(), rel=0.03)


SERVICE = queueing.Service(((1, 0.006), (2, 0.0065), (4, 0.008), (8, 0.011)), (0.95, 1.0, 1.05), 5e-4, 3e-4,
                           (1e-4, 3e-4))


def test_more_arrivals_take_longer_and_batches_and_replicas_help():
    most = queueing.capacity(SERVICE, 4)
    slower = [queueing.play(SERVICE, load * most, 4).percentile(99)[0] for load in (0.1, 0.5, 0.8, 1.0, 1.5)]
    assert slower == sorted(slower)
    assert queueing.play(SERVICE, 0.9 * most, 8).percentile(99)[0] < slower[2]
    assert queueing.play(SERVICE, 0.9 * most, 4, replicas=2).percentile(99)[0] < slower[2]
    alone = queueing.play(SERVICE, 0.01 * most, 4).percentile(50)[0]
    assert alone == pytest.approx(SERVICE.idle, rel=0.06)
    assert queueing.play(SERVICE, 0.01 * most, 4, 0.02).percentile(50)[0] == pytest.approx(alone + 0.02, rel=0.06)


def test_what_is_let_in_is_what_the_server_can_do():
    for limit in (1, 4, 8):
        most = queueing.capacity(SERVICE, limit)
        played = queueing.play(SERVICE, 2 * most, limit)
        assert 2 * (1 - played.shed) == pytest.approx(1, rel=0.1)
        assert played.percentile(50)[0] == pytest.approx(64 / most, rel=0.25)  # a full queue, and itself


def test_an_event_loop_that_is_slower_than_the_network_is_the_limit():
    slow = queueing.Service(((1, 1e-4), (8, 2e-4)), handling=1e-3)
    assert queueing.capacity(slow, 8) == pytest.approx(1000)
    few, many = (queueing.play(slow, rate, 8).percentile(50)[0] for rate in (500, 1200))
    assert many > 20 * few


def test_the_parts_of_a_percentile_add_up():
    for load in (0.2, 0.9, 1.4):
        for share in (50, 99, 99.9):
            value, parts = queueing.play(SERVICE, load * 480, 4).percentile(share)
            assert sum(parts.values()) == pytest.approx(value) and min(parts.values()) >= 0


def test_the_knee_lies_where_the_median_trebles():
    knee = queueing.knee(SERVICE, 4)
    below, above = (queueing.play(SERVICE, rate, 4).percentile(50)[0] for rate in (0.97 * knee, 1.03 * knee))
    assert below < 3 * SERVICE.idle < above and 0.6 < knee / queueing.capacity(SERVICE, 4) < 1.1


def test_a_crossing_lies_between_its_points_or_is_named():
    assert queueing.crossing([1, 2, 3], [1, 1, 100], 10) == (2.5, 2, 3)
    with pytest.raises(ValueError, match="passes 10 s"):
        queueing.crossing([1, 2], [1, 2], 10)


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"room": 0}, {"replicas": 0}, {"window": math.nan}, {"count": 0}])
def test_queues_that_are_none_are_refused(wrong):
    with pytest.raises(ValueError, match="from 1 up"):
        queueing.play(SERVICE, **{"rate": 10, "limit": 1, **wrong})


def test_a_textbook_queue_at_full_load_waits_for_ever():
    assert queueing.mean_wait(100, 0.01) == math.inf and queueing.mean_wait(0, 0.01) == 0
    with pytest.raises(ValueError, match="finite numbers"):
        queueing.mean_wait(math.nan, 1)


# The experiment


def test_predictions_cover_the_sliders_and_say_who_is_turned_away(here):
    experiment = serving.answers(here)
    point = {**experiment.start, "rate": serving.at(here, 2.0)}
    assert "turned away" in experiment.predict(**point).note
    near, far = (experiment.predict(**{**point, "trip": trip}) for trip in (0.0, 0.05))
    assert far.value == pytest.approx(near.value + 0.05)
    assert list(serving.rates(here)) == sorted(set(serving.rates(here)))
    for _, points in serving.validation(here):
        assert points and all(experiment.check(point) for point in points)


def test_what_cannot_be_measured_says_why(here, monkeypatch):
    experiment = serving.answers(here)
    assert "Lab 4.4" in experiment.measure(**{**experiment.start, "trip": 0.01}).reason
    monkeypatch.setattr("labkit.device.cores", lambda: 2.0)
    assert "need about 8 cores" in experiment.measure(**{**experiment.start, "replicas": 4}).reason
    assert serving.too_few_cores(1) is None
    monkeypatch.setattr("labkit.device.cores", lambda: 4.0)
    assert serving.too_few_cores(2) is None


def test_a_real_point_is_measured_once_for_all_percentiles(here, monkeypatch):
    monkeypatch.setattr(probe, "WIDTH", 16)
    experiment = serving.answers(here, 1.0, tries=1)
    before = children()
    rows = compare(experiment, serving.points(here, (0.5,))).rows
    found = {row.point["share"]: row.measured for row in rows}
    assert 0 < found["p50"].value < found["p90"].value and found["p50"].low <= found["p50"].value
    assert "2,995 are needed" in found["p99.9"].reason
    assert found["p50"].clock > 0 and children() <= before


def test_the_explorer_shows_it(here, monkeypatch):
    monkeypatch.setattr(queueing.play, "__defaults__", (0.0, 64, 1, 300, queueing.SEED))
    explorer = Explorer(serving.answers(here), x="rate", presets={"one": dict(limit=1)})
    explorer.point = dict(limit=8)
    assert "batches of up to 8" in explorer.text()


def test_figures_have_something_on_them():
    some = Outcome(0.01, "s", low=0.009, high=0.012)
    drawn = figures.under_load([1, 2], {"p50": [0.01, 0.02]}, {"p50": ([1], [some])}, 1.5)
    assert len(drawn.axes[0].lines) >= 2 and drawn.axes[0].get_xlabel()
    assert len(figures.slow_shares({"a": [0.1, 0.2], "b": [0.3]}).axes[0].lines) == 2


def test_the_checks_take_any_right_answer(here, capsys):
    assert check.inside(None, 100, 0.02) is None and NOT_YET in capsys.readouterr().out
    assert check.inside(2, 100, 0.02) and not check.inside(3, 100, 0.02)
    assert check.waits(2.0, 0.8) and not check.waits(4.0, 0.8)
    within = [rate for rate in serving.rates(here) if queueing.play(
        serving.service(here), rate, serving.LIMIT, room=serving.ROOM).percentile(99)[0] <= 0.02]
    assert check.fastest(max(within), here, 0.02) and not check.fastest(min(within) / 2, here, 0.02)
    assert check.fastest(0, here, 1e-6) and not check.fastest(10, here, 1e-6)
    busy = serving.at(here, 1.1)
    assert check.setting(serving.shortest(here, busy), here, busy)
    for wrong in ((1, 0.0), (3, 0.0), 8, "all"):
        assert not check.setting(wrong, here, busy)


# Ray Serve


def test_without_ray_the_way_to_get_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RuntimeError, match=r"cluster-to-edge\[ray\]"):
        ray_app.deployment("network.onnx")


@pytest.mark.slow
def test_the_same_app_runs_on_ray_serve(tmp_path):
    ray = pytest.importorskip("ray", reason="Ray Serve is an optional extra: pip install 'cluster-to-edge[ray]'")
    from ray import serve

    network = write(DenseCats(8), tmp_path / "net.onnx")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ray.init(num_cpus=2, include_dashboard=False, configure_logging=False)
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        serve.run(ray_app.deployment(network, limit=4))
        found, words = malformed.ask(port, malformed.request())
        assert found == 200 and '"class"' in words
        assert malformed.ask(port, malformed.request(b""))[0] == 422
    finally:
        serve.shutdown()
        ray.shutdown()


def test_a_dense_network_has_a_width():
    with pytest.raises(ValueError, match="whole width"):
        DenseCats(0)
    assert len(DenseNet(4, 1)) == 2
