"""Lab 2.2: the ring adds up and costs what it must, and more nodes are never predicted to be free."""

from __future__ import annotations

import dataclasses
import math
import random
from itertools import pairwise
from statistics import mean

import fakes
import pytest
import torch
from torch.nn.parallel import distributed

from labkit.checks import NOT_ATTEMPTED, NOT_HERE, RIGHT
from labkit.distributed.pool import room
from labkit.expectation import Expectation
from labkit.experiment import Unavailable, compare
from labkit.labs.more_nodes import checks as check
from labkit.labs.more_nodes import expectations, measuring, tables
from labkit.labs.more_nodes import experiments as more_nodes
from labkit.labs.more_nodes.exchange import fitted
from labkit.labs.more_nodes.figures import exchange, samples_needed, steps, until_learned
from labkit.measure.probes import data_parallel as probe
from labkit.measure.probes.data_parallel import Exchange, TrainingRun
from labkit.predict import collectives, data_parallel
from labkit.predict.collectives import Link
from labkit.predict.data_parallel import COMPUTING, EXPOSED, SLOWEST, STRONG, WEAK
from labkit.specs import network
from labkit.widgets.explorer.grid import Grid

LINK = Link(latency=1e-4, bandwidth=1e9)
FAST = dict(round_trip=0, rate=400)
NONE = [0, -1, 1.5, True, "2", None, math.nan]


# The ring


def simulated(processes: int, chunks: int) -> tuple[int, int]:
    """Pass chunks round a ring until everybody has every sum; return the rounds, and the chunks that each has sent."""
    held = [[{(rank, chunk)} for chunk in range(chunks)] for rank in range(processes)]
    whole = [{(rank, chunk) for rank in range(processes)} for chunk in range(chunks)]
    rounds = 0
    while any(held[rank][chunk] != whole[chunk] for rank in range(processes) for chunk in range(chunks)):
        gather = rounds >= processes - 1
        sent = {(rank + 1) % processes: (chunk := (rank - rounds + gather * processes) % processes, held[rank][chunk])
                for rank in range(processes)}
        for rank, (chunk, numbers) in sent.items():
            held[rank][chunk] = held[rank][chunk] | numbers
        rounds += 1
    return rounds, rounds


@pytest.mark.parametrize("processes", [2, 3, 4, 7, 8])
def test_a_ring_takes_the_rounds_and_the_traffic_of_a_simulated_one(processes):
    rounds, sent = simulated(processes, processes)
    assert collectives.rounds(processes) == rounds
    assert collectives.traffic(8e6, processes) == pytest.approx(sent * 8e6 / processes)
    assert collectives.ring(8e6, processes, LINK) == pytest.approx(rounds * (1e-4 + 8e6 / processes / 1e9))


@pytest.mark.parametrize(("processes", "seconds"), [(1, 0.0), (2, 2e-4 + 1e-3), (4, 6e-4 + 1.5e-3)])
def test_small_rings_counted_by_hand(processes, seconds):
    assert collectives.ring(1e6, processes, LINK) == pytest.approx(seconds)


def test_a_larger_ring_is_known_from_two_processes():
    curve = [[size, collectives.ring(size, 2, LINK)] for size in (16, 2**12, 2**16, 2**20, 2**24)]
    for processes in (2, 3, 16, 1024):
        size = 2**20 * processes
        assert collectives.around(curve, size, processes) == pytest.approx(collectives.ring(size, processes, LINK),
                                                                           rel=0.01)
    assert collectives.around(curve, 2**20, 1) == 0


def test_nodes_of_accelerators_are_bound_by_the_slower_kind_of_link():
    inside, between = Link(0, 4e11), Link(1e-5, 5e10)
    assert collectives.two_levels(1e9, 1, 8, inside, between) == collectives.ring(1e9, 8, inside)
    assert collectives.two_levels(1e9, 16, 8, inside, between) == collectives.ring(1e9, 16, between)
    assert collectives.two_levels(1e9, 16, 8, inside, Link(0, 1e13)) == collectives.ring(1e9, 8, inside)


def test_a_ring_through_all_accelerators_counts_each_as_a_hop_and_has_the_slower_link_s_rate():
    inside, between = Link(0, 4e11), Link(1e-5, 5e10)
    assert collectives.through_all(1e9, 1, 8, inside, between) == collectives.ring(1e9, 8, inside)
    assert collectives.through_all(1e9, 16, 8, inside, between) == collectives.ring(1e9, 128, between)
    assert collectives.through_all(1e9, 2, 8, inside, Link(0, 1e13)) == collectives.ring(1e9, 16, inside)


def test_the_fit_recovers_latency_and_bandwidth_through_noise():
    dice = random.Random(0)
    points = [(n, size, collectives.ring(size, n, LINK) * dice.uniform(0.95, 1.05))
              for n in (2, 4) for size in (4**k for k in range(2, 13)) for _ in range(5)]
    found = collectives.fit(points)
    assert found.latency == pytest.approx(LINK.latency, rel=0.05)
    assert found.bandwidth == pytest.approx(LINK.bandwidth, rel=0.05)


def test_a_fit_never_finds_less_than_nothing():
    assert collectives.fit([(2, 1e6, 1e-3), (2, 2e6, 3e-3)]).latency == 0
    assert collectives.fit([(2, 1e6, 2e-3), (2, 2e6, 1e-3)]).bandwidth == math.inf


@pytest.mark.parametrize("number", NONE)
def test_processes_are_counted_in_whole_numbers(number):
    with pytest.raises(ValueError, match="whole number"):
        collectives.ring(1e6, number, LINK)


@pytest.mark.parametrize("ask", [
    lambda: Link(-1, 1), lambda: Link(0, 0), lambda: Link(math.inf, 1), lambda: collectives.traffic(-1, 2),
    lambda: collectives.traffic(True, 2), lambda: collectives.fit([(2, 16, 1e-3)]),
    lambda: collectives.fit([(2, 16, 0.0), (2, 32, 1.0)])])
def test_no_such_link_message_or_fit(ask):
    with pytest.raises(ValueError):
        ask()


# The parts of a step


@pytest.mark.parametrize("layers", [*(network.deep(width, 4) for width in (300, 512)), network.deep(1024, 9),
                                    network.cats(16)])
def test_buckets_are_those_of_the_framework(layers):
    counts = [count for layer in layers for count in (layer.parameters - layer.channels[1], layer.channels[1])]
    order = [torch.empty(count) for count in reversed(counts)]
    groups, _ = distributed.dist._compute_bucket_assignment_by_size(
        order, [data_parallel.FIRST, data_parallel.BUCKET])
    theirs = [4 * sum(order[i].numel() for i in group) for group in groups]
    mine = data_parallel.buckets(layers)
    assert [size for _, size in mine] == theirs
    assert mine[-1][0] == 1 and all(a < b for (a, _), (b, _) in pairwise(mine))


def test_what_is_sent_early_is_hidden_and_the_last_is_not():
    assert data_parallel.exposed([1.0, 2.0], [0.5, 0.5], end=2.0) == 0.5
    assert data_parallel.exposed([1.0, 2.0], [3.0, 0.5], end=2.0) == 2.5  # the second waits for the link
    assert data_parallel.exposed([1.0], [0.5], end=2.0, latency=0.75) == 0.25
    assert data_parallel.exposed([], [], end=2.0, latency=1.0) == 0


def test_exposed_is_never_more_than_all_of_it_nor_less_than_what_computing_cannot_hide():
    dice = random.Random(1)
    for _ in range(200):
        moments = sorted(dice.uniform(0, 1) for _ in range(5))
        times = [dice.uniform(0, 0.5) for _ in moments]
        found = data_parallel.exposed(moments, times, 1.0)
        assert max(0.0, sum(times) - (1.0 - moments[0])) <= found + 1e-12 <= sum(times) + 1e-9


def test_the_slowest_of_some_is_what_drawing_them_gives():
    dice = random.Random(2)
    samples = [dice.lognormvariate(0, 0.3) for _ in range(50)]
    for draws in (1, 2, 8, 64):
        drawn = mean(max(dice.choices(samples, k=draws)) for _ in range(4000))
        assert data_parallel.slowest(samples, draws) == pytest.approx(drawn, rel=0.02)
    assert data_parallel.slowest(samples, 1) == pytest.approx(mean(samples))
    assert data_parallel.slowest(samples, 10**6) == pytest.approx(max(samples))


@pytest.mark.parametrize("number", NONE)
def test_nodes_batches_and_draws_are_whole_numbers(number):
    for ask in (lambda: data_parallel.share(number, 1, STRONG), lambda: data_parallel.share(64, number, WEAK),
                lambda: data_parallel.slowest([1.0], number)):
        with pytest.raises(ValueError, match="whole number"):
            ask()


def test_a_batch_that_the_nodes_cannot_share_is_refused():
    assert data_parallel.share(10, 4, STRONG) == 3 and data_parallel.share(10, 4, WEAK) == 10
    with pytest.raises(ValueError, match="cannot share a batch of 3"):
        data_parallel.share(3, 4, STRONG)
    with pytest.raises(ValueError, match="not of 'both'"):
        data_parallel.share(3, 1, "both")


# The experiment, on a made-up machine


@pytest.fixture(scope="module")
def here():
    return fakes.machine()


@pytest.fixture(scope="module")
def time(here):
    return more_nodes.step_time(here)


TRAINED = tuple(more_nodes.NETWORKS)


def test_the_made_up_costs_are_what_the_instrument_promises():
    fakes.data_parallel().check(probe.KEYS)


def test_one_node_neither_talks_nor_waits(time):
    for what in TRAINED:
        parts = time.predict(nodes=1, batch=64, scaling=STRONG, what=what, **FAST).parts
        assert parts[EXPOSED] == parts[SLOWEST] == 0 < parts[COMPUTING]


@pytest.mark.parametrize("scaling", [STRONG, WEAK])
@pytest.mark.parametrize("what", TRAINED)
def test_a_longer_or_slower_link_never_makes_a_step_shorter(time, what, scaling):
    for nodes in (2, 16, 256):
        for rate in time.axis("rate").values:
            values = [time.predict(nodes=nodes, batch=256, scaling=scaling, what=what, round_trip=trip, rate=rate).value
                      for trip in time.axis("round_trip").values]
            assert values == sorted(values)
        for trip in time.axis("round_trip").values:
            values = [time.predict(nodes=nodes, batch=256, scaling=scaling, what=what, round_trip=trip, rate=rate).value
                      for rate in time.axis("rate").values]
            assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("what", [*TRAINED, more_nodes.LARGE])
def test_the_efficiency_of_weak_scaling_falls_with_the_nodes(time, what):
    values = [time.predict(nodes=nodes, batch=160, scaling=WEAK, what=what, **FAST).value for nodes in more_nodes.NODES]
    assert values == sorted(values) and values[-1] > 1.02 * values[0]


def test_without_costs_of_exchange_more_nodes_only_compute(here):
    free = fakes.data_parallel({("spread",): [[1, 1.0]], ("sum", "loopback"): [[16, 1e-15], [32, 1e-15]],
                                ("exchange", "loopback"): [[16, 1e-12], [32, 1e-12]]})
    time = more_nodes.step_time(fakes.machine(calibrations={"data_parallel": free}))
    for nodes in (2, 8):
        found = time.predict(nodes=nodes, batch=256, scaling=STRONG, what=TRAINED[1], **FAST)
        assert found.parts[COMPUTING] == pytest.approx(found.value, rel=1e-6)


@pytest.mark.parametrize("backend", probe.LINKS)
def test_what_a_step_adds_over_the_link_that_was_tried_it_adds_over_any(backend):
    usual = fakes.data_parallel()
    slower = fakes.data_parallel({("exchange", backend): [
        [size, seconds + 1e-3] for size, seconds in usual.curve("exchange", backend)]})
    before, after = (more_nodes.step_time(fakes.machine(calibrations={"data_parallel": calibration}), backend)
                     for calibration in (usual, slower))
    for link in (dict(round_trip=0.01, rate=1), dict(round_trip=0, rate=0.1), FAST):
        point = dict(nodes=2, batch=256, scaling=STRONG, what=TRAINED[0], **link)
        assert after.predict(**point).value - before.predict(**point).value == pytest.approx(1e-3, rel=0.05)


def test_more_nodes_than_the_batch_has_pictures_are_unavailable(time):
    for what, nodes in ((TRAINED[0], 32), (more_nodes.LARGE, 4)):
        found = time.predict(nodes=nodes, batch=16, scaling=STRONG, what=what, **FAST)
        assert isinstance(found, Unavailable) and "cannot share a batch of 16" in found.reason


def test_what_this_machine_cannot_run_is_unavailable_and_says_why(time):
    point = dict(batch=1024, scaling=STRONG, what=TRAINED[0], **FAST)
    assert "cores" in time.measure(nodes=1024, **point).reason
    assert "H100" in time.measure(nodes=1, **{**point, "what": more_nodes.LARGE}).reason
    if room(2):
        assert "loopback" in time.measure(nodes=2, **{**point, "rate": 1}).reason


def test_published_steps_are_near_the_prediction_that_has_not_seen_them(time):
    assert len(time.published) >= 5
    for figure in time.published:
        assert 0.5 < time.predict(**figure.point).value / figure.value < 1


def test_the_explorers_fit_and_name_every_slider(here, time):
    for experiment in (time, more_nodes.time_to_accuracy(here, (5000, 200))):
        grid = Grid(experiment)
        assert "nodes" in grid.sentence(experiment.start) or "node" in grid.sentence(experiment.start)
        assert all(f"{{{axis.name}}}" in experiment.readout for axis in experiment.axes)


def test_the_time_to_learn_is_steps_needed_times_the_time_of_a_step(here, time):
    learning = more_nodes.time_to_accuracy(here, (5000, 200))
    for nodes, batch in ((1, 16), (4, 160), (64, 1024)):
        step = time.predict(nodes=nodes, batch=batch, scaling=STRONG, what=TRAINED[0], **FAST).value
        needed = 5000 * (1 + batch / 200) / batch
        assert learning.predict(nodes=nodes, batch=batch, **FAST).value == pytest.approx(needed * step)
    assert data_parallel.best({1: 2.0, 2: 1.0, 4: 1.0}) == 2


def test_a_machine_without_the_probe_is_told_what_to_do():
    with pytest.raises(ValueError, match="data_parallel"):
        more_nodes.step_time(fakes.machine(calibrations={}))


# Exercises


def test_right_answers_pass_and_wrong_ones_do_not(here, time):
    learning = more_nodes.time_to_accuracy(here, (5000, 200))
    cats = dict(scaling=STRONG, what=TRAINED[1])
    size = 4 * network.parameters(network.cats(24))
    values = {(n, b): found.value for n in more_nodes.NODES for b in more_nodes.BATCHES
              if (found := learning.predict(nodes=n, batch=b, **FAST))}
    turn = next(n for n in more_nodes.NODES if (parts := time.predict(
        nodes=n, batch=1024, scaling=STRONG, what=TRAINED[3], **FAST).parts)[EXPOSED] > parts[COMPUTING])
    rate = next((rate for rate in time.axis("rate").values if time.predict(
        nodes=2, batch=256, round_trip=0, rate=rate, **cats).value < time.predict(
        nodes=1, batch=256, round_trip=0, rate=rate, **cats).value), 0)
    for ask, right, wrong in (
        (lambda a: check.traffic(a, width=24, nodes=8), size * 14 // 8, size),
        (lambda a: check.takes_over(a, time, batch=1024, scaling=STRONG, what=TRAINED[3], **FAST), turn, 2 * turn),
        (lambda a: check.waiting(a, nodes=100, usual=0.01, slow=0.03, share=0.01), 0.01 + 0.02 * (1 - 0.99**100), 0.02),
        (lambda a: check.slowest_link(a, time, batch=256, round_trip=0, **cats), rate, 400),
        (lambda a: check.fastest(a, learning, **FAST), min(values, key=values.get), (1024, 1024)),
    ):
        assert ask(right).ok is True and ask(wrong).ok is False and ask("many").ok is False
        assert ask(None).state == NOT_ATTEMPTED


# A machine that can run one process


@pytest.fixture(scope="module")
def one_core():
    """What is calibrated where two processes have no room."""
    whole = fakes.data_parallel()
    alone = {key: curve for key, curve in whole.curves.items() if key[0] == "alone"}
    missing = dict.fromkeys((key for key in whole.curves if key not in alone), "This one may use 1.")
    return fakes.machine(calibrations={"data_parallel": dataclasses.replace(whole, curves=alone, missing=missing)})


def test_on_one_core_one_node_and_the_language_model_are_predicted_and_the_rest_says_why(one_core):
    steps = more_nodes.step_time(one_core)
    point = dict(batch=256, scaling=STRONG, what=TRAINED[0], **FAST)
    assert steps.predict(nodes=1, **point) and steps.predict(nodes=16, **{**point, "what": more_nodes.LARGE})
    assert steps.predict(nodes=2, **point).reason == "This one may use 1."
    for nodes in (1, 2):
        over = more_nodes.step_time(one_core, more_nodes.best_backend(one_core))
        assert bool(over.predict(nodes=nodes, **point)) == (nodes == 1)
    assert not more_nodes.measured_backends(one_core)
    learned = more_nodes.time_to_accuracy(one_core, (5000, 200))
    times = tables.times_to_learn(learned, FAST, (16, 64))
    assert set(times[16]) == {1} and tables.soonest(tables.fastest(times)) == 1
    Grid(steps), Grid(learned)
    for shown in (tables.exchange(one_core), tables.exchange_share(one_core), tables.turn_ratio({1: (1.0, 16)}),
                  tables.over({}, 0), *tables.backends_agree({}).values()):
        assert isinstance(shown, Unavailable) and shown.reason
    for shown in (tables.buckets(), tables.efficiencies(steps, dict(point, scaling=WEAK)), tables.takes_over(steps),
                  tables.over_links({}, more_nodes.backends(one_core)), tables.by_nodes(tables.fastest(times)),
                  tables.predicted(steps, more_nodes.STEPS), tables.training_runs([]), tables.published(steps)):
        assert str(shown)
    cats = dict(scaling=STRONG, what=TRAINED[1])
    for asked in (check.takes_over(4, steps, batch=1024, **cats, **FAST), check.fastest((1, 16), learned, **FAST),
                   check.slowest_link(1, steps, batch=256, round_trip=0, **cats)):
        assert asked.state in (RIGHT, NOT_HERE) and (asked or "This one may use 1." in asked.why)


def test_without_a_law_of_samples_nothing_is_said_of_the_time_to_learn(here):
    lacking = measuring.needed([])
    assert "Too few runs" in lacking.reason
    learned = more_nodes.time_to_accuracy(here, lacking)
    assert learned.predict(**learned.start) == lacking and not tables.times_to_learn(learned, FAST, (16,))
    assert tables.soonest({}) is None and not until_learned({}) and not samples_needed([], lacking)


# Figures and tables


def test_the_figures_draw(time):
    some = [Exchange(size, 1e-4, 2e-4 + size / 1e9) for size in (16, 2**12, 2**20)]
    exchange(some, fitted(some))
    assert not exchange(Unavailable("None."), Unavailable("None.")) and not fitted(Unavailable("None."))
    rows = compare(time, [dict(nodes=n, batch=160, scaling=STRONG, what=more_nodes.LARGE, **FAST) for n in (1, 2)]).rows
    steps({str(place): row for place, row in enumerate(rows)})
    samples_needed([TrainingRun(16, 0, 5000, 1.0), TrainingRun(64, 0, 6000, 1.0)], (4800, 200))
    until_learned({16: {1: 1.0, 2: 0.6}, 64: {1: 2.0, 2: 1.1}})


def test_what_is_expected_has_a_name_and_a_way_out_of_its_own():
    stated = [value for value in vars(expectations).values() if isinstance(value, Expectation)]
    assert len(stated) == len({one.name for one in stated}) == len({one.statement for one in stated}) == 14
    assert all(one.otherwise for one in stated)
