"""Lab 3.2: LoadGen's logs are whole or refused, the queue is right, and what is lacking is said."""

from __future__ import annotations

import dataclasses
import json
import math
import random
from statistics import fmean

import fakes
import numpy as np
import pytest

from labkit.experiment import Unavailable
from labkit.labs.throughput import checks as check
from labkit.labs.throughput import experiments as asked
from labkit.measure import loadgen, mlperf_log
from labkit.measure.loadgen import MULTI, OFFLINE, SCENARIOS, SERVER, SINGLE, Settings
from labkit.predict import throughput as predicted
from labkit.specs.calibration import Calibration

# LoadGen


@pytest.mark.parametrize("wrong", [dict(scenario="Sever"), dict(seconds=0), dict(seconds=-1), dict(seconds=math.nan),
                                   dict(seconds=math.inf), dict(expected=0), dict(expected=math.nan),
                                   dict(expected=-5), dict(batch=0), dict(batch=1.5), dict(batch=True),
                                   dict(deadline=0), dict(deadline=math.nan), dict(queries=0), dict(seconds="1")])
def test_settings_that_make_no_run_are_refused(wrong):
    with pytest.raises(ValueError, match=r"must be|no scenario"):
        Settings(**{"scenario": SERVER, **wrong})


@pytest.mark.parametrize(("shares", "calls", "kept"), [([0.1, 0.9], 1, 0), ([0.6, 0.1], 2, 1), ([0.6, 0.4, 0.5], 3, 1)])
def test_a_call_that_others_disturbed_is_made_again_and_the_least_disturbed_counts(shares, calls, kept, monkeypatch):
    made = []

    class Contention:
        def share(self):
            return shares[len(made) - 1]

    monkeypatch.setattr(loadgen, "Contention", Contention)
    assert loadgen.undisturbed(lambda: made.append(len(made)) or len(made) - 1) == (kept, shares[kept])
    assert len(made) == calls


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
    for _ in range(100_000):
        responses.append(wait + service)
        wait = max(wait + service - random_.expovariate(load / service), 0.0)
    assert fmean(responses) == pytest.approx(service + load * service / (2 * (1 - load)), rel=0.06)
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
    outcome = asked.latency(here).predict(scenario=MULTI, width=64, dtype="fp32")
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
    outcome = asked.rates(fakes.machine(calibrations=slow)).predict(scenario=SERVER, batch=1, width=64, dtype="fp32",
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

    def run(self, dtype, width, settings):
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


def test_right_answers_pass_and_wrong_ones_get_a_hint(here, written):
    plan = asked.Plan(here, "fp32", 64)
    fitting = max(batch for batch in asked.BATCHES if plan.turn(batch) <= 0.01)
    asks = [lambda answer: check.queries(answer, share=0.999), lambda answer: check.in_time(answer, plan, 0.01),
            lambda answer: check.in_work(answer, "Orin_NX_TRT"), lambda answer: check.machines(answer, 5_000, 1.25e9)]
    for ask, answer in zip(asks, (4603, fitting, 2.73, 81.4), strict=True):
        assert ask(answer).ok is True and ask(None).ok is None
        assert not any(ask(wrong) for wrong in (-3, 1e9, "x", math.nan, [1]))
    assert check.doubted(None).ok is None and check.doubted("a log").ok is False
    log = mlperf_log.read(written)
    assert check.doubted(log).ok is False
    few = {**log.facts, "result_validity": "INVALID", "early_stopping_met": False,
           "result_min_duration_met": True, "result_min_queries_met": True}
    assert check.doubted(dataclasses.replace(log, facts=few)).ok is True
    short = {**few, "result_min_duration_met": False}
    assert check.doubted(dataclasses.replace(log, facts=short)).ok is False
