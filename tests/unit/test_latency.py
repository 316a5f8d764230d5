"""Lab 3.1: tails that say how sure they are, joules from fake counters."""

from __future__ import annotations

import math
import sys
import time

import fakes
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from labkit import device as devices
from labkit.checks import NOT_ATTEMPTED
from labkit.experiment import Unavailable
from labkit.labs.latency import checks as check
from labkit.labs.latency import experiments as lab
from labkit.measure import energy
from labkit.measure.probes import latency
from labkit.models.networks import resnet
from labkit.predict import latency as predicted
from labkit.predict import power
from labkit.specs import network

FOUR = {"cores": 4}
NO_NUMBER = [0, -1, 1.5, "2", None]


@pytest.fixture
def times():
    return lab.time(fakes.machine(identity=FOUR), budget=0.05)


# Tails


def test_a_tail_says_what_it_cannot_carry():
    tail = lab.Tail([1e-3] * 400 + [1.0] * 10)
    assert tail.at(50).value == 1e-3 and tail.at(99).value == 1.0
    assert tail.ratio(99).value == pytest.approx(1_000)
    assert "2,995" in tail.at(99.9).reason and "2,995" in tail.ratio(99.9).reason
    assert "too few" in str(lab.tails({"some": tail, "none": Unavailable("No.")}))
    with pytest.raises(ValueError, match="above 0 and below 100"):
        tail.at(100)


# Ways of running


def test_there_is_a_gpu_or_a_reason():
    found = latency.gpu()
    assert (devices.best().type == "cpu") == isinstance(found, Unavailable)


# The probe and the prediction


def test_names_agree_with_the_prediction():
    assert predicted.NARROWEST in latency.WIDTHS and predicted.NARROWEST in latency.WHOLE
    assert latency.KEYS and set(fakes.latency().curves) == set(latency.KEYS)


def test_eager_is_the_sum_of_its_layers_and_no_run_is_below_the_floor(times):
    calibration = fakes.latency()
    layers = network.cats(16)
    alone = 4 * fakes.START + sum(layer.flop for layer in layers) / fakes.RATE
    assert predicted.seconds(calibration, "eager", 16, 1, 1, 4) == pytest.approx(alone, rel=0.1)
    for point in times.points():
        outcome = times.predict(**point)
        assert 0 < outcome.parts["the floor"] <= outcome.value
        assert min(outcome.parts.values()) >= 0


def test_threads_lie_between_one_and_all(times):
    assert times.axis("threads").values == (1, 2, 4)
    for way in lab.WAYS:
        one, two, four = (times.predict(width=64, batch=64, way=way, threads=n).value for n in (1, 2, 4))
        assert four < two < one < 5 * four
    for threads in (0, 5):
        with pytest.raises(ValueError, match="from 1 to 4"):
            predicted.seconds(fakes.latency(), "eager", 16, 1, threads, 4)


@pytest.mark.parametrize("cores", [1, 2, 3, 6, 2.5, 96])
def test_the_slider_has_one_thread_and_all(cores):
    values = lab.time(fakes.machine(identity={"cores": cores})).axis("threads").values
    assert values[0] == 1 and values[-1] == int(cores)


def test_points_of_the_validation_were_not_calibrated():
    ((experiment, points),) = lab.validation(fakes.machine(identity=FOUR))
    for point in points:
        experiment.check(point)
        assert point["width"] not in latency.WHOLE or point["batch"] not in latency.BATCHES


# Joules


def zone(root, name, joules, place, largest=262_143_328_850):
    folder = root / place
    folder.mkdir(parents=True)
    for file, content in (("name", name), ("energy_uj", int(1e6 * joules)), ("max_energy_range_uj", largest)):
        (folder / file).write_text(f"{content}\n")
    return folder / "energy_uj"


@pytest.fixture
def linux(monkeypatch):
    monkeypatch.setattr(energy.sys, "platform", "linux")


def test_joules_are_those_of_all_processors_and_of_nothing_else(tmp_path, linux):
    counters = [zone(tmp_path, name, 100, place) for name, place in (
        ("package-0", "intel-rapl:0"), ("package-1", "intel-rapl:1"), ("core", "intel-rapl:0:0"),
        ("psys", "intel-rapl:2"), ("package-0", "intel-rapl-mmio:0"))]
    counter = energy.processor(tmp_path)
    with counter.watch() as spent:
        for file, joules in zip(counters, (103, 102, 900, 900, 900), strict=True):
            file.write_text(str(int(1e6 * joules)))
    assert spent.joules == pytest.approx(5) and spent.seconds > 0


def test_a_counter_may_start_again_at_zero(tmp_path, linux):
    file = zone(tmp_path, "package-0", 0.9, "intel-rapl:0", largest=999_999)
    with energy.processor(tmp_path).watch() as spent:
        file.write_text("400000")
    assert spent.joules == pytest.approx(0.5)
    for start in range(10):
        for step in range(10):
            assert energy.since(start, (start + step) % 10, 9) == step


@pytest.mark.parametrize("broken", ["", "many", "1.5"])
def test_a_counter_that_cannot_be_read_is_a_reason(broken, tmp_path, linux):
    assert "no energy counter" in energy.processor(tmp_path / "nowhere").reason
    zone(tmp_path, "package-0", 1, "intel-rapl:0").write_text(broken)
    assert "cannot be read" in energy.processor(tmp_path).reason


def test_a_counter_without_its_range_is_a_reason(tmp_path, linux):
    zone(tmp_path, "package-0", 1, "intel-rapl:0").with_name("max_energy_range_uj").unlink()
    assert "cannot be read" in energy.processor(tmp_path).reason


def test_a_counter_of_the_administrator_is_a_reason(tmp_path, linux, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied")

    zone(tmp_path, "package-0", 1, "intel-rapl:0")
    monkeypatch.setattr(energy.Rapl, "_read", refuse)
    assert "administrator" in energy.processor(tmp_path).reason


def test_apples_counter_is_a_reason(tmp_path, monkeypatch):
    zone(tmp_path, "package-0", 1, "intel-rapl:0")
    monkeypatch.setattr(energy.sys, "platform", "darwin")
    assert "macOS" in energy.processor(tmp_path).reason


class FakeNvml:
    """NVIDIA's bindings, over a GPU that draws 100 W, or that fails with an error."""

    class NVMLError(Exception):
        pass

    class NVMLError_NotSupported(NVMLError):
        pass

    def __init__(self, fails=None):
        self.fails, self.millijoules, self.open = fails, 10**9, 0

    def nvmlInit(self):
        self.open += 1

    def nvmlShutdown(self):
        self.open -= 1

    def nvmlDeviceGetHandleByUUID(self, uuid):
        assert uuid == "GPU-1"
        return "handle"

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        assert handle == "handle" and self.open
        if self.fails:
            raise self.fails
        return self.millijoules


def test_a_gpus_joules_are_those_of_its_own_counter():
    nvml = FakeNvml()
    counter = energy.gpu(nvml, "GPU-1")
    with counter.watch() as spent:
        nvml.millijoules += 2_500
    assert spent.joules == 2.5 and spent.seconds > 0
    found = energy.of_answers(lambda: setattr(nvml, "millijoules", nvml.millijoules + 30), counter, seconds=0.05)
    assert found.each == pytest.approx(0.03) and found.by == energy.Nvml.by
    assert nvml.open == 0


def test_a_gpu_that_does_not_count_or_cannot_be_read_is_a_reason():
    for fails, words in ((FakeNvml.NVMLError_NotSupported("Not Supported"), "Volta"),
                         (FakeNvml.NVMLError("Insufficient Permissions"), "Insufficient Permissions")):
        nvml = FakeNvml(fails)
        assert words in energy.gpu(nvml, "GPU-1").reason
        assert nvml.open == 0


def test_no_gpu_or_no_bindings_is_a_reason(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "no NVIDIA GPU" in energy.gpu().reason
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert "nvidia-ml-py" in energy.gpu(uuid="GPU-1").reason


def test_the_counter_asks_what_nvidias_bindings_have():
    pynvml = pytest.importorskip("pynvml")
    for name in vars(FakeNvml):
        assert hasattr(pynvml, name) or name.startswith("_"), name
    if not torch.cuda.is_available():
        assert "cannot be read" in energy.gpu(uuid="GPU-1").reason


def test_joules_of_an_answer_are_counted_with_and_without_those_of_idling(tmp_path, linux):
    file = zone(tmp_path, "package-0", 0, "intel-rapl:0")

    def call():
        time.sleep(0.01)
        file.write_text(str(int(file.read_text()) + 2_000_000))

    found = energy.of_answers(call, energy.processor(tmp_path), seconds=0.1)
    assert 1 <= found.answers <= 10
    assert found.each == pytest.approx(2) and found.above_idle == pytest.approx(2)
    assert found.by == energy.Rapl.by
    idle = energy.Energy(10, energy.Spent(30, 2.0), energy.Spent(10, 1.0), "a test")
    assert idle.each == 3 and idle.above_idle == 1
    assert energy.Energy(10, energy.Spent(1, 2.0), energy.Spent(10, 1.0), "a test").above_idle == 0


@pytest.mark.parametrize("seconds", [0, -1, 21, math.nan])
def test_joules_are_counted_within_limits(seconds, tmp_path, linux):
    zone(tmp_path, "package-0", 0, "intel-rapl:0")
    with pytest.raises(ValueError, match="up to 20"):
        energy.of_answers(lambda: None, energy.processor(tmp_path), seconds)


def test_the_model_has_a_band_and_grows_with_time_and_threads():
    value, low, high = power.joules(1.0, 1)
    assert low < value < high
    assert power.joules(3.0, 4) == pytest.approx((12 * value, 12 * low, 12 * high))
    assert lab.modelled(1.0, 1).low == low
    for bad in (0, -1, math.nan, math.inf):
        with pytest.raises(ValueError, match="seconds must be a finite number above 0"):
            power.joules(bad, 1)
    for bad in (*NO_NUMBER, True):
        with pytest.raises(ValueError, match="threads must be a whole number"):
            power.watts(bad)


# Published devices


def test_resnet_50_has_the_published_operations_and_weights():
    with torch.device("meta"):  # shapes alone are counted
        net, picture = resnet.ResNet50().eval(), torch.empty(1, *resnet.PICTURE)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        assert net(picture).shape == (1, resnet.CLASSES)
    assert counter.get_total_flops() == pytest.approx(network.RESNET_50_FLOP, rel=0.01)
    assert sum(weight.numel() for weight in net.parameters()) == pytest.approx(network.RESNET_50_PARAMETERS, rel=0.01)


@pytest.mark.parametrize("model", [lab.RESNET, lab.RETINANET])
def test_published_devices_come_fastest_first_and_above_their_floor(model):
    found = lab.devices(model)
    assert len(found) >= 3 and found == sorted(found, key=lambda device: device.seconds)
    for device in found:
        assert device.kind in lab.KINDS.values() and device.watts > 0
        assert device.joules == device.seconds * device.watts
        assert device.floor is None or device.floor < device.seconds
    assert {"built to train", "built to infer"} <= {device.kind for device in found}


def test_a_quarter_of_the_power_answers_the_small_network_sooner_and_the_large_one_later():
    """As Lab 3.1 says beneath the table."""
    small, large = (dict(zip(lab.three_gpus().heads, row, strict=True)) for row in lab.three_gpus().rows)
    factor = {row["network"]: float(row["L4 over A100"].split()[0]) for row in (small, large)}
    joules = [float(row["in joules"].split()[0]) for row in (small, large)]
    assert factor[lab.RESNET] < 1 < factor[lab.RETINANET] and max(joules) < 1
    assert joules[0] / factor[lab.RESNET] == pytest.approx(72 / 300, rel=0.05)
    a100 = next(device for device in lab.devices() if device.name == lab.DEVICES[lab.A100])
    assert a100.seconds > 10 * a100.floor and (small["A2"], large["A2"]) == ("708 µs", "not known")


def test_a_network_that_nobody_published_is_refused():
    with pytest.raises(ValueError, match="ResNet-50"):
        lab.devices("CatNet")


# Exercises


def test_right_answers_pass_and_wrong_ones_get_a_hint(times):
    assert check.needed(29_956, 99.99).ok is True
    assert check.needed(10_000, 99.99).ok is False
    assert check.fan_out(63.4, 100, 99).ok is True
    assert check.fan_out(1.0, 100, 99).ok is False
    accepted = [width for width in (0, *lab.WIDTHS) if check.threads_pay(width, times)]
    assert len(accepted) >= 1
    assert check.threads_pay(64, times).ok is False and check.threads_pay(5, times).ok is False
    usual = times.predict(width=32, batch=1, way="runtime", threads=1).value
    assert check.long_enough([usual] * 2_995, times, 32, 99.9).ok is True
    assert check.long_enough([usual] * 2_994, times, 32, 99.9).ok is False
    assert check.long_enough([1e3 * usual] * 3_000, times, 32, 99.9).ok is False
    assert "2,995" in check.long_enough([1e3 * usual] * 3_000, times, 32, 99.9).why


def test_no_threads_pay_where_they_cost():
    """A machine on which two threads take longer at every width."""
    calibration = fakes.latency()
    slow = {key: [[b, 2 * s] for b, s in curve] if latency.ALL in key else curve
            for key, curve in calibration.curves.items()}
    alone = {key: tuple(latency.ONE if part == latency.ALL else part for part in key) for key in slow}
    slow |= {key: [[b, 2 * s] for b, s in calibration.curve(*alone[key])] for key in slow if latency.ALL in key}
    experiment = lab.time(fakes.machine(calibrations={"latency": fakes.calibration(slow)}, identity={"cores": 2}))
    assert check.threads_pay(0, experiment).ok is True
    assert check.threads_pay(8, experiment).ok is False


@pytest.mark.parametrize("answer", ["12", "", [], {}, object(), math.nan, 1j, b"", lambda: 1, [True], ["1"] * 3_000],
                         ids=lambda answer: type(answer).__name__)
def test_nonsense_is_refused_and_breaks_nothing(answer, times):
    for ask in (lambda: check.needed(answer, 99.9), lambda: check.threads_pay(answer, times),
                lambda: check.fan_out(answer, 100, 99), lambda: check.long_enough(answer, times, 32, 99.9)):
        assert ask().ok is False


def test_no_answer_is_neither_right_nor_wrong(times):
    for ask in (lambda: check.needed(None, 99.9), lambda: check.threads_pay(None, times),
                lambda: check.fan_out(None, 100, 99), lambda: check.long_enough(None, times, 32, 99.9)):
        assert ask().state == NOT_ATTEMPTED
