"""The predictions of Chapter 2's pages on data, sharing and feeding: learning curves, pools, pipelines, checkpoints."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from statistics import mean

import pytest

from labkit import catalogue
from labkit.experiment import Unavailable
from labkit.labs.feeding_the_cluster import planner as input_pipeline
from labkit.labs.growing_clean_data import planner as learning_curves
from labkit.pages import cluster_sharing
from labkit.predict import checkpoints, learning_curve
from labkit.predict import cluster_sharing as shared
from labkit.predict import input_pipeline as pipeline
from labkit.predict.learning_curve import PowerLaw
from labkit.widgets.explorer import Explorer

NO_NUMBER = [0, -1, math.nan, math.inf]


# Learning curves


def test_a_curve_and_its_inverse_agree_and_the_factor_is_their_ratio():
    for scale, exponent, floor in itertools.product((0.5, 3), (0.07, 0.28, 0.5), (0, 1.69)):
        curve = PowerLaw(scale, exponent, floor)
        for samples in (10, 1e4, 1e9):
            assert curve.samples(curve.error(samples)) == pytest.approx(samples, rel=1e-4)
        now, then = curve.error(1e3), curve.error(4e3)
        assert learning_curve.more_data(now, then, exponent, floor) == pytest.approx(4)


def test_the_steepness_is_that_of_the_curve_on_logarithmic_axes():
    curve, samples, step = learning_curves.HOFFMANN, 1e10, 1.0001
    slope = math.log(curve.error(samples * step) / curve.error(samples)) / math.log(step)
    assert curve.steepness(samples) == pytest.approx(-slope, rel=1e-3)
    assert learning_curves.KAPLAN.steepness(samples) == pytest.approx(0.095)


def test_no_data_reach_the_floor():
    assert learning_curve.more_data(10, 5, 0.3, floor=5) == math.inf
    assert PowerLaw(1, 0.3, 0.2).samples(0.1) == math.inf
    assert PowerLaw(1, 0.3, 0.2).error(1e300) == pytest.approx(0.2)


def test_a_fit_finds_the_curve_that_made_the_points():
    truth = PowerLaw(2.0, 0.31, 0.05)
    counts = (100, 300, 1000, 3000)
    found = learning_curve.fit(counts, [truth.error(n) for n in counts], floor=0.05)
    assert (found.scale, found.exponent) == pytest.approx((2.0, 0.31))


def test_a_fit_with_a_floor_finds_it_and_says_how_sure_it_is():
    truth, counts, dice = PowerLaw(200, 0.5, 8), (125, 250, 500, 1000, 2000), random.Random(2)
    errors = [[truth.error(n) * dice.gauss(1, 0.02) for _ in range(5)] for n in counts]
    found = learning_curve.fit_with_floor(counts, errors)
    value, low, high = found.error(8000, 5)
    assert value == pytest.approx(truth.error(8000), rel=0.1) and low < truth.error(8000) < high
    low, high = found.interval("floor")
    assert low < 8 < high and low < found.curve.floor < high
    noisy = learning_curve.fit_with_floor(counts, [[truth.error(n) * dice.gauss(1, 0.1) for _ in range(3)]
                                                   for n in counts])
    assert noisy.spread > 2 * found.spread


def test_a_curve_without_a_floor_is_fitted_with_none():
    truth, counts = PowerLaw(2, 0.3), (100, 300, 1000, 3000)
    found = learning_curve.fit_with_floor(counts, [[truth.error(n)] * 2 for n in counts])
    assert found.curve.floor == pytest.approx(0, abs=0.01) and found.curve.exponent == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize("counts, errors", [
    ((10, 20, 30), [[3, 3]] * 3), ((10, 20, 30, 40), [[4], [3], [2], [1]]),
    ((1, 2, 3, 4), [[4, 4], [3, 3], [2, 2], [0, 1]]), ((1, 2, 3, 4), [[1, 1], [2, 2], [3, 3], [4, 4]])])
def test_errors_that_carry_no_floor_are_refused(counts, errors):
    with pytest.raises(ValueError, match=r"takes four|error of 0|do not fall"):
        learning_curve.fit_with_floor(counts, errors)


def test_scattered_wrong_labels_are_worth_what_angluin_and_laird_say():
    assert learning_curve.worth(0.1, 2) == pytest.approx((1 - 0.2) ** 2)
    assert learning_curve.worth(0, 3) == 1 and learning_curve.worth(2 / 3, 3) == pytest.approx(0)
    assert learning_curve.worth(0.9, 3) == 0 and learning_curve.worth(0, 3, 0.9) == 1
    assert learning_curve.worth(0.2, 3, 0.6) < learning_curve.worth(0.2, 3, 0.3) < learning_curve.worth(0.2, 3)
    with pytest.raises(ValueError, match="from 0 to below 1"):
        learning_curve.worth(0.2, 3, 1.0)
    for wrong in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="between 0 and 1"):
            learning_curve.worth(wrong, 3)


@pytest.mark.parametrize("points", [((10, 10), (0.2, 0.1)), ((10, 20), (0.1, 0.2)), ((10, 20), (0.2, 0.0))], ids=repr)
def test_points_without_a_curve_are_refused(points):
    with pytest.raises(ValueError, match=r"curve takes|do not fall"):
        learning_curve.fit(*points)


@pytest.mark.parametrize("number", NO_NUMBER, ids=repr)
def test_a_curve_that_cannot_be_is_refused(number):
    for build in (lambda: PowerLaw(number, 0.3), lambda: PowerLaw(1, number), lambda: PowerLaw(1, 0.3).error(number)):
        with pytest.raises(ValueError, match="must be a finite number above 0"):
            build()
    with pytest.raises(ValueError, match="not above its floor"):
        learning_curve.more_data(1, 0.5, 0.3, floor=1)


def test_the_published_laws_agree_where_there_are_few_tokens_and_part_later():
    def factor(law, tokens):
        return law.samples(0.9 * law.error(tokens)) / tokens

    assert factor(learning_curves.HOFFMANN, 1e9) == pytest.approx(factor(learning_curves.KAPLAN, 1e9), rel=0.2)
    assert factor(learning_curves.HOFFMANN, 1e11) > 5 * factor(learning_curves.KAPLAN, 1e11)
    assert learning_curves.HOFFMANN.error(1e12) == pytest.approx(1.69 + 410.7 / 1e12**0.28)
    assert learning_curves.KAPLAN.error(5.4e13) == pytest.approx(1)


def test_less_error_never_takes_less_data_and_what_is_impossible_has_a_reason():
    experiment = learning_curves.plan()
    for point in experiment.points():
        outcome = experiment.predict(**point)
        if outcome:
            assert 1 < outcome.value / point["have"] <= 1.01 * learning_curves.MOST
        else:
            assert isinstance(outcome, Unavailable) and outcome.reason
    start = experiment.start
    values = [experiment.predict(**(start | {"wanted": wanted})).value for wanted in (9.5, 9, 8, 5, 2)]
    assert values == sorted(values)
    labels = [experiment.predict(**(start | {"wrong": wrong})).value for wrong in learning_curves.WRONG]
    assert labels == sorted(labels) and labels[-1] > labels[0]


# Sharing


def played(servers, busy, count=200_000, seed=1):
    """Play jobs of random moments and lengths through places; return the mean wait in mean lengths."""
    rng, now, free, waits = random.Random(seed), 0.0, [0.0] * servers, []
    for _ in range(count):
        now += rng.expovariate(servers * busy)
        start = max(now, heapq.heappop(free))
        waits.append(start - now)
        heapq.heappush(free, start + rng.expovariate(1))
    return mean(waits[count // 10:])


@pytest.mark.parametrize("servers, busy, longer", [(1, 0.6, 1.0), (4, 0.8, 1.0), (8, 0.6, 1.25)])
def test_a_stay_is_what_played_jobs_take(servers, busy, longer):
    parts = shared.stay(servers, busy, longer)
    assert parts["running"] == longer
    assert parts["waiting"] == pytest.approx(longer * played(servers, busy * longer), rel=0.15, abs=0.01)


def test_a_pool_of_equals_never_waits_longer_and_disturbance_always_costs():
    for busy in (0.3, 0.7, 0.95):
        waits = [shared.stay(servers, busy)["waiting"] for servers in (1, 2, 4, 8, 16)]
        assert waits == sorted(waits, reverse=True)
    stays = [sum(shared.stay(8, 0.6, longer).values()) for longer in (1, 1.1, 1.3, 1.6)]
    assert stays == sorted(stays)
    assert shared.stay(8, 0.6, 2.0)["waiting"] == math.inf


def test_the_highest_load_has_the_wait_that_was_asked_for():
    assert shared.highest_load(1, 0.5) == pytest.approx(1 / 3)  # busy / (1 - busy) = 0.5
    for servers, wait in itertools.product((1, 3, 16), (0.1, 1, 5)):
        assert shared.stay(servers, shared.highest_load(servers, wait))["waiting"] == pytest.approx(wait, rel=1e-4)


def test_free_nodes_are_those_of_jobs_put_anywhere():
    rng = random.Random(3)
    for nodes, each, busy in ((10, 4, 8), (20, 2, 20), (6, 8, 10)):
        places = [node for node in range(nodes) for _ in range(each)]
        free = mean(nodes - len(set(rng.sample(places, busy))) for _ in range(4000))
        assert shared.free_nodes(nodes, each, busy) == pytest.approx(free, rel=0.1, abs=0.02)
    assert shared.free_nodes(10, 8, 0) == 10 and shared.free_nodes(10, 8, 80) == 0
    assert shared.free_nodes(10, 1, 4) == pytest.approx(6)


@pytest.mark.parametrize("ask", [lambda: shared.stay(1, 0.5, 0.9), lambda: shared.stay(0, 0.5),
                                 lambda: shared.highest_load(2, 0), lambda: shared.free_nodes(2, 4, 9),
                                 lambda: shared.free_nodes(0, 4, 0), lambda: shared.free_nodes(2, 4, -1)])
def test_what_nobody_can_share_is_refused(ask):
    with pytest.raises(ValueError, match=r"\w{3}"):
        ask()


def test_ones_own_part_does_not_depend_on_the_others_and_a_full_pool_says_so():
    experiment, start = cluster_sharing.result(), cluster_sharing.result().start
    own = {experiment.predict(**(start | {"others": others, "teams": teams})).value
           for others in cluster_sharing.OTHERS for teams in cluster_sharing.TEAMS}
    assert len(own) == 1
    pool = start | {"cluster": cluster_sharing.POOL}
    assert experiment.predict(**pool).value < own.pop() / 2
    full = experiment.predict(**(pool | {"longer": 1.5}))
    assert not full and "grows without end" in full.reason


def test_what_was_published_of_sharing_is_on_both_sides():
    rows = catalogue.by_name("sharing")
    card = rows["Two jobs on one V100"]
    assert card["worst_percent"] < card["job_percent"] < card["best_percent"] < 100 < card["pair_percent"]
    assert rows["Two jobs on one K80"]["pair_percent"] < 100


# Feeding


def test_the_slowest_stage_sets_the_pace_and_the_rest_is_stall():
    stages = {"storage": 900, "processors": 600, "compute": 1000}
    assert pipeline.bottleneck(stages) == ("processors", 600)
    assert pipeline.stalled(stages) == pytest.approx(0.4)
    assert pipeline.stalled({"storage": math.inf, "compute": 5}) == 0


def test_what_is_needed_is_just_enough():
    for cached, stall in itertools.product((0, 0.35, 0.9), (0, 0.1, 0.5)):
        storage = pipeline.needed(1000, 2e5, cached, stall)
        stages = {"storage": pipeline.fetching(storage, 2e5, cached), "compute": 1000}
        assert pipeline.stalled(stages) == pytest.approx(stall)
    assert pipeline.fetching(1e9, 1e5, 1) == math.inf and pipeline.needed(1000, 1e5, 1) == 0
    assert pipeline.held(5, 10) == 0.5 and pipeline.held(50, 10) == 1


def test_moving_takes_every_step_and_the_time_between():
    assert pipeline.moved(1e15, 125e6) == pytest.approx(8e6)
    assert pipeline.moved(100, 10, 20, between=7) == pytest.approx(22)


@pytest.mark.parametrize("ask", [
    lambda: pipeline.fetching(0, 1), lambda: pipeline.fetching(1, 1, 1.1), lambda: pipeline.bottleneck({}),
    lambda: pipeline.bottleneck({"compute": 0}), lambda: pipeline.bottleneck({"compute": math.inf}),
    lambda: pipeline.needed(1, 1, stall=1), lambda: pipeline.held(math.nan, 1), lambda: pipeline.moved(1),
    lambda: pipeline.moved(1, 1, between=-1),
])
def test_a_pipeline_that_cannot_be_is_refused(ask):
    with pytest.raises(ValueError, match=r"\w{3}"):
        ask()


def test_storage_systems_gave_what_the_formula_asks_for():
    found = input_pipeline.published()
    assert len(found.errors) > 100
    assert found.median_error < 0.05 and found.p90_error < 0.1 and max(found.errors) < 0.25


def test_the_settings_of_the_workloads_are_those_behind_the_published_rows():
    """Nothing takes samples faster than its settings allow, and what never waited is close to them."""
    for row in catalogue.table("mlperf-storage"):
        if row["accelerator"]:
            load = input_pipeline.WORKLOADS[row["workload"]]
            each = row["samples_per_s"] / row["accelerators"]
            assert each < 1.001 * load.rate(row["accelerator"])
            assert row["bytes_per_s"] / row["samples_per_s"] == pytest.approx(load.size, rel=5e-3)
            if row["busy_percent"] > 98:
                assert each > 0.95 * load.rate(row["accelerator"])


def test_text_asks_for_ten_thousand_times_less_than_scans():
    scans = input_pipeline.WORKLOADS["unet3d"]
    text = input_pipeline.BERT.rate(input_pipeline.V100) * input_pipeline.BERT.size
    assert scans.rate(input_pipeline.H100) * scans.size > 1e4 * text


def test_more_of_anything_never_slows_a_cluster():
    experiment = input_pipeline.rate()
    start = experiment.start
    for name in ("accelerators", "each", "cached", "storage"):
        values = [experiment.predict(**(start | {name: value})).value for value in experiment.axis(name).values]
        assert values == sorted(values)
    small = experiment.predict(**(start | {"size": input_pipeline.SIZES[0]}))
    large = experiment.predict(**(start | {"size": input_pipeline.SIZES[-1]}))
    assert "The accelerators bind" in small.note and "Storage binds" in large.note and large.value < small.value


# Checkpoints


def test_no_interval_loses_less_than_the_best_one():
    for save, between in ((5, 1e4), (60, 1e4), (2, 3e5)):
        best = checkpoints.interval(save, between)
        least = checkpoints.lost(save, between)
        assert least == pytest.approx(math.sqrt(2 * save / between))
        assert all(checkpoints.lost(save, between, best * factor) > least for factor in (0.5, 0.9, 1.1, 2))


def test_the_loss_is_that_of_played_failures():
    rng, save, between = random.Random(2), 10.0, 20_000.0
    every = checkpoints.interval(save, between)
    useful = spent = 0.0
    while useful < 400 * between:
        fails = rng.expovariate(1 / between)
        rounds = int(fails // (every + save))
        useful, spent = useful + rounds * every, spent + fails
    assert 1 - useful / spent == pytest.approx(checkpoints.lost(save, between), rel=0.15)


def test_saves_that_are_written_beside_the_training_lose_what_played_failures_do():
    rng, write, between = random.Random(3), 500.0, 20_000.0
    lost = spent = 0.0
    for _ in range(20_000):
        fails = rng.expovariate(1 / between)
        complete = max(int(fails // write) - 1, 0)  # the write before the one that was going on
        lost, spent = lost + fails - complete * write, spent + fails
    assert lost / spent == pytest.approx(checkpoints.lost_beside(write, between), rel=0.05)


def test_a_checkpoint_is_as_large_as_a_hand_counts():
    assert checkpoints.size(405e9) == pytest.approx(4.86e12)
    with pytest.raises(ValueError, match="parameters must be"):
        checkpoints.size(0)
    with pytest.raises(ValueError, match="between must be"):
        checkpoints.lost(1, math.nan)


@pytest.mark.parametrize("experiment, x", [(learning_curves.plan, "wanted"), (cluster_sharing.result, "load"),
                                           (input_pipeline.rate, "accelerators")])
def test_the_pages_explorers_stay_light_and_name_every_slider(experiment, x):
    built = experiment()
    assert sum(1 for _ in built.points()) < 7000
    assert all(f"{{{axis.name}}}" in built.readout for axis in built.axes)
    assert Explorer(built, x=x).text()
