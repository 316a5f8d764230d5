"""How anything is timed: honest intervals, fair turns, a budget, and a word when the machine was not quiet."""

from __future__ import annotations

import itertools
import math
import os
import random
import subprocess
import sys
import threading
from contextlib import suppress
from time import perf_counter, sleep

import psutil
import pytest

from labkit import stats
from labkit.progress import Cancelled, watch
from labkit.timing import clock

# Intervals


def test_the_interval_holds_the_median_and_stays_within_the_samples():
    rng = random.Random(1)
    for n in (1, 2, 3, 7, 10, 99, 100):
        samples = [rng.expovariate(1) for _ in range(n)]
        middle, low, high = stats.median(samples)
        assert min(samples) <= low <= middle <= high <= max(samples)
        assert sum(s <= middle for s in samples) >= n / 2 <= sum(s >= middle for s in samples)
    with pytest.raises(ValueError, match="no samples"):
        stats.median([])


def test_four_times_the_samples_halve_the_interval():
    rng = random.Random(2)

    def width(n):
        intervals = [stats.median([rng.gauss(10, 1) for _ in range(n)]) for _ in range(300)]
        return sum(high - low for _, low, high in intervals) / 300

    widths = [width(n) for n in (25, 100, 400)]
    for wide, narrow in itertools.pairwise(widths):
        assert 0.4 < narrow / wide < 0.6


@pytest.mark.parametrize("n", [10, 31, 100])
def test_nineteen_intervals_in_twenty_hold_the_true_median(n):
    rng = random.Random(3)
    held = 0
    for _ in range(3000):
        _, low, high = stats.median([rng.expovariate(1) for _ in range(n)])
        held += low <= math.log(2) <= high
    assert 0.935 <= held / 3000 <= (0.99 if n == 10 else 0.98)  # ten samples leave only 97.9 % or 98.8 % to choose from


# Timing


def test_a_known_sleep_takes_what_it_takes():
    timing = clock.time(lambda: sleep(0.005), budget=0.3)
    assert 0.004 <= timing.low <= timing.median <= timing.high
    assert timing.median <= 0.05
    assert timing.samples >= 2
    assert 0 <= timing.contention <= 1


def test_the_wait_for_a_gpu_counts():
    started = []
    timing = clock.time(lambda: started.append(1), budget=0.2, sync=lambda: sleep(0.005))
    assert timing.median >= 0.004 and started


def test_what_is_compared_takes_turns():
    def order(seconds):
        calls = []
        both = {name: lambda name=name: (calls.append(name), sleep(seconds)) for name in "AB"}
        clock.interleave(both, budget=0.4, tolerance=1e-9)
        return "".join(calls[6:])  # three calls each warm up

    long = order(0.04)
    assert long.startswith("ABAB") and "AA" not in long and "BB" not in long
    turns = [len(list(run)) for _, run in itertools.groupby(order(0.002))]
    assert len(turns) >= 6  # short calls fill a turn, and the turns still change often
    assert max(turns) <= 20


def test_the_same_work_under_two_names_takes_the_same_time():
    def ratio():
        timings = clock.interleave({name: lambda: sum(range(3000)) for name in ("one", "other")}, budget=0.5)
        return timings["one"].median / timings["other"].median

    assert any(0.8 < ratio() < 1.25 for _ in range(5))  # a neighbour may fall upon one of the two


@pytest.mark.parametrize("seconds", [0.0005, 0.01, 0.2])
def test_the_budget_is_kept(seconds):
    begin = perf_counter()
    timing = clock.time(lambda: sleep(seconds), budget=0.3, tolerance=1e-9)
    assert perf_counter() - begin < 3 * 0.3 + 8 * seconds + 0.5
    assert timing.samples >= 1


def test_a_narrow_interval_ends_it_before_the_budget_does(quiet):
    begin = perf_counter()
    clock.time(lambda: sleep(0.002), budget=60, tolerance=0.9)
    assert perf_counter() - begin < 10


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


def test_cancel_ends_it_within_a_moment():
    cancelled, seen = threading.Event(), []

    def show(fraction, text):
        seen.append(fraction)
        if len(seen) == 3:
            cancelled.set()

    begin = perf_counter()
    with watch(show, cancelled), pytest.raises(Cancelled):
        clock.time(lambda: sleep(0.001), budget=60, tolerance=1e-9)
    assert perf_counter() - begin < 10
    assert seen == sorted(seen) and len(seen) == 3


# Samples


def test_a_short_call_is_repeated_until_the_clock_can_see_it():
    calls = []
    sample = clock.sampler(lambda: calls.append(1))
    calls.clear()
    seconds = sample()
    assert len(calls) >= 10
    assert 0 < seconds * len(calls) < 1


def test_a_long_call_is_not_repeated_and_is_warmed_up_first():
    calls = []
    sample = clock.sampler(lambda: calls.append(1) or sleep(0.003))
    assert len(calls) >= 1
    calls.clear()
    assert sample() >= 0.0025
    assert len(calls) == 1


def test_what_was_started_is_waited_for_in_every_sample():
    waits = []
    sample = clock.sampler(lambda: sleep(0.002), sync=lambda: waits.append(1) or sleep(0.004))
    waits.clear()
    assert sample() >= 0.005 and len(waits) == 1


def test_the_fastest_of_a_block_is_returned():
    values = itertools.cycle([5.0, 3.0, 4.0, 9.0])
    assert clock.fastest(lambda: next(values), block=0.005)() == 3.0
    falling = itertools.count(10, -1)
    assert clock.fastest(lambda: next(falling), block=0, fewest=4)() == 7


def test_a_block_ends_even_when_one_sample_is_longer():
    taken = []
    begin = perf_counter()
    clock.fastest(lambda: taken.append(1) or sleep(0.02) or 0.02, block=0.01, fewest=3)()
    assert len(taken) == 3 and perf_counter() - begin < 2


# Rounds


def shares(monkeypatch, *found):
    """Let the windows be as busy as `found` says, the last of them for ever; return what was read."""
    busy, read = itertools.chain(found, itertools.repeat(found[-1])), []
    monkeypatch.setattr(clock.Contention, "share", lambda self: read.append(next(busy)) or read[-1])
    return read


def test_rounds_take_what_each_function_says_it_took(quiet):
    timings = clock.rounds({"one": lambda: 1.0, "two": lambda: sleep(0.001) or 2.0}, budget=0.3)
    assert timings["one"].median == 1.0 and timings["two"].median == 2.0
    assert all(timing.clean and timing.low <= timing.median <= timing.high for timing in timings.values())


def test_rounds_wait_for_a_quiet_moment(monkeypatch):
    read = shares(monkeypatch, 0.9, 0.9, 0.9, 0.0)
    rng = random.Random(4)
    timing = clock.rounds({"call": lambda: sleep(0.001) or (rng.gauss(3, 0.01) if len(read) >= 3 else 50.0)},
                          budget=0.3)["call"]
    assert len(read) > 3  # 0.3 s hold no more than three windows; the disturbed ones did not count
    assert timing.median == pytest.approx(3, rel=0.05) and timing.clean and not timing.note


def test_rounds_that_find_no_quiet_give_up_at_twice_the_budget_and_say_so(monkeypatch):
    shares(monkeypatch, 0.7)
    begin = perf_counter()
    timing = clock.rounds({"call": lambda: sleep(0.001) or 1.0}, budget=0.4, tolerance=1e-9)["call"]
    assert 0.75 < perf_counter() - begin < 2 * 0.4 + 1
    assert timing.contention == pytest.approx(0.7) and not timing.clean and "70%" in timing.note


def test_rounds_refuse_a_budget_of_nothing_before_anything_runs():
    for arguments in ({"budget": 0}, {"tolerance": 0}, {"budget": math.inf}, {"budget": math.nan}):
        with pytest.raises(ValueError, match="above 0"):
            clock.rounds({"never": lambda: 1 / 0}, **arguments)


def test_rounds_say_how_far_they_are_and_never_go_back(monkeypatch):
    shares(monkeypatch, 0.9, 0.0, 0.9, 0.0)
    rng, seen = random.Random(9), []
    with watch(lambda fraction, text: seen.append(fraction), threading.Event()):
        clock.rounds({"call": lambda: sleep(0.001) or rng.random()}, budget=0.5, tolerance=1e-9)
    assert len(seen) > 2 and seen == sorted(seen) and seen[-1] == pytest.approx(1, abs=0.05)


# Contention


def test_samples_from_a_busy_moment_are_set_aside(monkeypatch):
    shares = itertools.chain([0.9, 0.8], itertools.repeat(0.0))
    windows = []

    def share(self):
        windows.append(next(shares))
        return windows[-1]

    monkeypatch.setattr(clock.Contention, "share", share)
    timing = clock.time(lambda: sleep(0.02 if len(windows) < 2 else 0.001), budget=3, tolerance=0.3)
    assert timing.median < 0.01
    assert timing.clean and not timing.note


def test_where_every_moment_was_busy_the_timing_says_so(monkeypatch):
    monkeypatch.setattr(clock.Contention, "share", lambda self: 0.6)
    timing = clock.time(lambda: sleep(0.001), budget=0.4)
    assert timing.samples > 7
    assert not timing.clean
    assert "60%" in timing.note and "again" in timing.note


NEIGHBOURS = """
import subprocess, sys
busy = "import time; end = time.time() + 30\\nwhile time.time() < end: pass"
for _ in range(int(sys.argv[1])):
    print(subprocess.Popen([sys.executable, "-c", busy], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid)
"""


def test_real_neighbours_are_noticed():
    """They are nobody's children here: who started them has ended."""
    started = subprocess.run([sys.executable, "-c", NEIGHBOURS, str(os.cpu_count() or 1)], capture_output=True,
                             text=True, timeout=60, check=True)
    neighbours = [psutil.Process(int(pid)) for pid in started.stdout.split()]
    try:
        while not all(sum(neighbour.cpu_times()[:2]) for neighbour in neighbours):
            sleep(0.02)
        timing = clock.time(lambda: sum(range(1000)), budget=0.8)
    finally:
        for neighbour in neighbours:
            neighbour.kill()
    assert timing.contention > clock.CONTENDED
    assert "close them" in timing.note


def test_what_children_do_is_nobody_elses(monkeypatch):
    """On a machine that has nothing to do but this process and a busy child, others have no share."""
    busy = "import time; print('busy', flush=True)\nend = time.time() + 1\nwhile time.time() < end: pass"
    fields, others = type(psutil.cpu_times()), {}

    def spent(child):
        with suppress(psutil.Error):  # it has ended, and `os.times` counts it
            return sum(child.cpu_times()[:2])
        return 0.0

    with subprocess.Popen([sys.executable, "-uc", busy], stdout=subprocess.PIPE) as process:
        child = psutil.Process(process.pid)
        monkeypatch.setattr(psutil, "cpu_times", lambda percpu: [fields(**{
            **dict.fromkeys(fields._fields, 0.0), "user": sum(os.times()[:4]) + spent(child), **others})])
        assert process.stdout.readline().strip() == b"busy"
        contention, begin = clock.Contention(), spent(child)
        sleep(0.5)
        assert spent(child) > begin
        assert contention.share() < 0.02
        process.communicate()
        assert contention.share() < 0.02
    contention = clock.Contention()
    others["system"] = 0.3 * (os.cpu_count() or 1)
    sleep(0.3)
    assert contention.share() > 0.5  # what somebody else did is seen
