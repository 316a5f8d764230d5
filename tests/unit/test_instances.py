"""Lab 4.2: sources have pictures when they should, no core serves more than it has time for, and silence is shared."""

from __future__ import annotations

import math
from time import perf_counter, sleep

import fakes
import numpy as np
import pytest

from labkit.checks import NOT_HERE
from labkit.experiment import Comparison, Outcome, Row, Unavailable
from labkit.labs.hundreds_of_instances import checks, figures, measuring, tables
from labkit.labs.hundreds_of_instances import experiments as lab
from labkit.measure.instances import (
    BATCHES,
    OWN,
    PROCESSES,
    SHARED,
    THREADS,
    WAYS,
    Footprint,
    schedule,
)
from labkit.measure.instances_process import in_batches, in_threads, one_by_one
from labkit.predict import instances as predicted

NO_NUMBER = [0, -1, math.nan, math.inf]
FOOT = Footprint(process=3e7, thread=2e4, networks={lab.SMALL: 2e5, lab.LARGE: 3.8e6})
MACHINE = fakes.machine()


# Predictions


@pytest.mark.parametrize("seconds, window, most", [(1e-3, 0.1, 100), (0.3, 1.0, 3), (0.2, 0.1, 0), (math.inf, 1.0, 0)])
def test_as_many_sources_are_served_as_pictures_fit_the_window(seconds, window, most):
    assert predicted.served(lambda _: seconds, window) == most


def test_a_picture_that_takes_the_longer_the_more_there_are_is_counted_at_its_own_number():
    most = predicted.served(lambda sources: 1e-3 * (1 + sources / 100), 0.1)
    assert most * (1 + most / 100) <= 100 < (most + 1) * (1 + (most + 1) / 100)


@pytest.mark.parametrize("window", NO_NUMBER)
def test_a_period_that_is_none_is_refused(window):
    with pytest.raises(ValueError, match="above 0"):
        predicted.served(lambda _: 1e-3, window)
    with pytest.raises(ValueError, match="period"):
        schedule(3, window, 1.0)


def test_the_best_batch_is_the_one_that_takes_least_a_picture_and_of_which_two_fit_the_deadline():
    curve = [[1, 2e-3], [10, 11e-3], [100, 101e-3]]
    assert predicted.in_batches(curve, 1.0, (1, 10, 100)) == (pytest.approx(1.01e-3), 100)
    assert predicted.in_batches(curve, 0.03, (1, 10, 100)) == (pytest.approx(1.1e-3), 10)
    assert predicted.in_batches(curve, 0.003, (1, 10, 100)) == (math.inf, 1)


def test_what_is_missed_is_what_throws_of_a_coin_say():
    random = np.random.default_rng(1)
    for sources, active, room in ((50, 0.3, 16), (2000, 0.1, 190), (10, 0.01, 1)):
        heads = random.binomial(sources, active, 200_000)
        thrown = np.maximum(heads - room, 0).sum() / (sources * active * len(heads))
        assert predicted.missed(sources, active, room) == pytest.approx(thrown, rel=0.05, abs=1e-4)


def test_sources_that_are_always_active_miss_what_exceeds_the_room():
    assert predicted.missed(400, 1.0, 300) == pytest.approx(0.25)
    assert predicted.missed(300, 1.0, 300) == predicted.missed(300, 0.5, 300) == 0
    assert predicted.missed(10_000, 1e-3, 0.5) < 1


@pytest.mark.parametrize("active", [0.01, 0.1, 0.5, 1.0])
def test_the_larger_the_room_the_nearer_sources_come_to_its_whole(active):
    gains = [predicted.multiplexed(active, room, 0.01) * active / room for room in (10, 100, 1000)]
    assert gains == sorted(gains) and gains[-1] <= 1.02
    for room in (10, 100):
        most = predicted.multiplexed(active, room, 0.01)
        assert predicted.missed(most, active, room) <= 0.01 < predicted.missed(most + 1, active, room)


@pytest.mark.parametrize("active", [0, -0.1, 1.1, math.nan])
def test_a_share_of_its_time_is_one(active):
    with pytest.raises(ValueError, match="active"):
        predicted.missed(10, active, 5)
    with pytest.raises(ValueError, match="active"):
        schedule(10, 0.1, 1.0, active=active)


# Schedules


def test_every_source_has_a_picture_each_period():
    plan = schedule(7, 0.1, 1.0, seed=3)
    assert (np.diff(plan.moments) >= 0).all() and np.bincount(plan.sources).tolist() == 7 * [10]
    for source in range(7):
        assert np.diff(plan.moments[plan.sources == source]) == pytest.approx(0.1)


def test_all_come_at_the_same_moment_or_after_a_queue():
    assert np.unique(schedule(5, 0.1, 0.3, together=True, deadline=0.05).moments) == pytest.approx([0, 0.1, 0.2])
    plan = schedule(100, 0.1, 1.0, deadline=0.05)
    assert plan.queued == 40 and (plan.moments[:40] == 0).all() and len(plan.moments) == 1040


def test_sources_are_active_for_a_share_of_their_time_and_stay_so():
    plan = schedule(400, 0.01, 4.0, active=0.2, stay=0.5)
    assert len(plan.moments) == pytest.approx(0.2 * 400 * 400, rel=0.1)
    one = plan.moments[plan.sources == plan.sources[0]]
    assert np.diff(one).min() == pytest.approx(0.01)


# The loops


def fast(pictures):
    """A network that takes next to no time."""
    return np.zeros((len(pictures), 3))


def slow(pictures):
    """A network that takes 4 ms to start and 1 ms for each picture."""
    sleep(4e-3 + 1e-3 * len(pictures))
    return fast(pictures)


@pytest.mark.parametrize("serve", [
    lambda plan: in_batches(fast, plan.moments, 1.0, 8, perf_counter()),
    lambda plan: one_by_one([fast], plan.sources.tolist(), plan.moments, 1.0, perf_counter()),
    lambda plan: in_threads(4 * [fast], plan.sources, plan.moments, 1.0, perf_counter()),
])
def test_every_picture_is_answered_after_it_was_due(serve):
    answers = serve(schedule(4, 0.02, 0.1))
    assert len(answers) == 20 and (answers > 0).all() and np.isfinite(answers).all()


def test_each_source_is_answered_by_its_own_network():
    seen = [0, 0, 0]

    def network(source):
        def run(pictures):
            seen[source] += len(pictures)
        return run

    plan = schedule(3, 0.01, 0.05)
    one_by_one([network(source) for source in range(3)], plan.sources.tolist(), plan.moments, 1.0, perf_counter())
    assert seen == np.bincount(plan.sources).tolist()


def test_a_core_with_too_much_answers_some_in_time_and_batches_more():
    plan = schedule(40, 0.1, 0.4)  # 2.5 ms for each
    alone = one_by_one([slow], plan.sources.tolist(), plan.moments, 0.05, perf_counter())
    batches = in_batches(slow, plan.moments, 0.05, 16, perf_counter())
    shares = [(answers <= 0.05).mean() for answers in (alone, batches)]
    assert 0.2 < shares[0] < 0.8 and shares[1] > 1.3 * shares[0]


@pytest.mark.parametrize("way", ["batches", "one by one"])
def test_a_stop_that_is_longer_than_the_deadline_is_over_when_it_is_over(way):
    stops = [0.08]

    def network(pictures):
        sleep(stops.pop() if stops else 0)

    plan = schedule(4, 0.02, 0.4)
    if way == "batches":
        answers = in_batches(network, plan.moments, 0.02, 4, perf_counter())
    else:
        answers = one_by_one([network], plan.sources.tolist(), plan.moments, 0.02, perf_counter())
    assert np.isinf(answers).any() and (answers[len(answers) // 2:] <= 0.02).mean() > 0.5


# The experiments


def test_what_is_predicted_is_whole_sources_or_a_reason():
    served = lab.in_time(MACHINE, FOOT)
    for point in served.points():
        outcome = served.predict(**point)
        assert outcome.value >= 1 and outcome.value == int(outcome.value) if outcome else outcome.reason.endswith(".")


def test_more_of_anything_that_is_shared_serves_more():
    served = lab.in_time(MACHINE, FOOT)

    def count(**point):
        return served.predict(**{**lab.START, **point}).value

    assert count(way=BATCHES) >= count() > count(way=OWN) >= count(way=THREADS) > count(way=PROCESSES)
    assert count(way=BATCHES, width=lab.SMALL) > 2 * count(width=lab.SMALL)
    assert count(arrivals=lab.TOGETHER) == pytest.approx(count() / 2, abs=1)
    assert count(rate=1) == pytest.approx(10 * count(), rel=0.01)
    assert count(deadline=1.0) == count()


def test_a_slower_machine_serves_fewer():
    carried = lab.in_time(MACHINE, FOOT).predict(**lab.START).at_speed(0.5)
    assert carried.value == lab.in_time(MACHINE, FOOT).predict(**lab.START).value / 2


def test_memory_binds_where_it_is_less():
    few = fakes.machine(memory=2e8)
    outcome = lab.in_time(few, FOOT).predict(**{**lab.START, "way": PROCESSES})
    assert outcome.value == 5 and "Memory binds" in outcome.note
    assert lab.in_time(few, Unavailable("No.")).predict(**{**lab.START, "way": PROCESSES}).value > 100


def test_ten_thousand_processes_are_refused_with_the_most_that_would_fit():
    memory = lab.memory(MACHINE, FOOT)
    outcome = memory.predict(instances=10_000, way=PROCESSES, width=lab.LARGE)
    assert "10,000 instances need" in outcome.reason and "254 would fit" in outcome.reason
    assert memory.measure(instances=10_000, way=PROCESSES, width=lab.LARGE) == outcome
    assert memory.predict(instances=10_000, way=SHARED, width=lab.LARGE).value == pytest.approx(3.38e7)
    assert lab.memory(MACHINE, Unavailable("No.")).predict(instances=1, way=OWN, width=8) == Unavailable("No.")


def test_what_would_take_long_to_start_is_not_started():
    assert "24 are the most" in measuring.refusal(PROCESSES, 25, 1e9)
    assert "1,000 are the most" in measuring.refusal(OWN, 1001, 1e9)
    assert "more than half" in measuring.refusal(OWN, 100, 1e15)
    assert not lab.refusal(FOOT, SHARED, lab.LARGE, 10_000)
    assert "too long" in lab.late(MACHINE, FOOT).measure(sources=100, active=100, way=PROCESSES, width=8).reason
    assert "would fit" in lab.late(MACHINE, FOOT).predict(sources=10_000, active=100, way=PROCESSES, width=8).reason


def test_late_answers_rise_with_the_sources_and_fall_with_their_silence():
    late = lab.late(MACHINE, FOOT)
    shares = [late.predict(sources=sources, active=100, way=SHARED, width=lab.LARGE).value for sources in lab.SOURCES]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] > 80
    silent = [late.predict(sources=2000, active=active, way=SHARED, width=lab.LARGE).value for active in lab.ACTIVE]
    assert silent == sorted(silent) and silent[0] < 1


def test_what_could_not_be_calibrated_is_unavailable_and_the_rest_stays():
    missing = {(PROCESSES,): "No process may start."}
    here = fakes.machine(calibrations={"instances": fakes.instances(missing)})
    served = lab.in_time(here, FOOT)
    for half in (served.predict, served.measure):
        assert half(**{**lab.START, "way": PROCESSES, "width": 16}) == Unavailable("No process may start.")
    assert served.predict(**lab.START)
    assert "No process may start." in str(tables.instances(here, FOOT))
    assert not lab.late(here, FOOT).measure(sources=10, active=100, way=PROCESSES, width=lab.SMALL)


def test_points_of_the_lab_lie_on_both_sides_of_the_breaking_point():
    late = lab.late(MACHINE, FOOT)
    room = lab.in_time(MACHINE, FOOT).predict(**lab.START).value
    for points in (lab.always(room), lab.silent(room)):
        below, beyond = (late.predict(**point).value for point in points)
        assert below < 1 and beyond > 15


# Tables, figures, checks


@pytest.fixture
def compared():
    served = lab.in_time(MACHINE, FOOT)
    points = lab.HUNDREDS + lab.BURST
    models = [served.predict(**point) for point in points]
    return Comparison(served, tuple(Row(point, model, Outcome(model.value, "sources"))
                                    for point, model in zip(points, models, strict=True)))


def test_tables_say_what_was_measured(compared):
    assert tables.times(compared, dict(way=OWN), {}).value == pytest.approx(2 / 3, rel=0.01)
    assert tables.percent_of(tables.burst(compared, "measured")).value == pytest.approx(50, rel=0.01)
    assert isinstance(tables.times(compared, dict(rate=200), {}), Unavailable)
    assert tables.percent_of(Unavailable("No.")) == Unavailable("No.")
    assert tables.served(compared) == f"{compared.rows[0].measured.value:,.0f}"
    assert tables.served(compared, rate=200) == "not measured"
    assert tables.room(compared) == compared.rows[0].measured.value
    assert tables.process_over_network(FOOT) == pytest.approx(33.8 / 3.8)
    assert tables.process(Unavailable("No.")) == tables.network(Unavailable("No.")) == "No."
    assert len(tables.instances(MACHINE, FOOT).rows) == len(WAYS)
    rooms = [float(row[3]) for row in tables.multiplexing(500).rows]
    assert rooms[4:] == sorted(rooms[4:], reverse=True) and rooms[0] == 1


def test_figures_are_drawn(compared):
    late = lab.late(MACHINE, FOOT)
    rows = [Row(point, late.predict(**point), late.predict(**point)) for point in lab.always(400)]
    assert figures.in_time(compared).axes
    assert figures.late(late, [Comparison(late, tuple(rows))], way=SHARED, width=lab.LARGE).axes


@pytest.mark.parametrize("check, right, wrong", [
    (lambda answer: checks.served(answer, 0.4e-3, 0.2), 500, 5),
    (lambda answer: checks.worst(answer, 0.4e-3, 0.2, 0.02), 50, 500),
    (lambda answer: checks.fewest_pictures(answer, 15e-6, 7e-6, 0.1), 20, 19),
    (lambda answer: checks.shared_by(answer, 20, 0.1, 0.01), predicted.multiplexed(0.1, 20, 0.01), 200),
    (lambda answer: checks.largest(answer, lab.memory(MACHINE, FOOT), way=PROCESSES, width=lab.LARGE), 200, 500),
])
def test_exercises_take_the_right_answer_alone(check, right, wrong):
    assert check(right).ok is True and check(wrong).ok is False and check(None).ok is None
    assert check(math.nan).ok is False


def test_an_exercise_that_this_machine_cannot_have_says_why():
    memory = lab.memory(MACHINE, Unavailable("Nothing could be weighed."))
    verdict = checks.largest(3, memory, way=PROCESSES, width=lab.LARGE)
    assert verdict.state == NOT_HERE and "Nothing could be weighed." in verdict.why
