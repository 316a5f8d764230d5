"""How anything is timed: honest intervals, fair turns, a budget, and a word when the machine was not quiet."""

from __future__ import annotations

import itertools
import math
import random
import threading

import pytest

from labkit.progress import Cancelled, watch
from labkit.timing import clock

# Timing


def test_a_known_sleep_takes_what_it_takes(hand):
    timing = clock.time(lambda: hand.sleep(0.005), budget=0.3)
    assert timing.low == pytest.approx(0.005) == timing.median == timing.high
    assert timing.samples >= 2 and timing.contention == 0


def test_a_real_call_takes_time():
    timing = clock.time(lambda: sum(range(1000)), budget=0.05)
    assert 0 < timing.low <= timing.median <= timing.high and 0 <= timing.contention <= 1


def test_the_wait_for_a_gpu_counts(hand):
    started = []
    timing = clock.time(lambda: started.append(1), budget=0.2, sync=lambda: hand.sleep(0.005))
    assert timing.median >= 0.004 and started


def test_what_is_compared_takes_turns(hand):
    def order(seconds):
        calls, durations = [], itertools.cycle([seconds, 1.1 * seconds, 1.2 * seconds])
        both = {name: lambda name=name: (calls.append(name), hand.sleep(next(durations))) for name in "AB"}
        clock.interleave(both, budget=0.4, tolerance=1e-9)
        return "".join(calls[6:])  # three calls each warm up

    long = order(0.04)
    assert long.startswith("ABAB") and "AA" not in long and "BB" not in long
    turns = [len(list(run)) for _, run in itertools.groupby(order(0.002))]
    assert len(turns) >= 6  # short calls fill a turn, and the turns still change often
    assert max(turns) <= 20


def test_the_same_work_under_two_names_takes_the_same_time_on_a_machine_that_slows_down(hand):
    """In the end it takes ten times as long as in the beginning."""
    timings = clock.interleave({name: lambda: hand.sleep(0.002 * (1 + 9 * hand.now)) for name in ("one", "other")},
                               budget=0.5, tolerance=1e-9)
    assert timings["one"].high > 1.5 * timings["one"].low
    assert 0.8 < timings["one"].median / timings["other"].median < 1.25


@pytest.mark.parametrize("budget", [0.005, 0.3])
@pytest.mark.parametrize("seconds", [0.0005, 0.01, 0.2])
def test_the_budget_is_kept(seconds, budget, hand):
    durations = itertools.cycle([seconds, 1.1 * seconds])
    timings = clock.interleave({name: lambda: hand.sleep(next(durations)) for name in "AB"}, budget=budget,
                               tolerance=1e-9)
    assert 2 * budget <= hand.now < 2 * budget + 16 * seconds + min(clock._TURN, budget)
    assert all(timing.samples >= 1 for timing in timings.values())


def test_a_narrow_interval_ends_it_before_the_budget_does(hand):
    clock.time(lambda: hand.sleep(0.002), budget=60, tolerance=0.9)
    assert hand.now < 1


@pytest.mark.parametrize("value", [0, -1, math.nan])
def test_a_budget_or_tolerance_of_nothing_is_refused_before_anything_runs(value):
    def never():
        raise AssertionError("ran")

    for arguments in ({"budget": value}, {"tolerance": value}, {"budget": math.inf}):
        with pytest.raises(ValueError, match="above 0"):
            clock.time(never, **arguments)


def test_what_the_call_raises_comes_through():
    with pytest.raises(ZeroDivisionError):
        clock.time(lambda: 1 / 0)


def test_cancel_ends_it_within_a_moment(hand):
    cancelled, seen = threading.Event(), []

    def show(fraction, text):
        seen.append(fraction)
        if len(seen) == 3:
            cancelled.set()

    durations = itertools.cycle([0.001, 0.002])
    with watch(show, cancelled), pytest.raises(Cancelled):
        clock.time(lambda: hand.sleep(next(durations)), budget=60, tolerance=1e-9)
    assert hand.now < 1
    assert seen == sorted(seen) and len(seen) == 3


# Samples


def test_a_short_call_is_repeated_until_the_clock_can_see_it():
    calls = []
    sample = clock.sampler(lambda: calls.append(1))
    calls.clear()
    seconds = sample()
    assert len(calls) >= 10
    assert 0 < seconds * len(calls) < 1


def test_a_long_call_is_not_repeated_and_is_warmed_up_first(hand):
    calls = []
    sample = clock.sampler(lambda: calls.append(1) or hand.sleep(0.003))
    assert len(calls) >= 1
    calls.clear()
    assert sample() == pytest.approx(0.003)
    assert len(calls) == 1


def test_what_was_started_is_waited_for_in_every_sample(hand):
    waits = []
    sample = clock.sampler(lambda: hand.sleep(0.002), sync=lambda: waits.append(1) or hand.sleep(0.004))
    waits.clear()
    assert sample() == pytest.approx(0.006) and len(waits) == 1


def test_the_fastest_of_a_block_is_returned(hand):
    values = itertools.cycle([5.0, 3.0, 4.0, 9.0])
    assert clock.fastest(lambda: hand.sleep(0.001) or next(values), block=0.005)() == 3.0
    falling = itertools.count(10, -1)
    assert clock.fastest(lambda: next(falling), block=0, fewest=4)() == 7


def test_a_block_ends_even_when_one_sample_is_longer(hand):
    taken = []
    clock.fastest(lambda: taken.append(1) or hand.sleep(0.02) or 0.02, block=0.01, fewest=3)()
    assert len(taken) == 3


# Rounds


def shares(monkeypatch, *found):
    """Let the windows be as busy as `found` says, the last of them for ever; return what was read."""
    busy, read = itertools.chain(found, itertools.repeat(found[-1])), []
    monkeypatch.setattr(clock.Contention, "share", lambda self: read.append(next(busy)) or read[-1])
    return read


def test_rounds_take_what_each_function_says_it_took(hand):
    timings = clock.rounds({"one": lambda: hand.sleep(0.001) or 1.0, "two": lambda: hand.sleep(0.001) or 2.0},
                           budget=0.3)
    assert timings["one"].median == 1.0 and timings["two"].median == 2.0
    assert all(timing.clean and timing.low <= timing.median <= timing.high for timing in timings.values())


def test_rounds_wait_for_a_quiet_moment(hand, monkeypatch):
    read = shares(monkeypatch, 0.9, 0.9, 0.9, 0.0)
    rng = random.Random(4)
    timing = clock.rounds({"call": lambda: hand.sleep(0.001) or (rng.gauss(3, 0.01) if len(read) >= 3 else 50.0)},
                          budget=0.3)["call"]
    assert len(read) > 3  # 0.3 s hold no more than three windows; the disturbed ones did not count
    assert timing.median == pytest.approx(3, rel=0.05) and timing.clean and not timing.note


def test_rounds_that_find_no_quiet_give_up_at_twice_the_budget_and_say_so(hand, monkeypatch):
    shares(monkeypatch, 0.7)
    timing = clock.rounds({"call": lambda: hand.sleep(0.001) or 1.0}, budget=0.4, tolerance=1e-9)["call"]
    assert hand.now == pytest.approx(0.8, rel=0.05)
    assert timing.contention == pytest.approx(0.7) and not timing.clean and "70%" in timing.note


def test_rounds_refuse_a_budget_of_nothing_before_anything_runs():
    for arguments in ({"budget": 0}, {"tolerance": 0}, {"budget": math.inf}, {"budget": math.nan}):
        with pytest.raises(ValueError, match="above 0"):
            clock.rounds({"never": lambda: 1 / 0}, **arguments)


def test_rounds_say_how_far_they_are_and_never_go_back(hand, monkeypatch):
    shares(monkeypatch, 0.9, 0.0, 0.9, 0.0)
    rng, seen = random.Random(9), []
    with watch(lambda fraction, text: seen.append(fraction), threading.Event()):
        clock.rounds({"call": lambda: hand.sleep(0.001) or rng.random()}, budget=0.5, tolerance=1e-9)
    assert len(seen) > 2 and seen == sorted(seen) and seen[-1] == pytest.approx(1, abs=0.05)


# Contention


def test_samples_from_a_busy_moment_are_set_aside(hand, monkeypatch):
    shares = itertools.chain([0.9, 0.8], itertools.repeat(0.0))
    windows = []

    def share(self):
        windows.append(next(shares))
        return windows[-1]

    monkeypatch.setattr(clock.Contention, "share", share)
    timing = clock.time(lambda: hand.sleep(0.02 if len(windows) < 2 else 0.001), budget=3, tolerance=0.3)
    assert timing.median < 0.01
    assert timing.clean and not timing.note


def test_where_every_moment_was_busy_the_timing_says_so(hand, monkeypatch):
    monkeypatch.setattr(clock.Contention, "share", lambda self: 0.6)
    timing = clock.time(lambda: hand.sleep(0.001), budget=0.4)
    assert timing.samples > 7
    assert not timing.clean
    assert "60%" in timing.note and "again" in timing.note
