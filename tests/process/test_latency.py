"""Lab 3.1 with real processes: ways of running, neighbours that always leave, cold starts, the compiler."""

from __future__ import annotations

import math
import signal
import sys
import time

import fakes
import psutil
import pytest
import torch
from another_python import another_python
from quiet_machine import quiet_machine, with_tries

from labkit.labs.latency import experiments as lab
from labkit.measure import cold_start, noisy_neighbour
from labkit.measure.probes import latency
from labkit.models.networks import resnet
from labkit.models.networks.cats import CatNet
from labkit.runtimes import compiled, onnx_export, onnx_session
from labkit.specs import network
from labkit.specs.execution import ALL, EAGER, RUNTIME
from labkit.timing import clock, drift
from labkit.widgets.explorer import Explorer

FOUR = {"cores": 4}
NO_NUMBER = [0, -1, 1.5, "2", None]


@pytest.fixture
def times():
    return lab.time(fakes.machine(identity=FOUR), budget=0.05)


# Ways of running


@pytest.mark.parametrize("way", latency.WAYS)
def test_every_way_answers_and_every_answer_is_clocked(way):
    threads = torch.get_num_threads()
    with latency.ready(way, 4, threads=1, batch=2) as call:
        found = latency.each(call, 200)
    assert len(found) == 200 and min(found) > 0
    assert torch.get_num_threads() == threads


@quiet_machine
def test_answers_are_clocked_one_by_one_and_within_a_limit():
    slow = latency.each(lambda: time.sleep(0.002), 1_000, limit=0.1)
    assert 0 < len(slow) < 100 and min(slow) >= 0.0015


@pytest.mark.parametrize("number", NO_NUMBER, ids=repr)
def test_numbers_below_one_are_refused_in_words(number):
    for way in latency.WAYS:
        for setting in ("batch", "threads"):
            with pytest.raises(ValueError, match="from 1 up"), latency.ready(way, 4, **{setting: number}):
                pass
        with pytest.raises(ValueError, match="1 or more"), latency.ready(way, number):
            pass
    with pytest.raises(ValueError, match="One answer or more"):
        latency.each(lambda: None, number)
    with pytest.raises(ValueError, match="from 1 up"), noisy_neighbour.busy(number):
        pass


def test_another_way_and_no_time_are_refused():
    with pytest.raises(ValueError, match="no way of running 'scripted'"), latency.ready("scripted", 4):
        pass
    for limit in (0, -1, math.nan):
        with pytest.raises(ValueError, match="above 0"):
            latency.each(lambda: None, 1, limit=limit)


def test_the_runtime_answers_alike_on_any_number_of_threads(tmp_path):
    path, noise = onnx_export.write(CatNet(16), tmp_path / "cats.onnx"), onnx_session.noise(8)
    one, two = (onnx_session.Network(path, threads=threads, tried=False)(noise) for threads in (1, 2))
    assert abs(one - two).max() < 1e-4


@pytest.mark.parametrize("content", [b"", b"no network", None], ids=["empty", "something else", "cut off"])
def test_a_file_that_is_no_whole_network_is_refused_tried_or_not(content, tmp_path):
    path = onnx_export.write(CatNet(4), tmp_path / "cats.onnx")
    path.write_bytes(path.read_bytes()[:1500] if content is None else content)
    for tried in (True, False):
        with pytest.raises(onnx_session.Unusable, match=r"cats\.onnx"):
            onnx_session.Network(path, tried=tried)


def test_a_network_of_another_shape_is_refused(tmp_path):
    path = tmp_path / "other.onnx"
    with pytest.raises(onnx_session.Unusable, match="32"):
        onnx_session.Network(onnx_export.write(CatNet(4, size=64), path))


# The probe


def in_a_hurry(patch):
    """Let probes be short and taken once, however busy the machine is: enough to see that they are all there."""
    patch.setattr(latency, "_BUDGET", 0.005)
    patch.setattr(clock, "_TURN", 0.003)
    patch.setattr(drift, "_LOOKS", 0)


@with_tries
def test_the_instrument_measures_all_that_it_names(monkeypatch):
    in_a_hurry(monkeypatch)
    calibration = latency.calibrate(latency.CPU)
    calibration.check(latency.KEYS)
    for key in (("eager", "on one thread", "conv8", 128), ("runtime", "on one thread", 64)):
        curve = calibration.curve(*key)
        assert curve[-1][1] > 4 * curve[0][1], "64 pictures take longer than one"


def test_on_one_processor_all_threads_are_missing_with_a_reason(monkeypatch):
    monkeypatch.setattr(latency, "all_threads", lambda: 1)
    monkeypatch.setattr(latency, "BATCHES", (1,))
    in_a_hurry(monkeypatch)
    calibration = latency.calibrate(latency.CPU)
    calibration.check(latency.KEYS)
    assert calibration.missing.keys() == {name for name in latency.KEYS if ALL in name}
    machine = fakes.machine(calibrations={"latency": calibration}, identity={"cores": 1})
    experiment = lab.time(machine)
    assert experiment.axis("threads").values == (1,)
    assert all(experiment.predict(**point).value > 0 for point in experiment.points())
    assert all(point["threads"] == 1 for _, points in lab.validation(machine) for point in points)


def test_a_prediction_shows_in_an_explorer_and_a_point_can_be_measured(times):
    assert "Its floor" in Explorer(times, x="width", colour="way").text()
    for way in lab.WAYS:
        outcome = times.measure(width=8, batch=1, way=way, threads=1)
        assert outcome.value > 0 and outcome.speed > 0


def test_a_time_is_taken_beside_the_reference_kernel():
    timing, speed = latency.seconds("runtime", 4, 1, 1, reference_seconds=1e-3, budget=0.05)
    assert isinstance(timing, clock.Timing) and timing.median > 0 and speed > 0


# Neighbours, cold starts, the compiler


def test_neighbours_are_busy_and_leave():
    with noisy_neighbour.busy(2):
        there = psutil.Process().children()
        before = [sum(process.cpu_times()[:2]) for process in there]
        time.sleep(0.6)
        after = [sum(process.cpu_times()[:2]) for process in there]
    assert len(there) == 2
    assert all(now > then for then, now in zip(before, after, strict=True))
    assert not any(process.is_running() for process in there)


def test_neighbours_leave_when_something_goes_wrong_beside_them():
    with pytest.raises(KeyboardInterrupt), noisy_neighbour.busy(1):
        raise KeyboardInterrupt


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal on Windows")
def test_neighbours_leave_when_their_parent_is_killed():
    code = ("import psutil, time\nfrom labkit.measure import noisy_neighbour\n"
            "with noisy_neighbour.busy(1):\n    print(psutil.Process().children()[0].pid, flush=True)\n"
            "    time.sleep(60)")
    with another_python(code) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
        child.wait(10)


@pytest.mark.parametrize(("neighbours", "processors", "factor"), [(0, 2, 1), (1, 2, 1), (2, 2, 1.5), (8, 2, 4.5)])
def test_a_fair_share_is_that_of_everybody(neighbours, processors, factor):
    assert lab.fair(neighbours, processors) == factor


@pytest.mark.parametrize("way", [EAGER, RUNTIME])
@with_tries
def test_a_cold_start_has_its_phases_and_then_is_steady(way):
    found = cold_start.start(way, 4)
    assert tuple(found.phases) == cold_start.PHASES and min(found.phases.values()) >= 0
    assert found.first > 10 * found.steady > 0
    assert found.phases["importing"] > found.phases["first answer"]


def test_a_cold_start_has_a_limit_and_only_two_ways():
    assert "gave no answer" in cold_start.start(EAGER, 4, patience=0.01).reason
    with pytest.raises(ValueError, match="'eager' or 'runtime', not 'warm'"):
        cold_start.start("warm", 4)


def test_without_a_compiler_nothing_is_compiled(monkeypatch):
    monkeypatch.setattr(compiled.shutil, "which", lambda name: None)
    assert "C++ compiler" in compiled.run(4).reason


def test_compiling_has_a_limit(monkeypatch):
    monkeypatch.setattr(compiled, "compiler", lambda: "c++")
    assert "within 0.01 s" in compiled.run(4, patience=0.01).reason


# ResNet-50


def test_this_processor_answers_resnet_50():
    found = lab.resnet(fakes.machine(identity=FOUR), 1)
    assert found.value > network.RESNET_50_FLOP / 1e13 and found.low <= found.value <= found.high


def test_resnet_50_gives_numbers():
    with torch.inference_mode():
        scores = resnet.ResNet50().eval()(torch.rand(1, *resnet.PICTURE))
    assert scores.isfinite().all() and scores.std() > 0
