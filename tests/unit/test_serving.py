"""Lab 3.3 without a server: the queue that makes batches, the schedule of requests, the simulated queue, which keeps
to the formulas where there are some, and what the lab makes of whatever was measured.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
import time
from contextlib import asynccontextmanager
from types import SimpleNamespace

import fakes
import numpy as np
import pytest

from labkit.checks import NOT_ATTEMPTED
from labkit.experiment import Comparison, Outcome, Row, Unavailable
from labkit.labs.serving_under_load import checks as check
from labkit.labs.serving_under_load import experiments as lab
from labkit.labs.serving_under_load import figures, tables, testbed
from labkit.least_squares import two_costs
from labkit.measure import open_loop
from labkit.models.networks.dense import DenseCats, DenseNet
from labkit.predict import queueing
from labkit.serving import open_files, ray_app
from labkit.serving.app import create
from labkit.serving.batcher import Batcher, QueueFull, Stopped
from labkit.specs.network import CLASS_NAMES
from labkit.widgets.explorer import Explorer

PICTURE = bytes(3072)


@pytest.fixture(scope="module")
def here():
    return fakes.machine()


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
        async with Batcher(network, **settings) as batcher:
            return await asyncio.wait_for(work(batcher), 10)

    return asyncio.run(run())


def many(batcher, count):
    return asyncio.gather(*(batcher.ask(PICTURE) for _ in range(count)), return_exceptions=True)


def test_the_queue_takes_what_waits_up_to_its_limit():
    network = Counting(0.02)

    async def work(batcher):
        first = asyncio.create_task(batcher.ask(PICTURE))
        await asyncio.sleep(0.005)
        return [await first, *await many(batcher, 6)]

    answers = through(network, work, max_batch=4)
    assert network.sizes == [1, 4, 2] and [answer["batch"] for answer in answers] == [1, 4, 4, 4, 4, 2, 2]
    assert answers[-1]["waited"] > answers[1]["waited"] > 0


def test_a_window_waits_for_more_but_not_once_the_batch_is_full():
    network = Counting()

    async def work(batcher):
        async def later():
            await asyncio.sleep(0.05)
            return await batcher.ask(PICTURE)

        await asyncio.gather(batcher.ask(PICTURE), later())
        batcher.configure(2, 60.0, 64)
        await many(batcher, 2)

    through(network, work, max_batch=4, window=0.3)
    assert network.sizes == [2, 2]


def test_every_answer_belongs_to_its_own_picture():
    pictures = [bytes([255 * (n % 3 == 0)]) * 3072 for n in range(20)]
    answers = through(Counting(), lambda batcher: asyncio.gather(*map(batcher.ask, pictures)), max_batch=3)
    assert [answer["class"] for answer in answers] == [CLASS_NAMES[int(n % 3 == 0)] for n in range(20)]


def test_a_full_queue_says_so_at_once():
    found = through(Counting(0.05), lambda batcher: many(batcher, 9), max_batch=2, max_queue=5)
    assert [isinstance(answer, QueueFull) for answer in found] == 5 * [False] + 4 * [True]


def test_a_network_that_fails_fails_one_batch():
    network = Counting()

    async def work(batcher):
        network.broken = True
        bad = await many(batcher, 2)
        network.broken = False
        return bad, await many(batcher, 2)

    bad, good = through(network, work)
    assert all(isinstance(answer, RuntimeError) for answer in bad) and {answer["class"] for answer in good} == {"cat"}


@pytest.mark.parametrize("settings", [{"max_batch": 0}, {"max_batch": 2.5}, {"max_queue": 0}, {"window": -1},
                                      {"window": math.nan}, {"window": math.inf}, {"window": "1"}])
def test_settings_that_are_none_are_refused(settings):
    with pytest.raises(ValueError, match="not"):
        Batcher(Counting(), **settings)


def test_who_is_cancelled_while_a_batch_computes_costs_nobody_else_an_answer():
    async def work(batcher):
        first, second = (asyncio.create_task(batcher.ask(PICTURE)) for _ in range(2))
        await asyncio.sleep(0.02)
        first.cancel()
        return await second, await batcher.ask(PICTURE), batcher.running

    second, later, running = through(Counting(0.06), work)
    assert second["class"] == later["class"] == "cat" and running


def test_what_gives_no_scores_for_a_picture_fails_one_batch():
    answers = iter([np.zeros((1, 3)), np.zeros((2, 3))])

    async def work(batcher):
        return await many(batcher, 2), await many(batcher, 2), batcher.running

    bad, good, running = through(lambda pictures: next(answers), work)
    assert isinstance(bad[-1], ValueError) and good[0]["class"] == good[1]["class"] == "cat" and running


def test_a_queue_that_has_ended_leaves_nobody_waiting():
    async def work(batcher):
        waiting = [asyncio.create_task(batcher.ask(PICTURE)) for _ in range(6)]
        await asyncio.sleep(0.02)
        batcher._task.cancel()
        return await asyncio.gather(*waiting, batcher.ask(PICTURE), return_exceptions=True)

    assert all(isinstance(answer, Stopped) for answer in through(Counting(0.05), work, max_batch=2))


def test_the_health_of_a_service_shows_a_dead_part():
    app = create(lambda: Counting())

    async def run():
        async with app.router.lifespan_context(app), asking(app) as ask:
            ready = await ask("GET", "/health")
            app.state.batcher._task.cancel()
            await asyncio.sleep(0.01)
            return ready, await ask("GET", "/health"), await ask("POST", "/classify", PICTURE)

    ready, dead, answer = asyncio.run(run())
    assert ready == (200, "ready") and dead == (503, "stopped") and answer[0] == 503


@asynccontextmanager
async def asking(app):
    """Yield a function that asks an ASGI service by itself, without a server."""
    async def ask(method, path, body=b""):
        sent = []
        scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
                 "headers": [(b"content-type", b"application/octet-stream")], "app": app, "http_version": "1.1",
                 "root_path": "", "scheme": "http", "server": ("a", 1), "client": ("a", 2)}

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        await app(scope, receive, send)
        content = json.loads(b"".join(message.get("body", b"") for message in sent[1:]))
        return sent[0]["status"], content.get("status")

    yield ask


# The schedule of requests


@pytest.mark.parametrize("rate", [0, -1, math.nan, math.inf, True, None, "10"])
def test_a_rate_that_is_none_is_refused(rate):
    for ask in (lambda: open_loop.schedule(rate, 1), lambda: open_loop.Generator(None).open(1, rate, 1)):
        with pytest.raises(ValueError, match="rate must be a finite number above 0"):
            ask()
    with pytest.raises(ValueError, match="rate must be a finite number above 0"):
        queueing.Queue(rate, 1)


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


# The simulated queue


def play(service, rate, max_batch, window=0.0, count=queueing.ARRIVALS, **settings):
    return queueing.play(service, queueing.Queue(rate, max_batch, window, **settings), count)


EXPONENTIAL = tuple(-np.log(1 - (np.arange(2000) + 0.5) / 2000))


@pytest.mark.parametrize("load", [0.3, 0.5, 0.8])
@pytest.mark.parametrize(("spread", "variation"), [((1.0,), 0.0), (EXPONENTIAL, 1.0)])
def test_one_at_a_time_waits_as_the_formula_says(load, spread, variation):
    service = queueing.Service(((1, 0.01),), spread)
    played = play(service, 100 * load, 1, max_queue=10**9, count=50_000)
    expected = queueing.pollaczek_khinchine(100 * load, 0.01, variation)
    assert played.waiting.mean() == pytest.approx(expected, rel=0.1)
    assert played.answered.mean() == pytest.approx(expected + 0.01, rel=0.06) and played.shed == 0


def test_the_percentiles_of_mm1_are_exponential():
    played = play(queueing.Service(((1, 0.01),), EXPONENTIAL), 50, 1, max_queue=10**9, count=50_000)
    for share in (50, 90, 99):  # of all the time in the system: exponential with the mean 1 / (service rate - arrivals)
        expected = -math.log(1 - share / 100) / (100 - 50)
        assert played.percentile(share)[0] == pytest.approx(expected, rel=0.08)


def test_a_queue_with_little_room_turns_away_as_the_formula_says():
    room = 4  # M/M/1/K with one in service and four waiting
    for load in (0.8, 1.5):
        played = play(queueing.Service(((1, 0.01),), EXPONENTIAL), 100 * load, 1, max_queue=room, count=100_000)
        expected = (1 - load) * load ** (room + 1) / (1 - load ** (room + 2))
        assert played.shed == pytest.approx(expected, rel=0.06)


def test_littles_law():
    service = queueing.Service(((1, 0.006), (8, 0.012)), (0.9, 1.1), 5e-4, 2e-4)
    count, rate = 20_000, 300.0
    played = play(service, rate, 8, max_queue=10**9, count=count)
    arrived = np.cumsum(np.random.default_rng(queueing.SEED).exponential(1 / rate, count))[count // 10:]
    left = arrived + played.seconds
    moments = np.linspace(arrived[1000], arrived[-1000], 4000)
    inside = np.searchsorted(arrived, moments) - np.searchsorted(np.sort(left), moments)
    assert inside.mean() == pytest.approx(rate * played.seconds.mean(), rel=0.03)


SERVICE = queueing.Service(((1, 0.006), (2, 0.0065), (4, 0.008), (8, 0.011)), (0.95, 1.0, 1.05), 5e-4, 3e-4,
                           (1e-4, 3e-4))


def test_more_arrivals_take_longer_and_batches_and_replicas_help():
    most = queueing.capacity(SERVICE, 4)
    slower = [play(SERVICE, load * most, 4).percentile(99)[0] for load in (0.1, 0.5, 0.8, 1.0, 1.5)]
    assert slower == sorted(slower)
    assert play(SERVICE, 0.9 * most, 8).percentile(99)[0] < slower[2]
    assert play(SERVICE, 0.9 * most, 4, replicas=2).percentile(99)[0] < slower[2]
    alone = play(SERVICE, 0.01 * most, 4).percentile(50)[0]
    assert alone == pytest.approx(SERVICE.idle, rel=0.06)
    assert play(SERVICE, 0.01 * most, 4, 0.02).percentile(50)[0] == pytest.approx(alone + 0.02, rel=0.06)


def test_what_is_let_in_is_what_the_server_can_do():
    for limit in (1, 4, 8):
        most = queueing.capacity(SERVICE, limit)
        played = play(SERVICE, 2 * most, limit)
        assert 2 * (1 - played.shed) == pytest.approx(1, rel=0.1)
        assert played.percentile(50)[0] == pytest.approx(64 / most, rel=0.25)  # a full queue, and itself


def test_an_event_loop_that_is_slower_than_the_network_is_the_limit():
    slow = queueing.Service(((1, 1e-4), (8, 2e-4)), per_request=1e-3)
    assert queueing.capacity(slow, 8) == pytest.approx(1000)
    few, many = (play(slow, rate, 8).percentile(50)[0] for rate in (500, 1200))
    assert many > 20 * few


def test_the_parts_of_a_percentile_add_up():
    for load in (0.2, 0.9, 1.4):
        for share in (50, 99, 99.9):
            value, parts = play(SERVICE, load * 480, 4).percentile(share)
            assert sum(parts.values()) == pytest.approx(value) and min(parts.values()) >= 0


def test_the_knee_lies_where_the_median_trebles():
    knee = queueing.knee(SERVICE, 4)
    below, above = (play(SERVICE, rate, 4).percentile(50)[0] for rate in (0.97 * knee, 1.03 * knee))
    assert below < 3 * SERVICE.idle < above and 0.6 < knee / queueing.capacity(SERVICE, 4) < 1.1


def test_a_crossing_lies_between_its_points_or_is_named():
    assert queueing.crossing([1, 2, 3], [1, 1, 100], 10) == (2.5, 2, 3)
    with pytest.raises(ValueError, match="passes 10 s"):
        queueing.crossing([1, 2], [1, 2], 10)


@pytest.mark.parametrize("wrong", [{"max_batch": 0}, {"max_queue": 0}, {"replicas": 0}, {"window": math.nan}])
def test_queues_that_are_none_are_refused(wrong):
    with pytest.raises(ValueError, match="from 1 up"):
        queueing.Queue(**{"rate": 10, "max_batch": 1, **wrong})


def test_a_textbook_queue_at_full_load_waits_for_ever():
    assert queueing.pollaczek_khinchine(100, 0.01) == math.inf and queueing.pollaczek_khinchine(0, 0.01) == 0
    with pytest.raises(ValueError, match="finite numbers"):
        queueing.pollaczek_khinchine(math.nan, 1)


# The experiment


def test_predictions_cover_the_sliders_and_say_who_is_turned_away(here):
    experiment = lab.answers(here)
    point = {**experiment.start, "rate": lab.at(here, 2.0)}
    assert "turned away" in experiment.predict(**point).note
    near, far = (experiment.predict(**{**point, "trip": trip}) for trip in (0.0, 0.05))
    assert far.value == pytest.approx(near.value + 0.05)
    assert list(lab.rates(here)) == sorted(set(lab.rates(here)))
    for _, points in lab.validation(here):
        assert points and all(experiment.check(point) for point in points)


def test_what_cannot_be_measured_says_why(here, monkeypatch):
    experiment = lab.answers(here)
    assert "Lab 4.4" in experiment.measure(**{**experiment.start, "trip": 0.01}).reason
    monkeypatch.setattr("labkit.host.cores", lambda: 2.0)
    assert "need about 8 cores" in experiment.measure(**{**experiment.start, "replicas": 4}).reason
    assert lab.too_few_cores(1) is None
    monkeypatch.setattr("labkit.host.cores", lambda: 4.0)
    assert lab.too_few_cores(2) is None


def test_the_explorer_shows_it(here, monkeypatch):
    monkeypatch.setattr(queueing, "ARRIVALS", 300)
    for name, values in (("WINDOWS", (0.0,)), ("REPLICAS", (1, 2)), ("TRIPS", (0.0, 0.05))):
        monkeypatch.setattr(lab, name, values)
    explorer = Explorer(lab.answers(here), x="rate", presets={"one": dict(max_batch=1)})
    explorer.point = dict(max_batch=8)
    assert "batches of up to 8" in explorer.text()


def load(seconds, status=None):
    """What a generator would have noted of answers that took so long."""
    n = len(seconds)
    status = np.full(n, open_loop.OK) if status is None else np.array(status)
    blank = np.zeros(n)
    return open_loop.Load(np.linspace(0.0, 1.0, n), blank, np.array(seconds), status, np.ones(n, bool), blank, blank,
                          blank, blank, 0.1, 900)


def comparison(here, outcome):
    """A comparison in which every point came out as `outcome(point)` says."""
    experiment, points = lab.answers(here), lab.lab_points(here)
    return Comparison(experiment, tuple(
        Row(point, experiment.predict(**point), outcome(point)) for point in points))


@pytest.mark.parametrize("some", [lambda point: Unavailable("Too slow."), lambda point: Outcome(0.01, "s", speed=1.0),
                                  lambda point: Outcome(0.01, "s") if point["percentile"] == "p50" else
                                  Unavailable("Too few.")])
def test_whatever_was_measured_the_lab_shows_it(here, some):
    seen = comparison(here, some)
    assert tables.percentiles(seen).rows and figures.under_load(here, seen).axes[0].lines
    lab.knees(here, seen)
    assert lab.measured(seen, lab.at(here, 0.8), "p99") is not None
    nothing = testbed.Stop({}, trouble="It did not start.")
    for stop in (nothing, testbed.Stop({testbed.OPEN: load([0.1] * 50), testbed.CLOSED: load([0.1] * 9)}, 4, 1.0, 0.1)):
        assert tables.stop(stop) and figures.slow_shares(stop) and not stop.p99(testbed.CLOSED)
    assert nothing.share().reason == "It did not start."
    for flood in (lab.Flood(Unavailable("No."), Unavailable("No.")),
                  lab.Flood(testbed.LoadPoint(load([0.1] * 400), 1.0, 0.0), Unavailable("No."), http_binds=True)):
        assert tables.flood(flood, here).rows and not flood.shed


def test_points_last_until_they_carry_their_percentile_or_their_time_is_over(here):
    bed = testbed.ServerTestbed(here, most=10.0, percentile=99)
    assert 299 / 0.9 < 200 * bed.seconds(200) < 450 and bed.seconds(5) == 10.0 and bed.seconds(1e4) >= 1.0
    assert bed.seconds(0.1) * 0.1 >= 1  # one request at least


def test_what_the_generator_could_not_send_is_its_own_limit():
    limited = load([0.1, 0.2, math.nan], [open_loop.OK, open_loop.OK, open_loop.UNSENT])
    assert "1 requests were not sent" in limited.note and "client's limit" in limited.note
    assert not load([0.1]).note and math.isnan(load([0.1]).rate)


def test_the_checks_take_any_right_answer(here):
    assert check.inside(None, 100, 0.02).state == NOT_ATTEMPTED
    assert check.inside(2, 100, 0.02) and not check.inside(3, 100, 0.02)
    assert check.waits(2.0, 0.8) and not check.waits(4.0, 0.8)
    within = [rate for rate in lab.rates(here) if play(
        lab.service(here), rate, lab.MAX_BATCH, max_queue=lab.MAX_QUEUE).percentile(99)[0] <= 0.02]
    assert check.fastest(max(within), here, 0.02) and not check.fastest(min(within) / 2, here, 0.02)
    assert check.fastest(0, here, 1e-6) and not check.fastest(10, here, 1e-6)
    busy = lab.at(here, 1.1)
    assert check.setting(lab.shortest(here, busy), here, busy)
    for wrong in ((1, 0.0), (3, 0.0), 8, "all"):
        assert not check.setting(wrong, here, busy)


# Ray Serve, and open files


def test_without_ray_the_way_to_get_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RuntimeError, match=r"cluster-to-edge\[ray\]"):
        ray_app.deployment("network.onnx")


def test_open_files_leave_so_many_connections(monkeypatch):
    limits = {}
    resource = SimpleNamespace(RLIMIT_NOFILE=7, RLIM_INFINITY=-1, getrlimit=lambda which: limits["now"],
                               setrlimit=lambda which, pair: limits.update(now=pair))
    monkeypatch.setattr(open_files, "resource", resource)
    for now, connections in (((256, 256), 224), ((256, 4096), 900), ((1024, -1), 900), ((-1, -1), 900), ((20, 20), 1)):
        limits["now"] = now
        assert open_files.allow_connections(900) == connections


@pytest.mark.parametrize("times", [(3.0, 2.0, 2.5, 1.0), (0.1, 2.0, 5.0, 9.0), (1.0, 1.2, 1.5, 1.6), (1.0,) * 4])
def test_a_batch_takes_time_whatever_disturbed_its_calibration(times):
    sizes = (1, 3, 6, 8)
    start, slope = two_costs([(1, size) for size in sizes], times)
    assert slope >= 0 and start >= 0 and slope + start > 0
    assert start + 8 * slope >= start + slope

    def off(slope, start):
        return sum((start + slope * size - seconds) ** 2 for size, seconds in zip(sizes, times, strict=True))

    assert all(off(slope, start) <= off(max(slope + a, 0), max(start + b, 0)) + 1e-9
               for a in (-0.01, 0, 0.01) for b in (-0.01, 0, 0.01))


def test_a_dense_network_has_a_width():
    with pytest.raises(ValueError, match="whole width"):
        DenseCats(0)
    assert len(DenseNet(4, 1)) == 2
