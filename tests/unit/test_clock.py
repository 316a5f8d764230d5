"""How anything is timed: honest intervals, fair turns, a budget, and a word when the machine was not quiet."""

from __future__ import annotations

import itertools
import math
import os
import random
import subprocess
import sys
import threading
from time import perf_counter, sleep

import pytest
from labkit import clock
from labkit.progress import Cancelled, watch


@pytest.fixture
def quiet(monkeypatch):
    """A machine on which nobody else works."""
    monkeypatch.setattr(clock.Contention, "share", lambda self: 0.0)


# Intervals


def test_the_interval_holds_the_median_and_stays_within_the_samples():
    rng = random.Random(1)
    for n in (1, 2, 3, 7, 10, 99, 100):
        samples = [rng.expovariate(1) for _ in range(n)]
        middle, low, high = clock.interval(samples)
        assert min(samples) <= low <= middle <= high <= max(samples)
        assert sum(s <= middle for s in samples) >= n / 2 <= sum(s >= middle for s in samples)
    with pytest.raises(ValueError, match="no samples"):
        clock.interval([])


def test_four_times_the_samples_halve_the_interval():
    rng = random.Random(2)

    def width(n):
        intervals = [clock.interval([rng.gauss(10, 1) for _ in range(n)]) for _ in range(300)]
        return sum(high - low for _, low, high in intervals) / 300

    widths = [width(n) for n in (25, 100, 400)]
    for wide, narrow in itertools.pairwise(widths):
        assert 0.4 < narrow / wide < 0.6


@pytest.mark.parametrize("n", [10, 31, 100])
def test_nineteen_intervals_in_twenty_hold_the_true_median(n):
    rng = random.Random(3)
    held = 0
    for _ in range(3000):
        _, low, high = clock.interval([rng.expovariate(1) for _ in range(n)])
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
    assert timing.median >= 0.004 or len(started) > timing.samples * 10


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


def test_real_neighbours_are_noticed():
    busy = "import sys; print('busy', flush=True)\nwhile True: pass"
    children = []
    try:
        for _ in range(os.cpu_count() or 1):
            children.append(subprocess.Popen([sys.executable, "-c", busy], stdout=subprocess.PIPE))
        for child in children:
            assert child.stdout.readline().strip() == b"busy"
        timing = clock.time(lambda: sum(range(1000)), budget=0.8)
    finally:
        for child in children:
            child.kill()
        for child in children:
            child.communicate()
    assert timing.contention > clock.CONTENDED
    assert "close them" in timing.note
