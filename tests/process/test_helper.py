"""Helper processes: they answer, fail in words, never hang, and always end, whatever becomes of their parent."""

from __future__ import annotations

import socket
import threading
import time

import psutil
import pytest
import torch
from another_python import another_python
from quiet_machine import quiet_machine

from labkit import device as devices
from labkit.distributed import pool
from labkit.measure.probes import all_reduce, loopback
from labkit.processes import Helper, HelperFailed

CPU = torch.device("cpu")
two_processors = pytest.mark.skipif(devices.cores() < 2, reason="needs two processors")
gloo = pytest.mark.skipif(not torch.distributed.is_available(), reason="this PyTorch has no torch.distributed")


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Return the name of a new module that helpers can run."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def write(code):
        (tmp_path / "helping.py").write_text(code, "utf-8")
        return "helping"

    return write


@pytest.fixture(autouse=True)
def no_thread_is_left():
    threads = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= threads


ECHO = "from labkit.processes import serve\nserve(lambda message: message)"


def test_it_answers_what_it_is_told(module):
    with Helper(module(ECHO)) as echo:
        for message in (1, [1.5, "ünï"], {"a": [True]}, "", 0):
            echo.tell(message)
            assert echo.answer() == message


def test_it_gets_arguments_and_an_environment_besides_this_ones(module, monkeypatch):
    monkeypatch.setenv("OURS", "ours")
    code = """
import os, sys
from labkit.processes import say
say([*sys.argv[1:], os.environ["OURS"], os.environ["THEIRS"]])
"""
    with Helper(module(code), "one", "two words", environment={"THEIRS": "theirs"}) as it:
        assert it.answer() == ["one", "two words", "ours", "theirs"]


def test_an_error_is_reported_and_ends_nothing(module):
    with Helper(module("from labkit.processes import serve\nserve(lambda message: 1 / message)")) as it:
        it.tell(0)
        with pytest.raises(HelperFailed, match="ZeroDivisionError: division by zero"):
            it.answer()
        it.tell(4)
        assert it.answer() == 0.25


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise SystemExit('Out of luck.')", r"it ended\. Its last words: Out of luck\."),
        ("raise RuntimeError('no such wire')", r"it ended\. Its last words: RuntimeError: no such wire"),
        ("", "it ended"),
        ("import nothing_of_the_kind", "No module named 'nothing_of_the_kind'"),
        ("import os; os.kill(os.getpid(), 9)", "it ended"),
        ("print('Welcome to the library!')", "it said 'Welcome to the library!'"),
    ],
)
def test_one_that_fails_says_why_and_at_once(code, words, module):
    begin = time.monotonic()
    with Helper(module(code)) as it, pytest.raises(HelperFailed, match=words) as failure:
        it.answer()
    assert "helping" in str(failure.value)
    assert time.monotonic() - begin < 15


def test_a_silent_one_is_waited_for_no_longer_than_its_patience(module):
    begin = time.monotonic()
    with Helper(module("import time; time.sleep(60)")) as it:
        with pytest.raises(HelperFailed, match=r"silent for 0\.5 s"):
            it.answer(0.5)
        assert 0.5 <= time.monotonic() - begin < 5
    assert time.monotonic() - begin < 10


def test_one_that_has_ended_cannot_be_told_anything(module):
    with Helper(module("")) as it:
        it._process.wait(30)
        with pytest.raises(HelperFailed, match="it ended"):
            it.tell("x" * 2**20)


def test_who_cannot_answer_without_another_fails_with_it(module):
    with Helper(module("import time; time.sleep(60)")) as waiting, Helper(module("raise SystemExit('Gone.')")) as gone:
        begin = time.monotonic()
        with pytest.raises(HelperFailed, match="it ended"):
            waiting.answer(60, others=(waiting, gone))
        assert time.monotonic() - begin < 15


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, None])
def test_it_ends_with_its_block(error, module):
    stubborn = "import time\nfrom labkit.processes import say\nsay(0)\ntime.sleep(60)"  # deaf to its closed input
    for code in (ECHO, stubborn):
        try:
            with Helper(module(code)) as it:
                process = psutil.Process(it._process.pid)
                if error:
                    raise error
        except BaseException as raised:
            assert type(raised) is error
        assert not process.is_running()


# The two probes that use them


def starts(monkeypatch, probe, name):
    """Let a probe start the module called `name` in the place of its own."""
    monkeypatch.setattr(probe, "Helper", lambda _, *arguments, **more: Helper(name, *arguments, **more))


@quiet_machine
def test_messages_of_every_size_arrive(monkeypatch):
    with loopback.session() as message:
        assert all(message(size) > 0 for size in (0, 1, loopback.CHUNK - 1, loopback.CHUNK, 3 * loopback.CHUNK + 5))
        assert min(message(2**24) for _ in range(3)) > min(message(1) for _ in range(3))


def test_without_a_connection_the_message_is_missing_with_the_reason(monkeypatch):
    def refused(*_, **__):
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket, "create_connection", refused)
    calibration = loopback.calibrate(CPU)
    calibration.check(loopback.KEYS)
    assert "Connection refused" in calibration.reason("message") and "firewall" in calibration.reason("message")


def test_a_receiver_that_cannot_listen_says_why(monkeypatch, module):
    name = module("""
import socket
def forbidden(*_, **__): raise PermissionError(1, "Operation not permitted")
socket.create_server = forbidden
from labkit.measure.probes import loopback
loopback.receive()
""")
    starts(monkeypatch, loopback, name)
    calibration = loopback.calibrate(CPU)
    calibration.check(loopback.KEYS)
    assert "Operation not permitted" in calibration.reason("message")


def test_a_receiver_that_is_killed_ends_the_exchange():
    with pytest.raises((OSError, HelperFailed)), loopback.session() as message:
        message(1)
        for receiver in psutil.Process().children():
            receiver.kill()
        begin = time.monotonic()
        while time.monotonic() - begin < 30:
            message(2**20)


@gloo
@two_processors
@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("import torch.distributed as group; group.all_reduce = lambda numbers: None", "do not add up"),
        ("if rank['rank'] == 1: raise SystemExit('This rank has no address.')", "This rank has no address"),
        ("if rank['rank'] == 0: raise SystemExit('This rank has no address.')", "This rank has no address"),
    ],
)
def test_ranks_that_do_not_work_together_are_missing_with_the_reason(trouble, words, monkeypatch, module):
    name = module(f"""
import json, sys
rank = json.loads(sys.argv[2])
{trouble}
from labkit.distributed import train
train.obey(**rank)
""")
    starts(monkeypatch, pool, name)
    begin = time.monotonic()
    calibration = all_reduce.calibrate(CPU)
    assert time.monotonic() - begin < 40  # not the minute that they have to find each other
    calibration.check(all_reduce.KEYS)
    assert words in calibration.reason("sum")


def test_on_one_processor_there_is_no_all_reduce(monkeypatch):
    monkeypatch.setattr(devices, "cores", lambda: 1.5)
    calibration = all_reduce.calibrate(CPU)
    calibration.check(all_reduce.KEYS)
    assert "may use 1.5" in calibration.reason("sum")


def test_without_the_framework_for_it_there_is_no_all_reduce(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_available", lambda: False)
    calibration = all_reduce.calibrate(CPU)
    calibration.check(all_reduce.KEYS)
    assert "torch.distributed" in calibration.reason("sum")


# A parent that is gone

PARENT = """
import sys
from contextlib import ExitStack
from importlib import import_module
import psutil
with ExitStack() as stack:
    modules = [import_module(f"labkit.measure.probes.{name}") for name in sys.argv[1:]]
    exchanges = [stack.enter_context(module.session()) for module in modules]
    print(*(child.pid for child in psutil.Process().children(recursive=True)), flush=True)
    while True:
        for exchange in exchanges:
            exchange(2**16)
"""


def ended(processes, seconds):
    """Whether all have ended within some seconds; who has not is killed."""
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    for process in alive:
        process.kill()
    return not alive


@gloo
@two_processors
def test_no_helper_survives_a_parent_that_was_killed():
    process = another_python(PARENT, "loopback", "all_reduce")
    try:
        pids = process.stdout.readline().split()
        helpers = [psutil.Process(int(pid)) for pid in pids]
    finally:
        process.kill()
        _, errors = process.communicate(timeout=30)
    assert len(helpers) >= 3, errors
    assert ended(helpers, seconds=10)


@gloo
@two_processors
def test_no_rank_survives_a_parent_that_was_killed_before_they_met():
    process = another_python(PARENT, "all_reduce")
    try:
        limit = time.monotonic() + 60
        while len(ranks := psutil.Process(process.pid).children(recursive=True)) < 2:
            assert time.monotonic() < limit and process.poll() is None
            time.sleep(0.02)
    finally:
        process.kill()
        process.communicate(timeout=30)
    assert ended(ranks, seconds=40)  # they import the framework first


def test_a_helper_keeps_nothing_on_the_readers_screen(module, capfd):
    """What it prints belongs to the conversation, and what it complains of to its last words."""
    with Helper(module("import sys; print('noise', file=sys.stderr)\n" + ECHO)) as it:
        it.tell(1)
        assert it.answer() == 1
    assert capfd.readouterr() == ("", "")
