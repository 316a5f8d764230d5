"""The predictions of Chapter 3's pages: slow answers among many, watts for a load, tokens a second, random arrivals."""

from __future__ import annotations

import heapq
import itertools
import math
import random

import numpy as np
import pytest

from labkit import catalogue
from labkit.experiment import Unavailable
from labkit.pages import decoding, fleet, mm_c_queue, tail_at_scale
from labkit.predict import decoding as writing
from labkit.predict import erlang
from labkit.predict import tail_at_scale as slowest
from labkit.widgets.explorer import Explorer

NO_NUMBER = [0, -1, math.nan, math.inf]


# The slowest of many


def test_a_request_to_many_servers_is_slow_as_often_as_a_throw_of_dice_says():
    rng, each, servers, tries = np.random.default_rng(3), 0.02, 40, 20_000
    for copies in (1, 2):
        slow = (rng.random((tries, servers, copies)) < each).all(axis=2).any(axis=1).sum()
        share = slowest.slow_share(each, servers, copies)
        assert slow / tries == pytest.approx(share, abs=4 * math.sqrt(share / tries))


def test_the_share_is_that_of_the_paper_and_its_inverse_comes_back():
    assert slowest.slow_share(0.01, 100) == pytest.approx(0.634, abs=5e-4)
    assert slowest.slow_share(0.0001, 2000) == pytest.approx(0.181, abs=5e-4)
    for share, servers in itertools.product((1e-12, 0.001, 0.5, 1), (1, 7, 2000)):
        assert slowest.slow_share(slowest.allowed(share, servers), servers) == pytest.approx(share)
    assert slowest.slow_share(0, 5) == 0 and slowest.slow_share(1, 1) == 1


@pytest.mark.parametrize("arguments", [(-0.1, 1), (1.1, 1), (math.nan, 1), (0.5, 0), (0.5, 1, 0)], ids=repr)
def test_no_share_and_no_server_are_refused(arguments):
    with pytest.raises(ValueError, match=r"share lies between|one server and one copy"):
        slowest.slow_share(*arguments)
    if len(arguments) == 2:
        with pytest.raises(ValueError, match=r"share lies between|one server and one copy"):
            slowest.allowed(*arguments)


def test_the_published_points_lie_on_the_curve():
    experiment = tail_at_scale.fan_out()
    assert len(experiment.published) == 2
    for figure in experiment.published:
        assert experiment.predict(**figure.point).value == pytest.approx(figure.value, rel=0.02)


# Watts for a load with a deadline


def test_published_server_results_are_predicted_from_one_latency_and_one_rate():
    direct, through = fleet.published(), fleet.published(fleet.THROUGH_TRITON)
    assert direct.median_error < 0.1 and max(direct.errors) < fleet.BAND
    assert min(through.errors) > max(direct.errors)  # a server program between costs more than the rule knows
    assert all(row.predicted.value > row.published.value for row in through.rows)


def test_the_server_results_and_their_cards_are_of_one_submitter_and_one_network():
    served = catalogue.by_name("mlperf-server")
    cards = catalogue.by_name("mlperf-inference")
    for server, card in (*fleet.DIRECT.items(), *fleet.THROUGH_TRITON.items()):
        assert all(served[server][column] == cards[card][column] for column in ("model", "submitter"))
        assert served[server]["tail_latency_s"] <= fleet.LIMITS[served[server]["model"]]


def test_every_server_result_kept_its_limits():
    for row in catalogue.table("mlperf-server"):
        if row["model"] in fleet.LIMITS and row["scenario"] == "server":
            assert row["tail_latency_s"] <= fleet.LIMITS[row["model"]], row["name"]
        if row["model"] == "Llama 2 70B":
            first, each = (2, 0.2) if row["scenario"] == "server" else (0.45, 0.04)
            assert row["first_latency_s"] <= first and row["each_latency_s"] <= each, row["name"]
        if row["server_samples_per_s"] and row["offline_samples_per_s"]:
            assert row["server_samples_per_s"] < row["offline_samples_per_s"], row["name"]


def test_watts_rise_with_the_rate_and_fall_with_the_deadline():
    experiment = fleet.power()
    for device, network in itertools.product(fleet.DEVICES, fleet.LIMITS):
        loads = [experiment.predict(rate=rate, deadline=0.1, device=device, network=network) for rate in fleet.RATES]
        if all(loads):
            assert [o.value for o in loads] == sorted(o.value for o in loads)
        waits = [experiment.predict(rate=20_000, deadline=d, device=device, network=network) for d in fleet.DEADLINES]
        found = [o.value for o in waits if o]
        assert found == sorted(found, reverse=True)


def test_what_takes_too_long_and_what_nobody_published_is_said():
    point = {"rate": 10, "device": "Jetson Orin NX"}
    assert "more than the" in fleet.power().predict(deadline=0.001, network=fleet.RESNET, **point).reason
    assert "No round of MLPerf" in fleet.power().predict(deadline=0.1, network=fleet.RETINANET, **point).reason


# Tokens a second


def test_a_step_is_the_larger_of_reading_and_arithmetic():
    reading = writing.step(weights=1e9, conversation=1e6, flop=2e9, batch=2, flops=1e15, bandwidth=1e12)
    assert reading == {"weights": pytest.approx(1e-3), "conversations": pytest.approx(2e-6)}
    arithmetic = writing.step(weights=1e9, conversation=0, flop=2e9, batch=1000, flops=1e15, bandwidth=1e12)
    assert arithmetic == {"arithmetic": pytest.approx(2e-3)}
    assert writing.prompt(2e9, 500, 1e15) == pytest.approx(1e-3)


def test_more_conversations_never_write_less_together_nor_sooner_each():
    rng = random.Random(5)
    for _ in range(300):
        card = {"flops": 10 ** rng.uniform(13, 16), "bandwidth": 10 ** rng.uniform(11, 13)}
        model = {"weights": 10 ** rng.uniform(8, 11), "conversation": 10 ** rng.uniform(5, 9),
                 "flop": 10 ** rng.uniform(9, 11)}
        batch = rng.randint(1, 500)
        few, many = (sum(writing.step(batch=b, **card, **model).values()) for b in (batch, 2 * batch))
        assert few <= many <= 2 * few * (1 + 1e-12)


def test_what_fits_is_counted_whole():
    assert writing.held(80e9, 16e9, 1e9) == 64 and writing.held(10, 20, 1) == 0


@pytest.mark.parametrize("number", NO_NUMBER, ids=repr)
def test_what_is_no_amount_is_refused_by_name(number):
    good = {"weights": 1, "conversation": 1, "flop": 1, "batch": 1, "flops": 1, "bandwidth": 1}
    for name in ("weights", "flop", "flops", "bandwidth"):
        with pytest.raises(ValueError, match=f"{name} must be"):
            writing.step(**{**good, name: number})
    for name, count in {
        "memory": lambda: writing.held(number, 1, 1), "conversation": lambda: writing.held(1, 1, number),
        "flops": lambda: writing.prompt(1, 1, number),
    }.items():
        with pytest.raises(ValueError, match=f"{name} must be"):
            count()
    for wrong in ({"batch": 0}, {"conversation": -1}, {"conversation": math.nan}):
        with pytest.raises(ValueError, match="one conversation or more"):
            writing.step(**{**good, **wrong})
    with pytest.raises(ValueError, match="one token or more"):
        writing.prompt(1, 0, 1)


def test_no_published_rate_beats_the_floor_and_the_band_is_the_least_that_was_reached():
    reached = [row.published.value / row.predicted.value for row in decoding.published().rows]
    assert len(reached) >= 10 and max(reached) < 1
    assert min(reached) == pytest.approx(decoding.REACHED, abs=0.005)


def test_the_bytes_of_a_token_are_those_that_the_models_describe():
    assert decoding.MODELS["8 billion, 16-bit"].token == 131_072  # 2 × 32 layers × 8 heads × 128 numbers × 2 bytes
    assert decoding.MODELS["405 billion, 8-bit"].weights == 405e9


def test_memory_refuses_what_does_not_fit_and_every_other_point_has_an_interval():
    experiment = decoding.rate()
    for point in experiment.points():
        outcome = experiment.predict(**point)
        if outcome:
            assert outcome.low < outcome.value == outcome.high and outcome.note
        else:
            assert isinstance(outcome, Unavailable)
            assert "weights alone" in outcome.reason or "room for" in outcome.reason
    one = {"batch": 1, "context": 2048, "model": "405 billion, 8-bit", "card": "H100 SXM"}
    assert not experiment.predict(cards=1, **one) and experiment.predict(cards=8, **one)


# Random arrivals


def played(servers, busy, patience, seed, count=200_000):
    """Play random arrivals and services; return the mean wait and the share that waits beyond `patience`."""
    rng, now, free, waits = random.Random(seed), 0.0, [0.0] * servers, []
    for _ in range(count):
        now += rng.expovariate(servers * busy)
        start = max(now, heapq.heappop(free))
        heapq.heappush(free, start + rng.expovariate(1))
        waits.append(start - now)
    return sum(waits) / count, sum(wait > patience for wait in waits) / count


@pytest.mark.parametrize("servers, busy, patience", [(1, 0.5, 1.0), (4, 0.7, 0.5), (8, 0.7, 0.0)])
def test_waits_are_those_of_a_played_queue(servers, busy, patience):
    mean, late = played(servers, busy, patience, seed=1)
    assert mean == pytest.approx(erlang.mean_wait(servers, busy), rel=0.1)
    assert late == pytest.approx(erlang.late(servers, busy, patience), rel=0.1)


def test_the_longest_wait_of_a_share_is_the_inverse_of_the_late_share():
    for servers, busy, share in itertools.product((1, 4, 9), (0.3, 0.9), (0.5, 0.99)):
        wait = erlang.longest(servers, busy, share)
        if wait:
            assert erlang.late(servers, busy, wait) == pytest.approx(1 - share)
        else:
            assert erlang.waits(servers, busy) <= 1 - share
    assert erlang.longest(2, 1.1, 0.5) == math.inf and erlang.longest(2, 0, 0.99) == 0
    with pytest.raises(ValueError, match="below 1"):
        erlang.longest(1, 0.5, 1)


def test_an_overload_has_a_reason_and_every_other_answer_takes_its_work_at_least():
    experiment = mm_c_queue.wait()
    for point in experiment.points():
        outcome = experiment.predict(**point)
        if outcome:
            assert outcome.value >= point["work"] and "Busy for" in outcome.note
        else:
            assert "queue grows" in outcome.reason


def test_one_server_is_the_queue_of_the_textbooks_and_an_overload_is_said():
    assert erlang.waits(1, 0.7) == pytest.approx(0.7)
    assert erlang.mean_wait(1, 0.7) == pytest.approx(0.7 / 0.3)
    assert erlang.late(1, 0.7, 2) == pytest.approx(0.7 * math.exp(-0.6))
    assert erlang.mean_wait(3, 1) == math.inf and erlang.late(3, 1.2, 9) == 1 and erlang.waits(3, 0) == 0


def test_sharing_never_makes_the_wait_longer():
    for busy in (0.2, 0.5, 0.9, 0.99):
        waits = [erlang.mean_wait(servers, busy) for servers in range(1, 40)]
        assert waits == sorted(waits, reverse=True)


def test_inside_is_the_rate_times_the_stay():
    assert erlang.inside(14.43, 39.9) == pytest.approx(575.757)
    for wrong in ((-1, 1), (1, math.inf), (math.nan, 1)):
        with pytest.raises(ValueError, match="finite and 0 or more"):
            erlang.inside(*wrong)


@pytest.mark.parametrize("arguments", [(0, 0.5, 0), (1, -0.1, 0), (1, math.nan, 0), (1, 0.5, -1), (1, 0.5, math.nan)],
                         ids=repr)
def test_a_queue_that_cannot_be_is_refused(arguments):
    with pytest.raises(ValueError, match=r"A queue needs|Patience is"):
        erlang.late(*arguments)


# The widgets


@pytest.mark.parametrize("experiment, x", [
    (tail_at_scale.fan_out, "servers"), (fleet.power, "rate"), (decoding.rate, "batch"), (mm_c_queue.wait, "people")])
def test_the_pages_explorers_stay_light(experiment, x):
    widget = Explorer(experiment(), x=x)
    assert sum(1 for _ in experiment().points()) < 3000
    assert widget.text()
