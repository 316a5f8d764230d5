"""Lab 4.3 with real processes: every rung is measured, a far process that fails is said in time, and nothing stays."""

from __future__ import annotations

import os
import signal
import socket
import threading
from time import monotonic

import fakes
import pytest
import torch

from labkit import cache
from labkit.experiment import Unavailable, compare
from labkit.labs.distance_to_memory import experiments as lab
from labkit.labs.distance_to_memory import measuring, tables
from labkit.measure import far_model
from labkit.measure.probes import weights as probe
from labkit.offload.wire import BadAnswer, NoAnswer
from labkit.serving import model_store as store
from labkit.specs.link import LinkSpec


@pytest.fixture(scope="module")
def far():
    with far_model.running() as running:
        yield running


@pytest.fixture(scope="module")
def model(tmp_path_factory, far):
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    store.write(path, 2)
    path.with_name(far_model.INPUTS_FILE).write_bytes(probe.inputs(64).numpy().tobytes())
    far.load(path)
    return path


@pytest.fixture
def no_file_stays():
    """See that a test leaves no file behind."""
    def left():
        return {*cache.folder("models").rglob("*"), *far_model.SHARED.glob("model-*")}

    before = left()
    yield
    assert left() == before


@pytest.mark.parametrize("spec", [None, LinkSpec(0.002, 125e6)], ids=["by a socket", "over a link"])
def test_what_comes_from_far_is_what_is_there(far, model, spec):
    here = store.read(model)
    with far.connected(spec) as line:
        assert all(map(torch.equal, line.weights(2), here))
        assert torch.equal(line.inputs(64), probe.inputs(64))
        asked = probe.inputs(3)
        assert torch.allclose(line.ask(asked), store.answer(here, asked), rtol=1e-3, atol=1e-4)


def test_more_than_there_is_is_refused(far, model):
    with far.connected() as line, pytest.raises(BadAnswer, match="not 3,145,728"):
        line.weights(3)


def test_shared_memory_holds_the_same_model_or_says_why_not(far, model):
    try:
        shared = far.shared(model.name)
    except NoAnswer as trouble:
        assert "lets processes share" in str(trouble)
    else:
        assert shared.read_bytes() == model.read_bytes()


def test_a_server_that_never_answers_is_given_up_in_time():
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.create_connection(silent.getsockname()) as line:
        begin = monotonic()
        with pytest.raises(NoAnswer, match=r"not answered within 0\.2 s"):
            far_model.Line(line, 0.2).weights(1)
        assert monotonic() - begin < 2


def test_a_server_that_goes_away_is_said():
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].close(), daemon=True).start()
        with socket.create_connection(server.getsockname()) as line, pytest.raises(NoAnswer, match="is lost"):
            far_model.Line(line, 2).weights(1)


def test_rungs_are_measured_or_say_why_not_and_nothing_stays(no_file_stays):
    ladder = lab.ladder(fakes.with_offload(), budget=0.02)
    rungs = (lab.CACHE, lab.MEMORY, measuring.SHARED, measuring.COLD_MAP, lab.DRIVE, lab.PROCESS, tables.NEAREST)
    compared = compare(ladder, [dict(rung=rung, what=lab.WEIGHTS, size=1) for rung in rungs]
                       + [dict(rung=rung, what=lab.SOME, size=1) for rung in (lab.DRIVE, tables.NEAREST)])
    for row in compared.rows:
        assert row.measured or row.point["rung"] in (measuring.DRIVE, measuring.COLD_MAP, measuring.SHARED), row
    assert tables.rung(compared, tables.NEAREST).value > tables.rung(compared, measuring.MEMORY).value


def test_a_slow_processor_does_well_to_ask_and_a_fast_one_does_not(no_file_stays):
    line = lab.line(fakes.with_offload(), budget=0.02)
    assert line.measure(**dict(lab.ASKED, slower=512, size=1)).value > 0
    assert not line.measure(**dict(lab.ASKED, slower=1, size=1))


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="It takes a system that can stop a process.")
def test_a_far_process_that_hangs_leaves_a_sentence_and_nothing_running(monkeypatch, no_file_stays):
    monkeypatch.setattr(far_model, "PATIENCE_S", 0.5)
    bench = measuring.Bench(fakes.weights(), 0.02)
    with bench.open():
        far = bench.start("far", far_model.running)
        os.kill(far.process, signal.SIGSTOP)
        outcome = bench.time(bench.rung(measuring.PROCESS, measuring.WEIGHTS, 1))
        assert isinstance(outcome, Unavailable) and "silent for 0.5 s" in outcome.reason


def test_a_folder_that_cannot_be_written_is_said(monkeypatch):
    def refused(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "write", refused)
    outcome = lab.ladder(fakes.with_offload()).measure(**lab.START)
    assert outcome == Unavailable("The model cannot be written or read: No space left on device.")


def test_a_cold_read_is_seen_to_be_cold_or_says_why_not():
    reads = measuring.cold_and_warm(4)
    if reads:
        assert reads.kept <= 0.1 and reads.cold.value > reads.warm.value
    else:
        assert "memory" in reads.reason or "page cache" in reads.reason
