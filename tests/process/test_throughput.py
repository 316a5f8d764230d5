"""Lab 3.2 with LoadGen: it asks in a process that always ends, whatever is asked does."""

from __future__ import annotations

import sys
import time

import fakes
import numpy as np
import pytest
import torch
from quiet_machine import quiet_machine, with_tries

from labkit.experiment import Outcome, compare
from labkit.labs.throughput import experiments as asked
from labkit.measure import loadgen, mlperf_log
from labkit.measure.loadgen import MULTI, OFFLINE, SCENARIOS, SERVER, SINGLE, Settings
from labkit.measure.probes import queries
from labkit.models.networks.cats import CatNet
from labkit.predict import throughput as predicted
from labkit.processes import Helper
from labkit.runtimes import onnx_export
from labkit.specs.calibration import Calibration

needs_loadgen = pytest.mark.skipif(bool(loadgen.missing()), reason=loadgen.missing())


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return onnx_export.write(CatNet(16), tmp_path_factory.mktemp("network") / "cats.onnx")


@pytest.fixture(scope="module")
def logs(file):
    """One short run in each scenario, of a real network."""
    if loadgen.missing():
        pytest.skip(loadgen.missing())
    settings = {SINGLE: Settings(SINGLE, 0.4, 60_000), MULTI: Settings(MULTI, 0.4, 20_000),
                SERVER: Settings(SERVER, 0.5, 2_000, deadline=0.1), OFFLINE: Settings(OFFLINE, 0.3, 10_000, 64)}
    return {scenario: loadgen.run(file, queries.pictures(), each) for scenario, each in settings.items()}


@pytest.fixture
def here():
    return fakes.machine()


# LoadGen


def test_every_scenario_runs_and_says_whether_it_counts(logs):
    for scenario, log in logs.items():
        assert log.scenario == scenario and log.facts["num_errors"] == 0
        assert log.valid == (not log.objections)
        assert log.queries >= (1 if scenario == OFFLINE else 100)
        assert (np.diff(log.times, axis=1) >= 0).all()  # due, issued, done
        assert log.times[:, 0].min() == 0
        assert 0 < log.alone < (1 if scenario == OFFLINE else 1.1 * log.reported(90))
    assert len(logs[MULTI].times) == loadgen.STREAMS * logs[MULTI].queries
    assert logs[OFFLINE].queries == 1 and len(logs[OFFLINE].times) >= 3_000


def test_our_percentiles_are_loadgens_own(logs):
    for log in logs.values():
        for share in (50, 90, 95, 99):
            assert log.percentile(share) == pytest.approx(log.reported(share), rel=0.05)
        assert log.mean == pytest.approx(log.latencies.mean(), rel=0.01)


def test_what_is_inside_is_what_littles_law_says(logs):
    for log in logs.values():
        moments, counts = log.inside()
        assert len(moments) == len(counts) == 10_000 and (counts >= 0).all()
        assert counts.mean() == pytest.approx(log.rate * log.mean, rel=0.05)


def test_a_stream_waits_for_its_answer_and_the_public_does_not(logs):
    due, done = logs[SINGLE].times[:, 0], logs[SINGLE].times[:, 2]
    assert (due[1:] >= done[:-1] - 1e-6).all()
    gaps = np.diff(np.sort(logs[SERVER].times[:, 0]))
    assert gaps.mean() == pytest.approx(1 / 2_000, rel=0.25)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.25)  # a Poisson process


@needs_loadgen
def test_too_few_queries_are_named_with_the_number_that_would_do(file):
    log = loadgen.run(file, queries.pictures(), Settings(SERVER, 0.1, 300, queries=1, deadline=1.0))
    assert not log.valid and not log.facts["early_stopping_met"]
    (objection,) = log.objections
    assert "too few" in objection
    more = int(objection.split("at least ")[1].split()[0])
    assert log.queries + more == predicted.queries_needed(0)


@needs_loadgen
def test_a_run_that_is_over_too_soon_is_invalid_with_loadgens_own_words(file):
    log = loadgen.run(file, queries.pictures(), Settings(SINGLE, 0.3, 400, queries=1))  # prepares twice as many
    assert not log.valid and any("error" in objection for objection in log.objections)
    assert any("before the 0.3 s" in objection for objection in log.objections)


@needs_loadgen
def test_a_missed_deadline_is_named(file):
    log = loadgen.run(file, queries.pictures(), Settings(SERVER, 0.3, 2_000, deadline=1e-6))
    assert not log.valid and "deadline of 0.001 ms" in log.objections[0]


@pytest.mark.parametrize("images", [np.zeros((4, 3, 32, 32), np.uint8), np.zeros((64, 3, 32, 32), np.float32),
                                    np.zeros((64, 3, 16, 16), np.uint8), None])
def test_other_pictures_are_refused(images, file):
    with pytest.raises(ValueError, match="byte pictures"):
        loadgen.run(file, images, Settings(SINGLE))


@needs_loadgen
def test_a_file_that_is_no_network_is_named(tmp_path):
    (tmp_path / "cut.onnx").write_bytes(b"\x08\x08")
    for name, words in (("cut.onnx", "no whole ONNX file"), ("gone.onnx", "no such file")):
        with pytest.raises(loadgen.Failed, match=words):
            loadgen.run(tmp_path / name, queries.pictures(), Settings(SINGLE, 0.1))


@pytest.mark.parametrize("hidden", [True, False])
def test_without_loadgen_everything_says_so_and_the_predictions_stay(hidden, monkeypatch, file):
    if hidden:
        monkeypatch.setitem(sys.modules, "mlperf_loadgen", None)
    else:
        monkeypatch.setattr(loadgen.importlib.util, "find_spec", lambda name: None)
    assert "mlcommons-loadgen" in loadgen.missing() and "Arm" in loadgen.missing()
    with pytest.raises(loadgen.Failed, match="not installed"):
        loadgen.run(file, queries.pictures(), Settings(SINGLE))
    calibration = queries.calibrate(torch.device("cpu"))
    calibration.check(queries.KEYS)
    here = fakes.machine(calibrations={**fakes.machine().calibrations, "queries": calibration})
    found = compare(asked.latency(here), [dict(scenario=SINGLE, width=16, dtype="fp32")])
    assert found.rows[0].predicted and "LoadGen is not here" in found.rows[0].predicted.note
    assert not found.rows[0].measured and "mlcommons-loadgen" in found.rows[0].measured.reason
    rates = asked.rates(here)
    assert all(rates.predict(**{**rates.start, "scenario": scenario}) for scenario in SCENARIOS)


# What is asked fails


@pytest.fixture
def in_place(tmp_path, monkeypatch):
    """Let the helper process run `labkit.measure.loadgen` with some lines of its own before."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def put(lines):
        (tmp_path / "asking.py").write_text(
            f"import os, sys, time\nfrom labkit.measure import loadgen\n{lines}\nloadgen.main(*sys.argv[1:])", "utf-8")
        monkeypatch.setattr(loadgen, "Helper", lambda _, *arguments: Helper("asking", *arguments))

    return put


FAILING = """
class Network:
    def __init__(self, path): pass
    def sampler(self, batch): return lambda: 1e-4
    def __call__(self, pictures):
        {}
        return loadgen.np.zeros((len(pictures), 3), 'float32')
loadgen.Network = Network
"""


@needs_loadgen
@pytest.mark.parametrize(("does", "words"), [("raise RuntimeError('out of paint')", "RuntimeError: out of paint"),
                                             ("os.kill(os.getpid(), 9)", "it ended"),
                                             ("return None", "answer has the shape"),
                                             ("pictures = pictures[1:]", "answer has the shape")])
@pytest.mark.parametrize("scenario", [SINGLE, OFFLINE])
def test_a_network_that_fails_ends_the_run_with_words(does, words, scenario, in_place, file):
    in_place(FAILING.format(does))
    begin = time.monotonic()
    with pytest.raises(loadgen.Failed, match=words):
        loadgen.run(file, queries.pictures(), Settings(scenario, 0.2, batch=64))
    assert time.monotonic() - begin < 20


@needs_loadgen
def test_a_network_that_never_answers_is_ended_after_the_limit(in_place, file, monkeypatch):
    monkeypatch.setattr(loadgen, "_START_S", 4.0)
    in_place(FAILING.format("time.sleep(600)"))
    begin = time.monotonic()
    with pytest.raises(loadgen.Failed, match=r"silent for 4\.4 s"):
        loadgen.run(file, queries.pictures(), Settings(SINGLE, 0.2))
    assert time.monotonic() - begin < 20


# Logs and the probe


@needs_loadgen
def test_a_run_whose_log_is_cut_off_fails_with_words(file, monkeypatch):
    def cut(folder):
        path = loadgen.Path(folder) / mlperf_log.DETAIL
        path.write_bytes(path.read_bytes()[:-2000])
        return read(folder)

    read = mlperf_log.read
    monkeypatch.setattr(mlperf_log, "read", cut)
    with pytest.raises(loadgen.Failed, match="cut off"):
        loadgen.run(file, queries.pictures(), Settings(SINGLE, 0.1))


@needs_loadgen
@pytest.mark.slow
@with_tries
def test_points_are_measured_at_the_calibrated_pace(here):
    point = {**asked.rates(here).start, "scenario": OFFLINE, "width": 16}
    for outcome in (asked.rates(here, seconds=0.2).measure(**point),
                    asked.latency(here, seconds=0.2).measure(scenario=MULTI, width=16, dtype="fp32")):
        assert isinstance(outcome, Outcome) and outcome.low <= outcome.value <= outcome.high and outcome.speed > 0


@needs_loadgen
@pytest.mark.slow
@quiet_machine
def test_the_instrument_finds_that_being_asked_costs(monkeypatch):
    monkeypatch.setattr(queries, "_RUN_S", 0.2)
    monkeypatch.setattr(queries, "_TURNS", 1)
    calibration = queries.calibrate(torch.device("cpu"))
    assert isinstance(calibration, Calibration)
    calibration.check(queries.KEYS)
    for (_, alone), (_, median) in zip(calibration.curve("alone"), calibration.curve("p50"), strict=True):
        assert median > 0.8 * alone
    assert all(a <= b <= c for (_, a), (_, b), (_, c) in zip(calibration.curve("p50"), calibration.curve("p90"),
                                                            calibration.curve("p99"), strict=False))
