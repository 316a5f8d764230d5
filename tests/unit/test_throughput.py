"""Lab 3.2: LoadGen asks in a process that always ends, its logs are whole or refused, and the queue is right."""

from __future__ import annotations

import dataclasses
import json
import math
import random
import sys
import time
from statistics import mean

import fakes
import numpy as np
import psutil
import pytest
import torch

from labkit.experiment import Outcome, Unavailable, compare
from labkit.labs.throughput import checks as check
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


@pytest.fixture(autouse=True)
def nothing_is_left():
    before = set(psutil.Process().children(recursive=True))
    yield
    assert set(psutil.Process().children(recursive=True)) <= before


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


@pytest.mark.parametrize("wrong", [dict(scenario="Sever"), dict(seconds=0), dict(seconds=-1), dict(seconds=math.nan),
                                   dict(seconds=math.inf), dict(expected=0), dict(expected=math.nan),
                                   dict(expected=-5), dict(batch=0), dict(batch=1.5), dict(batch=True),
                                   dict(deadline=0), dict(deadline=math.nan), dict(queries=0), dict(seconds="1")])
def test_settings_that_make_no_run_are_refused(wrong):
    with pytest.raises(ValueError, match=r"must be|no scenario"):
        Settings(**{"scenario": SERVER, **wrong})


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
    found = compare(asked.latency(here), [dict(scenario=SINGLE, width=16, form="fp32")])
    assert found.rows[0].predicted and "LoadGen is not here" in found.rows[0].predicted.note
    assert not found.rows[0].measured and "mlcommons-loadgen" in found.rows[0].measured.reason
    rates = asked.rates(here)
    assert all(rates.predict(**{**rates.start, "scenario": scenario}) for scenario in SCENARIOS)


@pytest.mark.parametrize(("shares", "calls", "kept"), [([0.1, 0.9], 1, 0), ([0.6, 0.1], 2, 1), ([0.6, 0.4, 0.5], 3, 1)])
def test_a_call_that_others_disturbed_is_made_again_and_the_least_disturbed_counts(shares, calls, kept, monkeypatch):
    made = []

    class Contention:
        def share(self):
            return shares[len(made) - 1]

    monkeypatch.setattr(loadgen, "Contention", Contention)
    assert loadgen.undisturbed(lambda: made.append(len(made)) or len(made) - 1) == (kept, shares[kept])
    assert len(made) == calls


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


# Logs


@pytest.fixture
def written(tmp_path):
    """A small log of two queries, as LoadGen writes it, in a folder."""
    facts = {"effective_scenario": SERVER, "result_validity": "VALID", "result_query_count": 2, "num_errors": 0,
             "effective_min_duration_ms": 1, "effective_min_query_count": 1, "result_min_duration_met": True,
             "result_min_queries_met": True, "early_stopping_met": True, "result_mean_latency_ns": 2_000_000}
    (tmp_path / mlperf_log.DETAIL).write_text("".join(
        f':::MLLOG {json.dumps({"key": key, "value": value, "time_ms": 1.0})}\n' for key, value in facts.items()))
    events = [{"name": "Sample", "cat": "default", "ph": "b", "pid": 1, "id": k, "ts": 1000.0 + 500 * k,
               "args": {"sample_seq": k, "query_seq": k, "sample_idx": 0, "issue_start_ns": 100_000 * (k + 1),
                        "complete_ns": 1_000_000 * (k + 1)}} for k in range(2)]
    (tmp_path / mlperf_log.TRACE).write_text('{"traceEvents":[\n' + "".join(
        json.dumps(event, separators=(",", ":")) + ",\n" for event in events) + "{}\n]}\n")
    return tmp_path


def test_a_log_is_read_in_seconds_from_the_first_that_is_due(written):
    log = mlperf_log.read(written)
    assert log.times == pytest.approx(np.array([[0, 1e-4, 1e-3], [5e-4, 7e-4, 2.5e-3]]))
    assert log.percentile(50) == pytest.approx(2e-3) and log.latencies == pytest.approx([1e-3, 2e-3])
    assert log.rate == pytest.approx(800) and log.mean == 0.002 and log.valid and not log.objections
    assert log.inside(5)[1].tolist() == [1, 2, 1, 1, 1]  # at 0.25, 0.75, 1.25, 1.75 and 2.25 ms


@pytest.mark.parametrize("name", [mlperf_log.DETAIL, mlperf_log.TRACE])
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.75])
def test_a_log_that_is_cut_off_is_refused(name, keep, written):
    path = written / name
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(mlperf_log.CutOff, match="cut off or damaged"):
        mlperf_log.read(written)


@pytest.mark.parametrize("name", [mlperf_log.DETAIL, mlperf_log.TRACE])
def test_a_log_that_is_missing_or_no_text_is_refused(name, written):
    (written / name).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(mlperf_log.CutOff):
        mlperf_log.read(written)
    (written / name).unlink()
    with pytest.raises(mlperf_log.CutOff, match="cannot be read"):
        mlperf_log.read(written)


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


@pytest.mark.parametrize("share", [0, 100, -1, math.nan])
def test_a_percentile_off_the_scale_is_refused(share, written):
    log = mlperf_log.read(written)
    with pytest.raises(ValueError, match="percentile"):
        log.percentile(share)
    with pytest.raises(ValueError, match="does not report"):
        log.reported(42)
    with pytest.raises(ValueError, match="once or more"):
        log.inside(0)


# The queue


@pytest.mark.parametrize("late", [0, 1, 5])
@pytest.mark.parametrize("share", [0.9, 0.99])
def test_the_queries_that_loadgen_needs_are_those_of_the_binomial_distribution(late, share):
    def probability(n):
        return sum(math.comb(n, k) * (1 - share) ** k * share ** (n - k) for k in range(late + 1))

    needed = predicted.queries_needed(late, share)
    assert probability(needed) <= 0.01 < probability(needed - 1)


def test_what_mlperf_itself_names():
    """`mlperf.conf` asks for 662 queries of MultiStream, which discards the slowest; with none late it is 459."""
    assert predicted.queries_needed(0) == 459 and predicted.queries_needed(1) == 662


def test_exponential_service_gives_the_exact_percentile_of_waiting():
    """In M/M/1 the response is exponential with the rate (1 - r) / S; the formula adds a mean service to the wait."""
    service, load = 1e-3, 0.8
    found = predicted.slowest(load / service, service, spread=1.0)
    wait = math.log(load / 0.01) * service / (1 - load)  # P(wait > t) = r exp(-(1 - r) t / S)
    assert found == pytest.approx(service + wait)


@pytest.mark.parametrize("load", [0.6, 0.8, 0.9])
def test_the_formula_is_near_a_simulated_queue(load):
    service, random_ = 1.0, random.Random(0)
    wait, responses = 0.0, []
    for _ in range(300_000):
        responses.append(wait + service)
        wait = max(wait + service - random_.expovariate(load / service), 0.0)
    assert mean(responses) == pytest.approx(service + load * service / (2 * (1 - load)), rel=0.06)
    slow = sorted(responses)[int(0.99 * len(responses))]
    assert predicted.slowest(load / service, service, 0.0) == pytest.approx(slow, rel=0.12)


def test_the_highest_rate_keeps_the_deadline_and_no_higher_one_does():
    for service, deadline in ((2e-4, 0.01), (1e-3, 0.003)):
        top = predicted.highest(service, 0.3, deadline)
        assert predicted.slowest(0.999 * top, service, 0.3) <= deadline < predicted.slowest(1.001 * top, service, 0.3)
        assert top < 1 / service
        assert top < predicted.highest(service, 0.3, 2 * deadline)
        assert top > predicted.highest(service, 2.0, deadline)
    assert predicted.highest(0.01, 0.0, 0.005) == 0
    assert predicted.slowest(2.0, 1.0, 0.0) == math.inf


@pytest.mark.parametrize("call", [
    lambda: predicted.slowest(0, 1, 0), lambda: predicted.slowest(math.nan, 1, 0), lambda: predicted.slowest(1, -1, 0),
    lambda: predicted.slowest(1, 0.1, -1), lambda: predicted.slowest(1, 0.1, 0, share=1),
    lambda: predicted.highest(0.1, 0, math.nan), lambda: predicted.highest(0, 0, 1),
    lambda: predicted.together(0, 1), lambda: predicted.with_reads(1, math.inf),
    lambda: predicted.queries_needed(-1), lambda: predicted.queries_needed(0, 1.0)])
def test_numbers_that_make_no_queue_are_refused(call):
    with pytest.raises(ValueError, match=r"must be|needs|count from"):
        call()


# Predictions


@pytest.fixture
def here():
    return fakes.machine()


def test_a_query_is_the_network_and_what_being_asked_costs(here):
    parts = asked.Plan(here, "fp32", 64).query(8)
    assert parts["the network"] == pytest.approx(predicted.alone(here.calibration("sessions"), "fp32", 64, 8))
    assert parts["being asked"] == pytest.approx(3e-5)
    outcome = asked.latency(here).predict(scenario=MULTI, width=64, form="fp32")
    usual, narrow = sum(parts.values()), 2e-4  # the narrow network's median for eight; its p99 lies 1e-4 above
    assert outcome.value == pytest.approx(usual + 1e-4 * math.sqrt(usual / narrow))
    assert sum(outcome.parts.values()) == pytest.approx(outcome.value)


def test_rates_follow_from_who_asks(here):
    rates = asked.rates(here)
    found = {scenario: rates.predict(**{**rates.start, "scenario": scenario}).value for scenario in SCENARIOS}
    assert found[SERVER] < found[SINGLE] < found[MULTI] < found[OFFLINE]
    by_deadline = [rates.predict(**{**rates.start, "scenario": SERVER, "deadline": d}) for d in asked.DEADLINES]
    known = [outcome.value for outcome in by_deadline if outcome]
    assert known == sorted(known) and known[-1] < found[SINGLE]


def test_a_deadline_below_one_answer_is_unavailable(here):
    sessions = fakes.calibration({("fp32", 64): [[1, 0.5], [8, 4.0]], ("fp32", 4): [[1, 0.5]]})
    slow = {**here.calibrations, "sessions": sessions}
    outcome = asked.rates(fakes.machine(calibrations=slow)).predict(scenario=SERVER, batch=1, width=64, form="fp32",
                                                              deadline=0.01)
    assert isinstance(outcome, Unavailable) and "no rate keeps" in outcome.reason


def test_runs_are_short_enough_for_their_logs(here):
    for scenario in SCENARIOS:
        for width in asked.WIDTHS:
            settings = asked.Plan(here, "fp32", width).settings(scenario, 60.0, batch=64)
            samples = settings.seconds * settings.expected * (loadgen.STREAMS if scenario == MULTI else 1)
            assert samples <= 1.21 * asked.MOST


class Pretended:
    """A site whose runs are valid up to a rate, the first of two tries excepted where it is said to be unlucky."""

    def __init__(self, top, unlucky=False):
        self.top, self.unlucky, self.tried = top, unlucky, []

    def run(self, form, width, settings):
        self.tried.append(settings.expected)
        first = self.tried.count(settings.expected) == 1
        valid = settings.expected <= self.top and not (self.unlucky and first)

        class Log:
            pass

        Log.valid = valid
        return Log


@pytest.mark.parametrize("factor", [0.1, 0.7, 0.95, 1.3])
@pytest.mark.parametrize("unlucky", [False, True])
def test_the_search_finds_the_highest_valid_rate(factor, unlucky, here):
    plan = asked.Plan(here, "fp32", 64)
    top = factor / plan.turn(1)
    site = Pretended(top, unlucky)
    found = asked.peak(site, plan, 0.01, 1.0)
    assert found.low <= top <= found.high
    assert found.high - found.low <= 0.1 * top
    assert len(site.tried) <= 24


def test_the_search_ends_where_no_rate_is_valid(here):
    found = asked.peak(Pretended(-1), asked.Plan(here, "fp32", 64), 0.01)
    assert found.low == 0 and len(found.runs) <= 24


@needs_loadgen
@pytest.mark.slow
def test_points_are_measured_at_the_calibrated_pace(here):
    point = {**asked.rates(here).start, "scenario": OFFLINE, "width": 16}
    for outcome in (asked.rates(here, seconds=0.2).measure(**point),
                    asked.latency(here, seconds=0.2).measure(scenario=MULTI, width=16, form="fp32")):
        assert isinstance(outcome, Outcome) and outcome.low <= outcome.value <= outcome.high and outcome.speed > 0


@needs_loadgen
@pytest.mark.slow
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


# Published


def test_published_devices_have_one_or_more_in_work():
    found = {name: predicted.together(rate, latency) for name, (latency, rate) in asked.published().items()}
    assert len(found) > 5 and all(value > 0.9 for value in found.values())
    assert found["Orin_NX_TRT"] == pytest.approx(1.0846e-3 * 2517.99)


def test_a_deadline_never_raised_a_published_rate():
    shares = asked.kept_under_deadline()
    assert len(shares) > 5 and all(0 < share <= 1 for share in shares.values())


def test_what_this_machine_supplies_comes_from_its_profile(here):
    found = asked.bandwidths(here)
    assert found["memory"] == pytest.approx(fakes.FAR, rel=0.3)
    assert found["storage, a picture at a time"] < found["storage, in order"] <= 1.1e9
    lacking = {**here.calibrations, "storage": Calibration.unavailable((("random",), ("sequential",)), "No.")}
    known = {name for name, rate in asked.bandwidths(fakes.machine(calibrations=lacking)).items() if rate}
    assert known == {"memory", "a message to another process"}
    assert asked.one_read(fakes.machine(calibrations=lacking)).reason == "No."
    alone = fakes.machine(calibrations={probe: here.calibrations[probe] for probe in ("sessions", "queries")})
    assert not any(asked.bandwidths(alone).values()) and not asked.floor(alone, 64, 1)
    assert "Lab 1.1" in str(asked.supply_table(asked.bandwidths(alone), 1e6))
    assert "Lab 1.1" in str(asked.with_storage(alone, "fp32", (64,)))


def test_without_a_run_the_tables_say_so():
    assert asked.table({}).rows and asked.counted_again({})[1] is None and asked.littles_law({})[1] is None
    none = Unavailable("LoadGen is not here.")
    assert "not here" in str(asked.search_table(none)) and asked.highest_valid(none) is none
    assert not asked.highest_valid(asked.Peak([], 0.0, math.inf))
    assert set(asked.links()) >= {"10 GbE", "NVMe SSD, PCIe 4"} and asked.links()["10 GbE"] == 1.25e9


# Exercises


def test_right_answers_pass_and_wrong_ones_get_a_hint(here, capsys, logs):
    plan = asked.Plan(here, "fp32", 64)
    fitting = max(batch for batch in asked.BATCHES if plan.turn(batch) <= 0.01)
    asks = [lambda answer: check.queries(answer, share=0.999), lambda answer: check.in_time(answer, plan, 0.01),
            lambda answer: check.in_work(answer, "Orin_NX_TRT"), lambda answer: check.machines(answer, 5_000, 1.25e9)]
    for ask, answer in zip(asks, (4603, fitting, 2.73, 81.4), strict=True):
        assert ask(answer) is True and ask(None) is None
        assert not any(ask(wrong) for wrong in (-3, 1e9, "x", math.nan, [1]))
    assert check.doubted(None) is None and check.doubted("a log") is False
    assert check.doubted(logs[OFFLINE]) is False
    few = {**logs[OFFLINE].facts, "result_validity": "INVALID", "early_stopping_met": False,
           "result_min_duration_met": True, "result_min_queries_met": True}
    assert check.doubted(dataclasses.replace(logs[OFFLINE], facts=few)) is True
    short = {**few, "result_min_duration_met": False}
    assert check.doubted(dataclasses.replace(logs[OFFLINE], facts=short)) is False
