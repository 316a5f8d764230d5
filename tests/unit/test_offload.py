"""Lab 4.4: an answer is the same wherever it is computed; late, missing and senseless ones stop nobody; the predicted
time of one is the sum of its parts.
"""

from __future__ import annotations

import json
import math
import os
import socket
import struct
import threading
import time
from contextlib import contextmanager, suppress
from itertools import pairwise

import fakes
import numpy as np
import pytest
import torch
from ports import free_port

from labkit.checks import NOT_ATTEMPTED, WRONG
from labkit.experiment import Unavailable
from labkit.labs.edge_cloud_or_both import checks as check
from labkit.labs.edge_cloud_or_both import experiments as offload
from labkit.labs.edge_cloud_or_both import figures, testbed
from labkit.measure.probes import offload as probe
from labkit.models.evaluation import evaluate
from labkit.models.networks.cats import CatNet, as_input
from labkit.netem import link
from labkit.offload import cloud as clouds
from labkit.offload import parts, wire
from labkit.offload.edge import CLOUD, EDGE, FALLBACK, Answer, CloudConnection, Device
from labkit.offload.wire import BadAnswer, NoAnswer
from labkit.predict import offload as predicted
from labkit.specs import network
from labkit.specs.link import LinkSpec
from labkit.specs.network import payload
from labkit.widgets.explorer import Explorer

WIDTH = 4


@pytest.fixture(scope="module")
def here():
    return fakes.machine(calibrations={"offload": fakes.offload()})


@pytest.fixture(scope="module")
def team():
    return offload.untrained(widths=(2, WIDTH))


@pytest.fixture(scope="module")
def large():
    torch.manual_seed(1)
    return CatNet(WIDTH).eval()


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(2)
    return CatNet(2).eval()


@pytest.fixture(scope="module")
def pictures():
    return torch.randint(0, 256, (12, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


def dialling(port: int):
    return lambda limit: socket.create_connection(("127.0.0.1", port), timeout=limit)


@pytest.fixture(scope="module")
def cloud(large):
    """The address of a real cloud, in a thread of this process."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        served = clouds.Cloud(large, listener)
        threading.Thread(target=served.run, daemon=True).start()
        yield listener.getsockname()[1]


@contextmanager
def pretending(behave):
    """Serve one connection after the other with `behave(line)`; yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        over = threading.Event()

        def run():
            while not over.is_set():
                try:
                    line, _ = listener.accept()
                except OSError:
                    continue
                line.settimeout(5)
                with line, suppress(OSError):
                    behave(line, over)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        over.set()
        thread.join(10)
        assert not thread.is_alive()


def request(line: socket.socket) -> tuple[int, int]:
    """Read one request; return what it is and its number."""
    what, _, number, size = wire.read_head(line, time.perf_counter() + 5)
    wire.read(line, size, time.perf_counter() + 5)
    return what, number


def answering(message):
    """Behave well at echoes, and answer pictures with `message(number)`."""
    def behave(line, over):
        good = wire.head(wire.SCORES, 0, 0, 12)
        while not over.is_set():
            what, number = request(line)
            if what == wire.ECHO:
                line.sendall(good[:8] + struct.pack("<I", number) + good[12:] + bytes(12))
            else:
                line.sendall(message(number))

    return behave


def scores(number: int, values=(0.0, 1.0, 0.0)) -> bytes:
    return wire.head(wire.SCORES, WIDTH, number, 12) + wire.numbers(np.array(values))


# The network in parts


@pytest.mark.parametrize("cut", range(5))
def test_a_network_in_two_parts_says_what_it_says_whole(cut, large, pictures):
    stages = parts.stages(large)
    with torch.inference_mode():
        whole = large(as_input(pictures[:1]))
        first = parts.run(stages[:cut], pictures[:1]) if cut else pictures[:1]
        if cut < parts.LAYERS:
            content = parts.pack(first[0])
            assert len(content) == payload(WIDTH, cut)
            first = parts.run(stages[cut:], parts.unpack(WIDTH, cut, content))
    assert torch.equal(first, whole)


@pytest.mark.parametrize("width", [1, 4, 24, 64])
def test_the_bytes_sent_follow_from_the_layers(width):
    assert payload(width, 0) == 3 * 32 * 32
    assert [payload(width, cut) for cut in (1, 2, 3)] == [4 * width * n for n in (256, 128, 64)]
    assert payload(width, 4) == 0
    assert [math.prod(shape) for shape in parts.shapes(width)] == [layer.inputs for layer in network.cats(width)]


def test_prediction_and_wire_agree_on_the_heads():
    assert wire.HEAD.size == predicted.HEAD and wire.ANSWER == predicted.ANSWER
    assert len(network.cats(4)) == parts.LAYERS


# The device and a real cloud


@pytest.mark.parametrize("cut", range(5))
def test_the_device_answers_as_the_network_does(cut, cloud, small, large, pictures):
    with torch.inference_mode():
        expected = large(as_input(pictures)).argmax(1).tolist()
    with Device(small, large, dialling(cloud)) as device:
        answers = [device.split(picture, cut) for picture in pictures]
    assert [answer.choice for answer in answers] == expected
    sent = payload(WIDTH, cut)
    assert {answer.sent for answer in answers} == {sent + predicted.HEAD if sent else 0}
    assert {answer.by for answer in answers} == {CLOUD if sent else EDGE}


def test_a_hybrid_asks_only_where_it_is_not_sure(cloud, small, large, pictures):
    with torch.inference_mode():
        shares = small(as_input(pictures)).softmax(1)
        far = large(as_input(pictures)).argmax(1)
    bar = float(shares.max(1).values.median())
    with Device(small, large, dialling(cloud)) as device:
        assert device.seek(10)
        for picture, share, there in zip(pictures, shares, far, strict=True):
            answer = device.hybrid(picture, bar, 10)
            sure = float(share.max()) >= bar
            assert answer.by == (EDGE if sure else CLOUD)
            assert answer.choice == int(share.argmax() if sure else there)


def test_a_device_leaves_the_framework_as_it_was(large):
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), Device(None, large):
        assert torch.get_num_threads() == 1
        raise ZeroDivisionError
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("slower", [0, -1, 1.5, True, "2"])
def test_a_factor_that_is_none_is_refused(slower, large):
    with pytest.raises(ValueError, match="whole number of times"):
        Device(None, large, slower=slower)


def test_a_slower_device_says_the_same(small, large, pictures):
    with Device(small, large) as once, Device(small, large, slower=3) as thrice:
        assert once.alone(pictures[0]).choice == thrice.alone(pictures[0]).choice


# A cloud that meets nonsense


def talk(port: int, message: bytes) -> bytes:
    found = b""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as line, suppress(ConnectionError):
        line.sendall(message)
        with suppress(OSError):  # the cloud has closed the connection already
            line.shutdown(socket.SHUT_WR)
        while some := line.recv(4096):
            found += some
    return found


@pytest.mark.parametrize(("message", "words"), [
    (wire.head(0, WIDTH, 1, 5), "After 0 layers come 3,072 bytes, not 5"),
    (wire.head(1, WIDTH, 1, 2**32 - 1), "After 1 layers come 4,096 bytes, not 4,294,967,295"),
    (wire.head(0, WIDTH + 1, 1, 3072), "network of width 4, and was asked for 5"),
    (wire.head(4, WIDTH, 1, 0), "no message of kind 4"),
    (wire.head(77, WIDTH, 1, 0), "no message of kind 77"),
    (wire.head(wire.ECHO, 0, 1, 2**30), "An echo has up to 1,048,576 bytes"),
])
def test_a_wrong_request_is_refused_in_words(message, words, cloud):
    found = talk(cloud, message)
    _, _, kind, _, _, size = wire.HEAD.unpack(found[:wire.HEAD.size])
    assert kind == wire.REFUSAL and len(found) == wire.HEAD.size + size
    assert words in found[wire.HEAD.size:].decode()


@pytest.mark.parametrize("message", [b"", b"GET / HTTP/1.1\r\n\r\n", os.urandom(500), wire.head(0, WIDTH, 1, 3072)[:9],
                                     wire.head(0, WIDTH, 1, 3072) + bytes(100),
                                     struct.pack("<4sBBHII", wire.MARK, 9, 0, WIDTH, 1, 3072)])
def test_nonsense_is_sent_away_and_the_cloud_goes_on(message, cloud):
    assert talk(cloud, message) == b""
    with CloudConnection(dialling(cloud)) as line:
        assert line.echo(10, 5) > 0


def test_not_even_numbers_that_are_none_stop_the_cloud(cloud):
    with CloudConnection(dialling(cloud)) as line:
        with pytest.raises(BadAnswer, match="not finite"):
            line.ask(1, WIDTH, wire.numbers(np.full(1024, np.nan)), 5)
        assert line.ask(1, WIDTH, wire.numbers(np.zeros(1024)), 5).shape == (3,)


def test_devices_beyond_the_seats_are_turned_away_and_seats_become_free(cloud):
    lines = [CloudConnection(dialling(cloud)) for _ in range(clouds._DEVICES)]
    with pytest.raises(NoAnswer):
        CloudConnection(dialling(cloud), 5)
    for line in lines:
        line.close()
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            CloudConnection(dialling(cloud)).close()
            return
        except NoAnswer:
            time.sleep(0.05)
    pytest.fail("no seat became free")


# A cloud that does not start


@pytest.fixture
def starting(capsys):
    """Start a cloud that cannot; return what it says."""
    threads = torch.get_num_threads()

    def start(weights, width=2, port=0):
        clouds.main(str(weights), str(width), str(port), "")
        return json.loads(capsys.readouterr().out)["error"]

    yield start
    torch.set_num_threads(threads)


def test_a_port_in_use_is_named(small, starting, tmp_path):
    clouds.save_file(small.state_dict(), tmp_path / "good")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"Port {port} on 127.0.0.1 is taken: choose another" in starting(tmp_path / "good", port=port)


def test_damaged_weights_are_refused(small, starting, tmp_path):
    good = tmp_path / "good"
    clouds.save_file(small.state_dict(), good)
    (tmp_path / "short").write_bytes(good.read_bytes()[:-40])
    (tmp_path / "garbage").write_bytes(os.urandom(300))
    for name, width in (("short", 2), ("garbage", 2), ("missing", 2), ("good", 4)):
        assert "weights cannot be used" in starting(tmp_path / name, width)


# A device that meets nonsense, or nobody


def silent(line, over):
    over.wait(30)


def closing(line, over):
    pass


GARBAGE = {
    "garbage": (lambda number: os.urandom(64), "speaks something else"),
    "HTTP": (lambda number: b"HTTP/1.1 400 Bad Request\r\n\r\n", "speaks something else"),
    "another version": (lambda number: wire.MARK + b"\x63" + scores(number)[5:], "speaks version 99"),
    "too long": (lambda number: wire.head(wire.SCORES, WIDTH, number, 2**31) + bytes(64), "3 scores take 12"),
    "too short": (lambda number: wire.head(wire.SCORES, WIDTH, number, 8) + bytes(8), "announced 8 bytes"),
    "not a number": (lambda number: scores(number, (0, math.nan, 1)), "not finite"),
    "infinite": (lambda number: scores(number, (math.inf, 0, 0)), "not finite"),
    "another's answer": (lambda number: scores(number + 1), "not the scores for"),
    "another kind": (lambda number: wire.head(3, WIDTH, number, 12) + bytes(12), "message of kind 3"),
    "a refusal": (lambda number: wire.head(wire.REFUSAL, 0, number, 5) + b"tired", "refused: tired"),
    "an endless refusal": (lambda number: wire.head(wire.REFUSAL, 0, number, 2**30), "too long to be one"),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_a_senseless_answer_is_named_and_the_hybrid_falls_back(name, small, large, pictures):
    message, words = GARBAGE[name]
    with pretending(answering(message)) as port, Device(small, large, dialling(port)) as device:
        with pytest.raises(BadAnswer, match=words):
            device.split(pictures[0], 0, 5)
        assert device.seek(5)
        answer = device.hybrid(pictures[0], 1.1, 5)
        assert answer.by == FALLBACK and answer.choice == device.alone(pictures[0]).choice


@pytest.mark.parametrize("behave", [silent, closing, answering(lambda number: b""),
                                    answering(lambda number: scores(number)[:-1])],
                         ids=["never speaks", "hangs up", "never answers", "answers all but a byte"])
def test_a_missing_answer_ends_the_wait_and_the_hybrid_falls_back(behave, small, large, pictures):
    with pretending(behave) as port, Device(small, large, dialling(port)) as device:
        begin = time.monotonic()
        with pytest.raises(NoAnswer):
            device.split(pictures[0], 0, 0.4)
        device.seek(0.3)
        answer = device.hybrid(pictures[0], 1.1, 0.3)
        assert answer.by == FALLBACK and answer.choice == device.alone(pictures[0]).choice
        assert time.monotonic() - begin < 5


def test_a_late_answer_is_not_taken_for_the_next_one(small, large, pictures):
    def late(line, over):
        while not over.is_set():
            what, number = request(line)
            if what != wire.ECHO:
                time.sleep(0.5)
            line.sendall(scores(number))

    with pretending(late) as port, Device(small, large, dialling(port)) as device:
        with pytest.raises(NoAnswer, match=r"not answered within 0\.2 s"):
            device.split(pictures[0], 0, 0.2)
        assert not device.connected
        assert device.split(pictures[0], 0, 5).choice == 1


def test_nobody_there_is_said(small, large, pictures):
    with Device(small, large, dialling(free_port())) as device:
        with pytest.raises(NoAnswer, match="cannot be reached"):
            device.split(pictures[0], 0, 0.5)
        assert device.hybrid(pictures[0], 1.1, 0.2).by == FALLBACK
        assert not device.seek(0.2)
    with Device(small, large) as alone:
        assert alone.hybrid(pictures[0], 1.1, 0.2).by == FALLBACK


def test_the_hybrid_does_not_wait_twice_and_finds_the_cloud_again(cloud, small, large, pictures):
    """The way there is blocked for a while: one answer waits for the deadline, the others do not."""
    blocked = threading.Event()

    def dial(limit):
        if blocked.is_set():
            raise ConnectionRefusedError("blocked")
        return dialling(cloud)(limit)

    before = set(threading.enumerate())
    with pretending(answering(lambda number: b"")) as mute, Device(small, large, dialling(mute)) as device:
        assert device.seek(0.3)
        device._dial = dial
        blocked.set()
        times = [device.hybrid(picture, 1.1, 0.3) for picture in pictures]
        assert {answer.by for answer in times} == {FALLBACK}
        assert sum(answer.seconds > 0.15 for answer in times) == 1
        blocked.clear()
        end = time.monotonic() + 10
        while device.hybrid(pictures[0], 1.1, 0.3).by != CLOUD and time.monotonic() < end:
            time.sleep(0.02)
        assert device.connected
        blocked.set()
        device.close()
    assert len(set(threading.enumerate()) - before) <= 1


def test_a_device_that_is_closed_while_it_seeks_stops_seeking(small, large, pictures):
    def refused(limit):
        raise ConnectionRefusedError("nobody there")

    before = set(threading.enumerate())
    with Device(small, large, refused) as device:
        device.hybrid(pictures[0], 1.1, 0.1)
        assert len(set(threading.enumerate()) - before) == 1
    assert set(threading.enumerate()) <= before


# Predictions


def total(found) -> float:
    return sum(found.values())


def test_an_answer_takes_the_sum_of_its_parts(here):
    spec, found = LinkSpec(0.02, 1e6), here.calibration("offload")
    at = predicted.split(found, "relay", spec, 24, 2)
    layers = network.cats(24)
    assert at[predicted.EDGE] == pytest.approx(predicted.compute(found, layers[:2]))
    assert at[predicted.CLOUD] == pytest.approx(predicted.compute(found, layers[2:]))
    assert at[predicted.LATENCY] == 0.02 and at[predicted.LOSSES] == 0
    size = payload(24, 2) + 16
    assert at[predicted.BYTES] == pytest.approx(spec.transfer(size) + spec.transfer(28))
    assert predicted.compute(found, []) == 0
    assert set(at) <= set(predicted.PARTS)


def test_more_of_anything_bad_takes_longer(here):
    found = here.calibration("offload")

    def seconds(trip=0.02, rate=1e6, loss=0.0, cut=1, slower=1):
        return total(predicted.split(found, "relay", LinkSpec(trip, rate, loss), 24, cut, slower))

    for series in ([seconds(trip=t) for t in (0, 0.01, 0.1)], [seconds(rate=r) for r in (1e7, 1e6, 1e5)],
                   [seconds(loss=p) for p in (0, 0.01, 0.1)], [seconds(slower=n) for n in (1, 8, 64)]):
        assert all(a < b for a, b in pairwise(series))
    assert seconds(cut=4, trip=0.5) == seconds(cut=4, trip=0)


def test_a_cascade_pays_the_way_for_those_that_it_sends(here):
    found, spec = here.calibration("offload"), LinkSpec(0.05, 1e6)
    own = predicted.alone(found, 4)
    whole = own + total(predicted.split(found, "relay", spec, 24, 0))

    def mean(early, deadline=60.0):
        return total(predicted.cascade(found, "relay", spec, (4, 24), early, deadline))

    assert mean(1.0) == pytest.approx(own) and mean(0.0) == pytest.approx(whole)
    assert mean(0.75) == pytest.approx(own + 0.25 * (whole - own))
    assert mean(0.75, deadline=whole * 1.01) == mean(0.75) and mean(0.75, deadline=whole * 0.99) == pytest.approx(own)


def test_the_turn_is_where_the_deadline_is_just_kept(here):
    found = here.calibration("offload")
    for deadline in (0.033, 0.1, 1.0):
        turn = predicted.turning(predicted.split(found, "relay", LinkSpec(0.01, 1e6), 24, 0), deadline)
        at = predicted.split(found, "relay", LinkSpec(turn, 1e6), 24, 0)
        assert total(at) == pytest.approx(deadline)
    assert predicted.turning(predicted.split(found, "relay", LinkSpec(0.01, 1e6), 24, 0), 1e-4) == 0


def test_braking_is_what_the_regulation_prints():
    assert predicted.braking(100) == pytest.approx(70)  # UN R13-H, type 0: from 100 km/h within 70 m
    assert predicted.braking(0) == 0
    deceleration = 1 / (2 * 0.0060 * 3.6**2)  # which the second term stands for
    assert deceleration == pytest.approx(6.43, rel=0.01)
    assert predicted.travelled(1, 36) == 10
    for wrong in (-1, math.nan, math.inf):
        with pytest.raises(ValueError, match="from 0 km/h up"):
            predicted.braking(wrong)


# Experiments


@pytest.fixture(scope="module")
def times(here, team):
    return offload.time(here, testbed.EdgeTestbed(team, "relay"))


@pytest.fixture(scope="module")
def metres(here, team):
    return offload.distance(here, testbed.EdgeTestbed(team, "relay"))


def test_the_explorers_can_show_every_point(times, metres):
    for experiment, x, colour in ((times, "strategy", None), (metres, "round_trip", "strategy")):
        widget = Explorer(experiment, x=x, colour=colour, presets=offload.links())
        assert sum(1 for _ in experiment.points()) < 6000 and widget.text()


def test_the_datasheet_of_a_cloud_is_a_labelled_floor(times):
    usual = dict(round_trip=0.02, rate=50, loss=0, slower=1)
    there, floor = (times.predict(strategy=name, **usual) for name in (testbed.CLOUD, offload.CLOUD_H100))
    assert floor.value < there.value and "floor" in floor.note
    assert "can only be predicted" in times.measure(strategy=offload.CLOUD_H100, **usual).reason


def test_a_hybrid_stops_where_its_deadline_says_and_a_driver_where_his_eyes_do(metres):
    road = dict(rate=50, speed=130)
    at = {(who, trip, deadline): metres.predict(strategy=who, round_trip=trip, deadline=deadline, **road).value
          for who in metres.axis("strategy").values for trip in (0.001, 0.5) for deadline in (0.033, 1.0)}
    assert at[testbed.EDGE, 0.5, 1.0] == at[testbed.EDGE, 0.001, 0.033]
    assert at[testbed.CLOUD, 0.5, 0.033] > at[testbed.HYBRID, 0.5, 0.033] > at[testbed.EDGE, 0.5, 0.033]
    assert at[testbed.HYBRID, 0.5, 0.033] < predicted.braking(130) + predicted.travelled(0.034, 130)
    assert at[testbed.HYBRID, 0.5, 1.0] > at[testbed.HYBRID, 0.5, 0.033]
    assert at[offload.DRIVER, 0.5, 1.0] == pytest.approx(predicted.braking(130) + 1.25 * 130 / 3.6)


def test_the_turn_and_the_break_even_move_as_they_must(here, team):
    turns = [offload.turning(here, team, "relay", deadline) for deadline in (0.001, 0.01, 0.1, 1.0)]
    assert turns[0] == 0 and turns == sorted(turns) and 0 < turns[2] < 0.1
    even = [offload.break_even(here, team, "relay", slower) for slower in (1, 64, 4096)]
    assert even[0] == 0 and even[0] < even[1] < even[2]


def test_published_links_are_points_with_a_source():
    found = offload.links()
    assert len(found) >= 5 and all(point["round_trip"] in offload.ROUND_TRIPS for point in found.values())


def test_a_machine_or_a_rung_without_a_measurement_is_refused(here, team):
    with pytest.raises(ValueError, match="This needs what 'offload'"):
        offload.time(fakes.machine(), testbed.EdgeTestbed(team, "relay"))
    nothing = fakes.calibration({}, missing=dict.fromkeys(probe.KEYS, "Not here."))
    lacking = fakes.machine(calibrations={"offload": nothing})
    with pytest.raises(ValueError, match="Not here"):
        offload.time(lacking, testbed.EdgeTestbed(team, "tunnel"))


def test_a_team_counts_its_early_exits_on_pictures_that_it_does_not_show(team):
    assert 0.6 < team.early < 0.8
    assert not torch.equal(team.seen.images[:50], team.shown.images[:50])
    strategies = (testbed.EDGE, testbed.CASCADE, testbed.CLOUD, *testbed.CUTS, testbed.EDGE_LARGE)
    sent = [team.sent(name) for name in strategies]
    assert sent[0] == sent[-1] == 0 and sent[1] == pytest.approx((1 - team.early) * sent[2])
    mixed = team.choices[testbed.CASCADE]
    assert torch.equal(mixed[team.sure], team.choices[testbed.EDGE][team.sure])
    assert torch.equal(mixed[~team.sure], team.choices[testbed.CLOUD][~team.sure])


def test_a_backend_that_the_machine_refuses_stands_in_the_table_with_its_reason(monkeypatch):
    refused, works = link.BACKENDS

    def measured(spec, backend):
        if backend == refused:
            raise link.BackendUnavailable("No tunnels here.")
        return {"round trip": (0.01, 0.011), "bandwidth": (1e6, 0.9e6)}

    monkeypatch.setattr(testbed, "measured", measured)
    outcomes = testbed.every_backend(LinkSpec(0.01))
    assert not outcomes[refused] and outcomes[works]
    assert "No tunnels here." in str(testbed.backend_table(outcomes))


def test_percentiles_are_times_that_occurred():
    answers = [Answer(0, EDGE, seconds) for seconds in range(1, 201)]
    assert testbed.percentiles(answers) == {50: 100, 90: 180, 99: 198}
    assert testbed.percentiles(answers[:1]) == {50: 1, 90: 1, 99: 1}


def test_the_measured_turn_lies_between_the_last_in_time_and_the_first_late():
    found = testbed.turn([0.05, 0.08, 0.1], [100, 100, 0])
    assert (found.low, found.value, found.high) == pytest.approx((80, 90, 100))
    assert testbed.turn([0.05, 0.08], [0, 0]).low == 0


def test_the_figures_show_what_they_are_given():
    runs = {"edge": {50: 1e-3, 90: 2e-3, 99: 3e-3}, "cloud": {50: 0.02, 90: 0.03, 99: 0.2}}
    assert [label.get_text() for label in figures.percentiles(runs, 0.1).axes[0].get_yticklabels()] == list(runs)
    answers = Answer(0, EDGE, 1e-3), Answer(0, CLOUD, 0.1), Answer(0, CLOUD, 0.2)
    assert len(figures.outage(testbed.Watch(answers, (0, 1, 2), (0.5, 1.5))).axes[0].get_lines()) == 2
    assert not figures.outage(Unavailable("No link.")).axes[0].get_lines()
    assert figures.kept([0.05, 0.1], [100, 0], 0.08).axes[0].get_ylabel() == "answers in time (%)"


# Exercises


def test_right_answers_pass_and_wrong_ones_get_a_hint(here, team):
    assert check.payload(8192, width=16, cut=2).ok is True and check.payload(2048, width=16, cut=2).ok is False
    assert check.widest(3).ok is True and check.widest(4).ok is False
    turn = offload.turning(here, team, "relay", 0.033)
    assert check.turning(1.05 * turn, here, team, "relay", 0.033).ok is True
    assert check.turning(0.9 * turn - 0.001, here, team, "relay", 0.033).ok is False
    assert check.turning(0, here, team, "relay", 1e-4).ok is True
    assert check.turning(1, here, team, "relay", 1e-4).ok is False
    assert "Not yet" in str(check.widest(4))


def test_the_threshold_is_tried_on_the_pictures(team, monkeypatch):
    monkeypatch.setattr(check, "_RIGHT", 0.0)
    sure = float(torch.quantile(evaluate(team.small, team.shown).confidence, 0.1))
    assert check.threshold(sure, team).ok is True
    assert check.threshold(1.0, team).ok is False  # asks for nearly all
    monkeypatch.setattr(check, "_RIGHT", 100.0)
    assert check.threshold(sure, team).ok is False
    assert "of the pictures go to the cloud" in str(check.threshold(sure, team))


@pytest.mark.parametrize("answer", [None, "a", [], {}, math.nan, object(), True, (1, 2)],
                         ids=lambda answer: type(answer).__name__)
def test_nonsense_breaks_no_cell(answer, here, team):
    for ask in (lambda: check.payload(answer, width=16, cut=2), lambda: check.widest(answer),
                lambda: check.turning(answer, here, team, "relay", 0.033), lambda: check.threshold(answer, team)):
        assert ask().state == (NOT_ATTEMPTED if answer is None else WRONG)
