"""The probes of Lab 1.1: each runs for real, measures what it names, and says what is missing and why."""

from __future__ import annotations

import itertools
import warnings

import fakes
import pytest
import torch

from labkit import device as devices
from labkit import machine
from labkit.measure.probes import copies, memory, products
from labkit.specs.calibration import Calibration
from labkit.timing import clock, drift

CPU = torch.device("cpu")


@pytest.fixture
def small(quiet, monkeypatch):
    """Products of small matrices, timed quickly."""
    monkeypatch.setattr(products, "SIDES", dict.fromkeys(products.SIDES, (32, 64)))
    monkeypatch.setattr(products, "SECONDS", 0.2)
    monkeypatch.setattr(clock, "_TURN", 0.001)
    monkeypatch.setattr(memory, "LARGEST", dict.fromkeys(memory.LARGEST, 2**22))


# Products


def test_each_format_is_multiplied_in_its_own_type():
    for dtype, kind in {"fp64": torch.float64, "fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16,
                        "fp16": torch.float16, "int8": torch.int8}.items():
        matrix = products.operand(dtype, 64, CPU)
        assert matrix.dtype == kind and matrix.shape == (64, 64)
        low, high = (-128, 127) if dtype == "int8" else (0, 1)
        assert low <= matrix.min() < low + 0.2 * (high - low) < high - 0.2 * (high - low) < matrix.max() <= high
    assert products.sampler("fp32", 32, CPU)() > 0


def test_a_format_that_the_processor_lacks_is_missing_with_what_was_said(small, monkeypatch):
    def lacking(left, right):
        raise RuntimeError("_int_mm not implemented for 'Char'\nException raised from somewhere (a long story)")

    monkeypatch.setattr(torch, "_int_mm", lacking)
    calibration = products.calibrate(CPU)
    calibration.check(products.KEYS)
    assert {("tf32",), ("fp8",), ("int8",)} <= calibration.missing.keys()
    assert {"fp32", "fp64"} <= calibration.group().keys()
    assert "cannot multiply int8 matrices on this CPU" in calibration.reason("int8")
    assert "not implemented for 'Char'" in calibration.reason("int8") and "long story" not in calibration.reason("int8")
    assert "Ampere" in calibration.reason("tf32")


def test_a_slow_format_is_measured_no_further_than_it_can_bear(small, monkeypatch):
    monkeypatch.setattr(products, "LONGEST", 1e-9)
    assert all(len(curve) == 1 for curve in products.calibrate(CPU).curves.values())


# Memory


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_set_is_read_whole_in_every_pass_and_by_all_threads(threads):
    numbers = torch.arange(6_001.0)
    rows = memory.again_and_again(numbers, threads, passes=4)
    assert rows.shape == (threads, 4, 6_001 // threads)
    assert rows.untyped_storage().data_ptr() == numbers.untyped_storage().data_ptr()  # nothing is copied
    for read in rows.unbind(1):
        assert torch.equal(read.flatten(), numbers[:6_001 // threads * threads])


def test_the_triad_does_not_need_more_memory_than_there_is(small, monkeypatch):
    for total in (2**20, 2**30 + 1, 2**40):
        monkeypatch.setattr(devices, "memory", lambda device, total=total: total)
        assert memory._fitting(CPU) <= min(total / 8, 2**22)


# Copies


def test_without_a_gpu_there_is_nothing_to_copy_to():
    calibration = copies.calibrate(CPU)
    calibration.check(copies.KEYS)
    assert all("no GPU" in reason for reason in calibration.missing.values())


@pytest.mark.skipif(devices.best().type == "cpu", reason="no GPU")
@pytest.mark.parametrize("name", copies.DIRECTIONS)
def test_a_real_copy_takes_longer_the_more_it_carries(name):
    times = [copies.sampler(name, size, devices.best()) for size in (2**10, 2**24)]
    assert min(times[0]() for _ in range(5)) < min(times[1]() for _ in range(5))


# At one speed


@pytest.fixture
def at(hand):
    """Return a sampler of something that takes some seconds at full speed, by a clock that is moved by hand."""

    def sampler(speed, seconds):
        return lambda: hand.sleep(seconds / speed()) or seconds / speed()

    return sampler


def test_times_are_given_at_the_median_pace_of_a_machine_that_wanders(at):
    speeds = itertools.cycle([1.0, 0.8, 1.25])
    now = [1.0]
    corrected = drift.DriftCorrected(at(lambda: now[0], 2e-3), budget=0.01)
    curve = []
    for work in range(1, 10):
        now[0] = next(speeds)
        curve.append([work, corrected(at(lambda: now[0], work * 1e-3))])
    calibration = corrected.calibration({("work",): curve})
    for work, seconds in calibration.curve("work"):
        assert seconds == pytest.approx(work * 1e-3)
    assert calibration.reference_seconds == pytest.approx(2e-3)
    assert calibration.drift == pytest.approx(1.25 / 0.8)
    calibration.check([("work",)])


def test_a_reference_kernel_that_was_disturbed_itself_is_not_believed(at):
    now = [1.0]
    corrected, curve = drift.DriftCorrected(at(lambda: now[0], 1e-3), budget=0.01), []
    for work in range(1, 6):
        now[0] = 0.01 if work == 3 else 1.0
        curve.append([work, corrected(at(lambda: 1.0, work * 1e-3))])
    seconds = dict(corrected.calibration({("work",): curve}).curve("work"))
    assert [seconds[work] for work in (1, 2, 4, 5)] == pytest.approx([1e-3, 2e-3, 4e-3, 5e-3])
    assert 1e-3 < seconds[3] < 3e-3
    timing, speed = drift.timed(at(lambda: 1.0, 3e-3), at(lambda: 0.01, 1e-3), reference_seconds=1e-3, budget=0.02)
    assert 1e-3 < timing.median <= 3e-3 and speed > 0.3
    assert timing.low <= timing.median <= timing.high


def test_parts_that_keep_speeds_of_their_own_are_told_apart(at):
    timing, speed = drift.timed_by_part(at(lambda: 1.0, 3e-3), {
        "processor": (at(lambda: 0.5, 1e-3), 1e-3), "drive": (at(lambda: 1.0, 4e-3), 6e-3)}, budget=0.02)
    assert timing.median == pytest.approx(3e-3)
    assert speed == pytest.approx({"processor": 0.5, "drive": 1.5})


def test_a_point_that_a_disturbance_slowed_is_looked_at_again():
    class Looked(drift.DriftCorrected):
        def __call__(self, sample):
            return sample()

    takes = {1: [9.0, 1.0], 10: [2.0], 100: [50.0, 60.0, 3.0], 1000: [4.0], 2000: [40.0, 5.0]}  # at each look
    samples = {work: lambda some=some: some.pop(0) if len(some) > 1 else some[0] for work, some in takes.items()}
    curve = Looked(lambda: 1.0).curve(samples, samples.get)
    assert curve == [[1, 1.0], [10, 2.0], [100, 3.0], [1000, 4.0], [2000, 5.0]]


def test_a_curve_that_a_machine_can_have_is_not_suspected():
    for curve in (fakes.link(1e-5, 1e9, [4**k for k in range(13)]), fakes.tour()["products"].curve("fp32")):
        assert drift.suspects(curve) == []


def battery(monkeypatch, plugged):
    monkeypatch.setattr(drift.host, "on_battery", lambda: plugged == "no")


@pytest.mark.parametrize(
    ("change", "plugged", "words"),
    [(2.0, "no", "plug it in"), (2.0, "yes", "its clock or a neighbour"), (2.0, None, "its clock or a neighbour"),
     (1.2, "no", None), (1.0, "yes", None)],
)
def test_a_clock_that_changes_during_the_calibration_is_told(change, plugged, words, at, tmp_path, monkeypatch):
    battery(monkeypatch, plugged)
    monkeypatch.setenv("CLUSTER_TO_EDGE_CACHE", str(tmp_path))
    monkeypatch.setattr(machine, "_known", None)
    found = []

    def calibrate(device):
        now = [1.0]
        corrected, curve = drift.DriftCorrected(at(lambda: now[0], 1e-3), budget=0.01), []
        for work in range(1, 11):
            if work == 6:
                now[0] = 1 / change
            curve.append([work, corrected(at(lambda: now[0], work * 1e-3))])
        found.append(corrected.calibration({("read",): curve, ("triad",): curve}))
        return found[-1]

    monkeypatch.setattr(memory, "calibrate", calibrate)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        here = machine.this("memory")
    assert found[0].drift == pytest.approx(change) and found[0].battery is (plugged == "no")
    assert [str(warning.message) for warning in said] == ([here.note] if words else [])
    assert (words or "") in here.note and bool(here.note) == bool(words)


def test_a_moment_that_stays_busy_is_measured_again_and_then_told(at, monkeypatch):
    shares = iter([0.9] * 2 + [0.0] * 1000)
    monkeypatch.setattr(clock.Contention, "share", lambda self: next(shares))
    corrected = drift.DriftCorrected(at(lambda: 1.0, 1e-3), budget=0.01)
    assert corrected(at(lambda: 1.0, 2e-3)) == pytest.approx(2)
    assert corrected.calibration({("call",): [[1, 2.0]]}).contention <= clock.CONTENDED
    monkeypatch.setattr(clock.Contention, "share", lambda self: 0.5)
    corrected = drift.DriftCorrected(at(lambda: 1.0, 1e-3), budget=0.01)
    corrected(at(lambda: 1.0, 2e-3))
    assert corrected.calibration({("call",): [[1, 2.0]]}).contention == pytest.approx(0.5)


@pytest.mark.parametrize("speed", [0.5, 1.0, 2.0])
def test_a_later_measurement_is_the_clocks_and_knows_the_machines_speed(speed, at):
    timing, now = drift.timed(at(lambda: speed, 3e-3), at(lambda: speed, 1e-3), reference_seconds=1e-3, budget=0.02)
    assert timing.median == pytest.approx(3e-3 / speed) and now == pytest.approx(speed)
    assert timing.low <= timing.median <= timing.high


# Costs


def test_costs_answer_by_name_and_say_what_is_not_there():
    found = fakes.tour()["products"]
    assert found.curve("fp32") == found.curves["fp32",]
    with pytest.raises(ValueError, match=r"no measurement of 'tf32' here: It has none"):
        found.curve("tf32")
    with pytest.raises(ValueError, match=r"'fp4' is not among what was measured: fp64, fp32"):
        found.curve("fp4")
    layers = fakes.operators()
    assert layers.group("infer", "conv8").keys() == {8, 32, 128}
    assert layers.group("infer", "conv") == layers.group("nothing") == {}


def test_an_instrument_that_can_measure_nothing_is_still_whole():
    nothing = Calibration.unavailable((("a",), ("b", 1)), "It is dark.")
    nothing.check([("b", 1), ("a",)])
    assert nothing.missing == {("a",): "It is dark.", ("b", 1): "It is dark."}
    with pytest.raises(ValueError, match="lacks curves, or holds unknown"):
        nothing.check([("a",)])
