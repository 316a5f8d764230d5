"""The emulated link on paper: what it can be asked for, and one direction of it on a clock of its own."""

from __future__ import annotations

import math
import socket
import sys

import pytest

from labkit.netem import door, link
from labkit.netem.direction import Direction
from labkit.specs.link import DUPLICATES, HEADERS, RETRANSMISSION_S, SEGMENT, LinkSpec, on_the_wire, packets

# What can be asked for


@pytest.mark.parametrize(("wrong", "message"), [
    ({"rate": 0}, "above 0 B/s.*cut the link"), ({"rate": -1e6}, "above 0"),
    ({"rate": math.nan}, "above 0"), ({"round_trip": -0.001}, "from 0 s up"),
    ({"round_trip": math.nan}, "from 0 s up"), ({"round_trip": math.inf}, "from 0 s up"),
    ({"loss": 1}, "0 to below 1"), ({"loss": -0.1}, "0 to below 1"), ({"loss": math.nan}, "0 to below 1"),
    ({"round_trip": "fast"}, "must be a number"), ({"rate": None}, "must be a number"),
    ({"loss": True}, "must be a number"),
])
def test_a_link_that_cannot_be_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        LinkSpec(**wrong)


def test_messages_weigh_their_headers_too():
    assert packets(0) == packets(1) == packets(SEGMENT) == 1 and packets(SEGMENT + 1) == 2
    assert on_the_wire(SEGMENT) == SEGMENT + HEADERS == 1500
    assert LinkSpec(rate=1500).transfer(SEGMENT) == 1
    assert LinkSpec().transfer(10**9) == 0


def test_a_loss_costs_a_round_trip_and_a_wait_where_nothing_follows():
    spec = LinkSpec(0.05, 1e6, 0.1)
    assert spec.stall(DUPLICATES) == 0.05 and spec.stall(DUPLICATES - 1) == pytest.approx(0.05 + RETRANSMISSION_S)
    assert spec.waiting(100) == pytest.approx(0.1 / 0.9 * spec.stall(0))
    assert LinkSpec(0.05, 1e6).waiting(10**6) == 0
    assert spec.waiting(10**6) > spec.waiting(10**5) > spec.waiting(10**3)


def test_an_unknown_backend_is_refused():
    with pytest.raises(ValueError, match=r"no backend 'rope'.*tunnel, relay"), link.emulated_link(backend="rope"):
        pass


# One direction, on a clock of its own


def drained(line: Direction) -> list[tuple[float, bytes]]:
    found = []
    while (due := line.due) is not None:
        assert line.arrived(due - 1e-6) is None
        found.append((due, line.arrived(due)))
    return found


def test_things_wait_their_turn_and_arrive_in_order():
    line = Direction(LinkSpec(round_trip=0.2, rate=1000))
    line.packet(0.0, b"a" * 100)
    line.packet(0.0, b"b" * 50)
    line.packet(5.0, b"c" * 10)
    assert line.bytes == 160
    assert [(round(due, 6), content[:1]) for due, content in drained(line)] == [
        (0.2, b"a"), (0.25, b"b"), (5.11, b"c")]
    assert line.bytes == 0 and line.arrived(1e9) is None


def test_a_link_that_becomes_shorter_overtakes_nothing():
    line = Direction(LinkSpec(round_trip=2))
    line.packet(0.0, b"slow")
    line.spec = LinkSpec(round_trip=0)
    line.packet(0.1, b"fast")
    assert [content for _, content in drained(line)] == [b"slow", b"fast"]


def test_packets_are_lost_as_often_as_asked():
    line = Direction(LinkSpec(loss=0.2), seed=3)
    for _ in range(5000):
        line.packet(0.0, b"x")
    assert 0.18 < 1 - len(drained(line)) / 5000 < 0.22


@pytest.mark.parametrize("size", [28, 3088, 24_592])
def test_a_stream_loses_nothing_and_is_held_up_as_predicted(size):
    spec, held, count = LinkSpec(0.05, math.inf, 0.1), 0.0, 2000
    line = Direction(spec, seed=4)
    for turn in range(count):
        now = turn * 100.0
        line.stream(now, bytes(size))
        (due, content), = drained(line)
        assert len(content) == size
        held += due - now - spec.round_trip / 2
    assert held / count == pytest.approx(spec.waiting(size), rel=0.1)


# A door in the file system


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has networks in user space")
def test_an_open_file_is_handed_over_however_deep_the_folder_lies(tmp_path):
    folder = tmp_path / ("deep" * 28)
    folder.mkdir()
    (tmp_path / "words").write_text("handed over")
    seen = []

    def meet(visitor):
        seen.append(visitor.recv(1))
        with open(tmp_path / "words") as file:
            socket.send_fds(visitor, [b"f"], [file.fileno()])

    door.serve(folder / "door", meet)
    for _ in range(2):
        with door.visit(folder / "door", limit=10) as visitor:
            visitor.sendall(b"v")
            _, handles, _, _ = socket.recv_fds(visitor, 1, 1)
        with open(handles[0]) as file:
            assert file.read() == "handed over"
    assert seen == [b"v", b"v"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has networks in user space")
def test_a_door_that_nobody_serves_is_no_door(tmp_path):
    with pytest.raises(OSError), door.visit(tmp_path / "door", limit=1):
        pytest.fail("somebody answered")
