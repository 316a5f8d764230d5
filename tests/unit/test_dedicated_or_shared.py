"""Lab 2.4: fair shares, a job's parts beside its neighbours', what all get done, and what cannot be said."""

from __future__ import annotations

import dataclasses
import itertools
import math

import fakes
import pytest
import torch

from labkit.experiment import Outcome, Unavailable, compare
from labkit.labs.dedicated_or_shared import experiments as lab
from labkit.labs.dedicated_or_shared import figures, measuring, planner, tables
from labkit.measure import noisy_neighbour as noisy
from labkit.measure.noisy_neighbour import DISK, LARGE, MEMORY, PROCESSOR, READING, SMALL, Beside, Order
from labkit.predict import neighbours as model
from labkit.predict.neighbours import Load
from labkit.processes import HelperFailed

COMPUTES = Load({PROCESSOR: 1.0})


def alone(part, other, count):
    return 1.0


def here(cores=2.0, **changes):
    return fakes.machine(identity={"cores": cores}, **changes)


# Fair shares


@pytest.mark.parametrize("demands, cores, shares", [
    ([1, 1], 2, [1, 1]), ([1, 1, 1], 2, [2 / 3] * 3), ([0.2, 1, 1], 1, [0.2, 0.4, 0.4]), ([1, 0.2, 1], 4, [1, 0.2, 1]),
    ([1], 0.5, [0.5]), ([], 1, []), ([0.1, 0.4, 1], 1, [0.1, 0.4, 0.5])])
def test_everybody_gets_what_is_asked_or_as_much_as_any_other(demands, cores, shares):
    assert model.fair_shares(demands, cores) == pytest.approx(shares)


def test_fair_shares_spend_no_more_than_there_is_and_leave_nothing_idle_that_is_wanted():
    for cores in (0.5, 1, 2, 3.5, 8):
        for demands in ([1] * 5, [0.3, 0.9, 0.9, 1.0], [0.05] * 20, [1, 0.01]):
            shares = model.fair_shares(demands, cores)
            assert sum(shares) == pytest.approx(min(cores, sum(demands)))
            assert all(share <= demand for share, demand in zip(shares, demands, strict=True))


# A job beside neighbours


@pytest.mark.parametrize("count, cores, slower", [(1, 2, 1), (2, 2, 1.5), (4, 2, 2.5), (1, 1, 2), (3, 0.5, 4)])
def test_a_job_that_computes_waits_for_its_turn_and_for_nothing_else(count, cores, slower):
    assert model.slowdown(COMPUTES, COMPUTES, count, cores, alone) == pytest.approx(slower)


def test_only_the_part_that_a_neighbour_needs_too_gets_longer():
    def twice(part, other, count):
        return 1 + count if part == other == MEMORY else 1.0

    streams, half = Load({MEMORY: 1.0}), Load({MEMORY: 0.5, PROCESSOR: 0.5})
    assert model.slowdown(COMPUTES, streams, 1, 2, twice) == 1
    assert model.slowdown(half, streams, 1, 2, twice) == pytest.approx(1.5)
    assert model.slowdown(streams, half, 1, 2, twice) == pytest.approx(1.5)
    assert model.slowdown(half, streams, 1, 1, twice) == pytest.approx(2)  # in turns, nobody is there meanwhile


def test_one_who_waits_for_a_disk_leaves_the_core_to_its_neighbour():
    reads = Load({PROCESSOR: 0.5, DISK: 0.5}, (DISK,), cores=0.5)
    assert model.slowdown(reads, COMPUTES, 1, 1, alone) == pytest.approx(1)
    assert model.others_kept(reads, COMPUTES, 1, 1, alone) == pytest.approx(0.5)
    assert model.slowdown(reads, COMPUTES, 3, 1, alone) == pytest.approx(2)


def test_at_each_return_from_the_disk_a_job_waits_for_a_busy_core():
    reads = Load({PROCESSOR: 0.5, DISK: 0.5}, (DISK,), cores=0.5, delay=0.4)
    assert model.slowdown(reads, COMPUTES, 1, 1, alone) == pytest.approx(1.4)
    assert model.slowdown(reads, COMPUTES, 1, 2, alone) == 1  # there is a free core
    assert model.slowdown(reads, COMPUTES, 2, 2, alone) == pytest.approx(1.4)
    assert model.others_kept(COMPUTES, reads, 1, 1, alone) == pytest.approx(1 / 1.4)


def test_neighbours_that_wait_for_one_disk_ask_for_less_of_the_cores():
    def queue(part, other, count):
        return 1 + count if part == other == DISK else 1.0

    reads = Load({PROCESSOR: 0.5, DISK: 0.5}, (DISK,), cores=0.5)
    assert model.slowdown(COMPUTES, reads, 4, 2, alone) > 1.2  # two cores of work, and the job's
    assert model.slowdown(COMPUTES, reads, 4, 2, queue) == 1


def test_threads_that_hand_work_on_share_a_core_where_cores_are_short():
    pipe = Load({PROCESSOR: 1.0}, cores=1.5, threads=2)
    assert model.slowdown(COMPUTES, pipe, 1, 3, alone) == model.slowdown(COMPUTES, pipe, 1, 2, alone) == 1
    assert model.slowdown(COMPUTES, pipe, 1, 1, alone) == pytest.approx(3)
    assert model.others_kept(COMPUTES, pipe, 1, 3, alone) == 1
    assert model.others_kept(COMPUTES, pipe, 1, 2, alone) == pytest.approx(1 / 1.5)


def test_neighbours_at_less_than_full_speed_disturb_less():
    slower = [model.slowdown(COMPUTES, Load({PROCESSOR: 1.0}, share=share), 1, 1, alone) for share in (0.25, 0.5, 1)]
    assert slower == pytest.approx([4 / 3, 2, 2])


def test_turns_cost_only_where_there_are_any():
    cold = Load({PROCESSOR: 1.0}, turns=1.5)
    assert model.slowdown(cold, COMPUTES, 1, 2, alone) == 1
    assert model.slowdown(cold, COMPUTES, 1, 1, alone) == pytest.approx(3)


def test_two_equals_with_nothing_idle_get_the_work_of_one_done():
    for cores in (1, 2):
        kept = 1 / model.slowdown(COMPUTES, COMPUTES, cores, cores, alone)
        assert kept + model.others_kept(COMPUTES, COMPUTES, cores, cores, alone) == pytest.approx(
            1.0 if cores == 1 else 4 / 3)


def test_a_curve_begins_at_nobody_and_goes_on_behind_its_last_point():
    curve = [[1, 1.5], [3, 2.5]]
    found = [model.stretched(curve, count) for count in (0, 0.5, 1, 2, 3, 5)]
    assert found == pytest.approx([1, 1.25, 1.5, 2, 2.5, 3.5])
    assert model.stretched([[1, 0.9]], 4) == 1


def test_a_step_on_many_nodes_waits_for_the_one_that_is_visited():
    assert model.synchronous(3, 1, 0.1) == pytest.approx(1.2)
    assert model.synchronous(3, 1024, 0.01) == pytest.approx(3, abs=0.001)
    assert model.synchronous(3, 1024, 0) == model.synchronous(1, 8, 0.5) == 1


@pytest.mark.parametrize("wrong", [
    lambda: Load({PROCESSOR: 0.5}), lambda: Load({PROCESSOR: 1.0}, share=0), lambda: Load({PROCESSOR: 1.0}, cores=0),
    lambda: model.slowdown(COMPUTES, COMPUTES, 0, 2, alone), lambda: model.slowdown(COMPUTES, COMPUTES, 1, 0, alone),
    lambda: model.synchronous(0.5, 1, 0.1), lambda: model.synchronous(2, 1, 1.1), lambda: Order("a cat"),
    lambda: Order(MEMORY, 0), lambda: Order(MEMORY, 1.5)])
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match=r"\w{3}"):
        wrong()


# The lab's experiments


def test_every_point_is_predicted_and_reads_as_a_sentence():
    machine = here()
    sharing = lab.sharing(machine)
    for experiment in (sharing.slowdown, sharing.total):
        assert all(f"{{{axis.name}}}" in experiment.readout for axis in experiment.axes)
        for point in experiment.points():
            outcome = experiment.predict(**point)
            alone = not lab.processes(machine, point["threads"], point["place"])[0]
            assert bool(outcome) != alone and (alone or outcome.unit == "%" or outcome.value >= 1), point
    plan = planner.plan()
    for point in itertools.islice(plan.points(), 0, None, 97):
        assert plan.predict(**point)


def test_more_neighbours_never_make_a_job_faster():
    slowdown = lab.sharing(here(4.0)).slowdown
    for job in noisy.TRAININGS:
        for neighbour in lab.NEIGHBOURS:
            values = [slowdown.predict(**dict(lab.START, job=job, neighbour=neighbour, threads=threads)).value
                      for threads in lab.THREADS if threads >= 1]
            assert values == sorted(values), (job, neighbour)


def test_threads_are_for_each_core_and_the_job_is_one_of_them():
    assert lab.processes(here(), 0.75, lab.ALL) == (1, 0.5) and lab.processes(here(), 2, lab.ALL) == (3, 1.0)
    assert lab.processes(here(16.0), 1, lab.ALL) == (15, 1.0) and lab.processes(here(16.0), 1.5, lab.ONE) == (1, 0.5)
    assert lab.processes(here(0.5), 2, lab.ALL) == (1, 1.0) and lab.processes(here(), 1, lab.ONE) == (0, 1.0)
    nobody = lab.sharing(here()).slowdown.predict(**dict(lab.START, place=lab.ONE))
    assert not nobody and "your job is there alone" in nobody.reason
    assert {point["threads"] for point in lab.pairs(here(1.0))} == {2}


def test_a_neighbour_hurts_where_both_need_the_same():
    slowdown = lab.sharing(here()).slowdown

    def times(job, neighbour):
        return slowdown.predict(**dict(lab.START, job=job, neighbour=neighbour)).value

    assert times(LARGE, MEMORY) > 1.3 > times(SMALL, MEMORY) == times(SMALL, PROCESSOR) == times(SMALL, DISK) == 1
    assert times(READING, DISK) > 1.3 and times(LARGE, LARGE) > 1.3


@pytest.mark.parametrize("cores", [0.5, 1.0])
def test_on_one_core_nothing_runs_side_by_side(cores):
    missing = {key: "Side by side takes two cores." for key in (
        ("beside", a, b) for a in (PROCESSOR, MEMORY) for b in (PROCESSOR, MEMORY))}
    sharing = lab.sharing(here(cores, calibrations={"neighbours": fakes.neighbours(missing)}))
    for place in lab.PLACES:
        outcome = sharing.slowdown.predict(**dict(lab.START, threads=2, place=place))
        assert outcome.value == pytest.approx(2 * 1.1)
    assert sharing.total.predict(**dict(lab.START, threads=2)).value < 100


def test_without_a_disk_to_read_the_rest_is_predicted():
    missing = {(what, work): "No room." for what in ("alone", "busy") for work in (DISK, READING)}
    missing["beside", DISK, DISK] = "No room."
    slowdown = lab.sharing(here(calibrations={"neighbours": fakes.neighbours(missing)})).slowdown
    for point in (dict(neighbour=DISK), dict(job=READING)):
        for half in (slowdown.predict, slowdown.measure):
            assert half(**{**lab.START, **point}) == Unavailable("No room.")
    assert slowdown.predict(**lab.START)


def test_too_many_neighbours_are_predicted_and_not_started(monkeypatch):
    big = lab.sharing(here(32.0)).slowdown
    assert big.predict(**lab.START)
    assert "31 neighbours are more than the 16" in big.measure(**lab.START).reason
    monkeypatch.setattr(measuring.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 1e8}))
    assert "more than half of the" in measuring.too_many(SMALL, 2)


def test_a_neighbour_that_cannot_start_is_said(monkeypatch):
    reason = "This machine lets no further process start."

    def refused(*_, **__):
        raise HelperFailed(reason)

    monkeypatch.setattr(noisy, "Helper", refused)
    assert lab.sharing(here()).slowdown.measure(**lab.START) == Unavailable(reason)
    assert measuring.learn(neighbours=1) == Unavailable(reason)


# What is measured


def found(factor=2.0):
    return Beside([100, 110, 90], [100 / factor, 110 / factor, 90 / factor], [10, 11, 12], [9, 9.9, 10.8])


def test_ratios_are_taken_in_pairs_and_have_intervals():
    value, low, high = found().slowdown()
    assert value == pytest.approx(2) and low <= value <= high and high - low < 1e-6
    value, low, high = found().total()
    assert value == pytest.approx(0.5 + 0.9) and low <= value <= high
    scattered = Beside([100, 100, 100], [50, 60, 40], [1, 1, 1], [1, 1, 1]).slowdown()
    assert scattered[1] < 2 < scattered[2]
    with pytest.raises(HelperFailed, match="got nothing done"):
        Beside([1, 1], [0, 0], [1, 1], [1, 1]).slowdown()


def test_tables_and_figures_show_a_run_and_the_want_of_one(monkeypatch):
    machine = here()
    monkeypatch.setattr(measuring.Shared, "__call__", lambda self, *point: measuring.Run(found(), ""))
    sharing = lab.sharing(machine)
    points = lab.CORES + lab.pairs(machine) + lab.IDLE
    slowdown, total = (compare(one, points) for one in (sharing.slowdown, sharing.total))
    figures.slowdowns(slowdown)
    figures.totals(total)
    assert tables.of(slowdown).value == pytest.approx(2) and tables.of(total, "predicted", neighbour=SMALL).unit == "%"
    for table in (tables.alone(machine), tables.stretches(machine), tables.parts(machine)):
        assert PROCESSOR in str(table)
    runs = [measuring.Learned(100, 1.0, torch.ones(4) * (1 + seed), 90.0 + seed) for seed in range(2)]
    other = [dataclasses.replace(run, seen=50, weights=2 * run.weights, accuracy=80.0) for run in runs]
    assert tables.distance(runs, runs) == 0 and tables.distance(runs, other) == pytest.approx(1)
    assert tables.spread(runs) == pytest.approx(1) and tables.seen(runs, other) == 0.5
    assert tables.bits(runs, runs) == "equal to the last bit" and tables.said(tables.of(slowdown)) == "2.0 times"
    gone = Unavailable("No process.")
    monkeypatch.setattr(measuring.Shared, "__call__", lambda self, *point: gone)
    none = compare(lab.sharing(machine).slowdown, lab.CORES)
    figures.slowdowns(none)
    assert "No process." in str(tables.learned(runs, gone, gone, gone))
    assert tables.bits(runs, gone) == tables.said(tables.of(none)) == "No process."
    assert "V100" in str(planner.published())


def test_a_note_says_who_the_neighbours_are():
    outcome = lab.sharing(here()).slowdown.predict(**dict(lab.START, threads=0.75))
    assert isinstance(outcome, Outcome) and outcome.note == "The neighbours: 1 process, each at 50 % of its speed."
    assert math.isfinite(outcome.high)
