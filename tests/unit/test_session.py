"""A session keeps what is dear to start until its outermost block ends, and then ends all of it."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from labkit.labs.your_machine import LAB
from labkit.session import KEPT, Session


@pytest.fixture
def log():
    return []


def process(log, name="it"):
    @contextmanager
    def running():
        log.append(f"{name} starts")
        yield name
        log.append(f"{name} ends")

    return running


def test_what_is_started_is_kept_until_the_outermost_block_ends(log):
    session = Session()
    with session.open():
        with session.open():
            assert session.start("key", process(log)) == "it"
        assert session.start("key", process(log)) == "it" and log == ["it starts"]
    assert log == ["it starts", "it ends"]
    with session.open():
        session.start("key", process(log))
    assert log == ["it starts", "it ends"] * 2


def test_what_was_started_last_ends_first_also_on_an_error(log):
    session = Session()
    with pytest.raises(KeyboardInterrupt), session.open():
        session.start("cable", process(log, "cable"))
        session.start("server", process(log, "server"))
        raise KeyboardInterrupt
    assert log == ["cable starts", "server starts", "server ends", "cable ends"]


def test_what_failed_is_not_used_again_and_ends_all_the_same(log):
    session = Session()
    with session.open():
        session.start("key", process(log, "first"))
        session.drop("key")
        assert session.start("key", process(log, "second")) == "second"
    assert log == ["first starts", "second starts", "second ends", "first ends"]


def test_nothing_starts_where_nothing_would_end_it(log):
    with pytest.raises(RuntimeError, match="open the session first"):
        Session().start("key", process(log))
    assert log == []


def test_a_lab_keeps_what_it_starts_until_it_ends_or_begins_again(probes, log, monkeypatch):
    monkeypatch.setenv("CLUSTER_TO_EDGE_BOOK", "1")
    for finish in (LAB.end, LAB.begin, LAB.end):
        LAB.begin("quick")
        for _ in range(2):
            with KEPT.open():
                KEPT.start("key", process(log))
        assert log == ["it starts"]
        finish()
        assert log == ["it starts", "it ends"]
        log.clear()
    LAB.end()


def test_what_is_held_in_a_block_that_fails_is_not_used_again(log):
    session = Session()
    with session.open():
        with session.held("key", process(log)) as first, session.held("key", process(log, "another")) as again:
            assert first == again == "it"
        with pytest.raises(OSError, match="gone"), session.held("key", process(log)):
            raise OSError("gone")
        with session.held("key", process(log, "another")) as then:
            assert then == "another"
    assert log == ["it starts", "another starts", "another ends", "it ends"]


def test_what_is_ended_before_the_block_ends_once_and_starts_again(log):
    session = Session()
    with session.open():
        session.start("cable", process(log, "cable"))
        session.start("server", process(log, "server"))
        session.end("cable")
        session.end("cable")
        assert log == ["cable starts", "server starts", "cable ends"]
        session.start("cable", process(log, "cable"))
    assert log[3:] == ["cable starts", "cable ends", "server ends"]
