"""Lab 2.1: rounding that is exact, formats that break training and what mends them, and the time of a step."""

from __future__ import annotations

import itertools
import math
from statistics import mean

import fakes
import pytest
import torch
from torch import nn

from labkit import device as devices
from labkit import stats
from labkit.experiment import Outcome
from labkit.labs.compute_and_precision import accuracy, experiments, figures
from labkit.labs.compute_and_precision import checks as check
from labkit.measure.probes import operators, precision
from labkit.models import autocast, seed_sweep, training
from labkit.models.datasets import cats
from labkit.models.networks.cats import CatNet
from labkit.models.networks.rounded import Rounded, to_format
from labkit.models.seed_sweep import Recipe
from labkit.predict import precision as predicted
from labkit.predict import seeds
from labkit.predict.formats import flushed, rounded_away
from labkit.predict.latency import ALL, ONE
from labkit.specs.number_format import FORMATS, Format, named

CPU = torch.device("cpu")
OTHERS = [Format(e, m, finite) for e, m, finite in itertools.product((2, 3, 6, 8), (1, 4, 21), (False, True))
          if not (e == 8 and finite)]
TORCH = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp8 E5M2": torch.float8_e5m2,
         "fp8 E4M3": torch.float8_e4m3fn}


@pytest.fixture(scope="module")
def pictures():
    return cats.draw(2_000, coats=cats.COATS, seed=51), cats.draw(1_000, coats=cats.COATS, seed=52)


@pytest.fixture
def numbers():
    """Random patterns of 32 bits, numbers near every limit, and zeros of both signs."""
    random = torch.Generator().manual_seed(0)
    every = torch.randint(-2**31, 2**31, (100_000,), generator=random, dtype=torch.int64).to(torch.int32)
    usual = torch.randn(100_000, generator=random) * torch.exp2(torch.randint(-30, 18, (100_000,), generator=random))
    limits = torch.tensor([limit * k for each in FORMATS.values() if each.bits <= 19 for k in (0.5, 1, 1.0001, 2)
                           for limit in (each.largest, each.smallest, each.least) if limit * k < 3e38])
    return torch.cat([every.view(torch.float32), usual, limits, -limits, torch.tensor([0.0, -0.0, 65519.9, 65520.0])])


# Formats


@pytest.mark.parametrize(("name", "kind"), TORCH.items())
def test_rounding_is_that_of_the_framework_bit_by_bit(name, kind, numbers):
    number_format = FORMATS[name]
    if number_format.finite:  # what is too large, each version of PyTorch treats in its own way
        numbers = numbers[numbers.abs() <= number_format.largest]
    ours, theirs = to_format(numbers, number_format), numbers.to(kind).float()
    same = (ours.view(torch.int32) == theirs.view(torch.int32)) | (ours.isnan() & theirs.isnan())
    assert same.all(), (numbers[~same][:5], ours[~same][:5], theirs[~same][:5])
    limits = torch.finfo(kind)
    assert number_format.largest == limits.max
    assert (number_format.smallest, number_format.step) == (limits.smallest_normal, limits.eps)


@pytest.mark.parametrize("number_format", OTHERS, ids=str)
def test_rounding_is_idempotent_monotone_and_to_the_nearest(number_format, numbers):
    numbers = numbers[numbers.isfinite()].sort().values
    rounded = to_format(numbers, number_format)
    assert torch.equal(to_format(rounded, number_format), rounded)
    assert (rounded[1:] >= rounded[:-1]).all()
    assert torch.equal(to_format(-numbers, number_format), -rounded)
    inside = numbers.abs() <= number_format.largest
    off = (rounded.double() - numbers.double()).abs()[inside]
    size = numbers.double().abs()[inside]
    assert (off <= torch.clamp(size, min=number_format.smallest) * number_format.step / 2).all()
    assert (rounded[inside].abs() <= number_format.largest).all()


def test_every_number_of_a_small_format_is_there_and_halves_go_to_the_even_one():
    number_format = Format(3, 2)
    there = to_format(torch.linspace(-40, 40, 2_000_001), number_format).unique()
    assert len(there[there.isfinite()]) == 2 * (2**5 - 4) - 1  # all patterns but those of infinity; one zero
    steps = torch.tensor([1.125, 1.375, 1.625, 1.875])
    assert to_format(steps, number_format).tolist() == [1.0, 1.5, 1.5, 2.0]


def test_what_is_too_large_overflows_or_saturates_as_the_format_says():
    over = torch.tensor([1e30, -1e30, math.inf])
    assert to_format(over, FORMATS["fp16"]).tolist() == [math.inf, -math.inf, math.inf]
    assert to_format(over, FORMATS["fp8 E4M3"]).tolist() == [448, -448, 448]
    assert to_format(torch.tensor([math.nan]), Format(4, 3)).isnan().all()


@pytest.mark.parametrize(("exponent", "fraction"), [(8, 0), (8, -1), (1, 4), (12, 4), (5, 53), (5, 2.0), (True, 4),
                                                    ("5", 2), (5, None)])
def test_a_format_without_the_bits_is_refused(exponent, fraction):
    with pytest.raises(ValueError, match="whole number of bits from"):
        Format(exponent, fraction)


def test_a_format_that_there_is_not_is_answered_with_those_that_there_are():
    with pytest.raises(ValueError, match=r"'bf17'.*fp64, fp32, tf32, bf16"):
        named("bf17")
    with pytest.raises(ValueError, match="fp64, fp32, tf32, bf16, fp16"):
        autocast.Autocast(CatNet(2), "fp8")
    for numbers, number_format in ((torch.zeros(2).double(), FORMATS["bf16"]), (torch.zeros(2), FORMATS["fp64"]),
                          (torch.zeros(2), Format(5, 22))):
        with pytest.raises(ValueError, match="emulated"):
            to_format(numbers, number_format)


def test_what_vanishes_is_counted_as_rounding_makes_it_vanish():
    random = torch.Generator().manual_seed(1)
    powers = torch.randint(-24, 3, (20_000,), generator=random)
    numbers = torch.exp2(powers.float()) * 1.5
    counts = dict(zip(*(part.tolist() for part in powers.unique(return_counts=True)), strict=True))
    for number_format, scale in itertools.product((Format(2, 10), Format(4, 3), Format(5, 2)), (1, 2**6)):
        gone = (to_format(numbers * scale, number_format) == 0).double().mean()
        assert flushed(counts, number_format, scale) == pytest.approx(float(gone))
    weight = torch.ones(20_000)
    for bits in (1, 4, 7):
        stuck = (to_format(weight + numbers, Format(8, bits)) == weight).double().mean()
        assert rounded_away(counts, Format(8, bits)) == pytest.approx(float(stuck))
    for wrong in (lambda: flushed({}, Format(4, 3)), lambda: flushed({0: 1}, Format(4, 3), 0),
                  lambda: rounded_away({}, Format(4, 3))):
        with pytest.raises(ValueError, match=r"must be|no updates"):
            wrong()


# Networks


def test_weights_activations_and_gradients_are_rounded_and_nothing_else():
    torch.manual_seed(0)
    number_format, gradients, network = Format(4, 3), Format(5, 2), CatNet(4)
    seen = []
    rounded = Rounded(network, number_format, gradients=gradients)
    before = [weights.detach().clone() for weights in network.parameters()]
    for layer in network:
        layer.register_forward_hook(lambda layer, read, written: seen.append(read[0].detach().clone()))
    scores = rounded(torch.rand(5, 3, 32, 32) * 2 - 1)
    nn.functional.cross_entropy(scores, torch.zeros(5, dtype=torch.int64)).backward()
    for x in (scores.detach(), *(x for x, layer in zip(seen, network, strict=True) if isinstance(layer, nn.Conv2d))):
        assert torch.equal(to_format(x, number_format), x)
    for weights, kept in zip(network.parameters(), before, strict=True):
        assert torch.equal(weights, kept)  # the master weights
        assert torch.equal(to_format(weights.grad, gradients), weights.grad)
    Rounded(network, number_format, master=False)(torch.rand(2, 3, 32, 32))
    assert all(torch.equal(to_format(weights, number_format), weights) for weights in network.parameters())


def test_in_32_bits_the_emulation_changes_nothing():
    torch.manual_seed(0)
    network, x = CatNet(4), torch.rand(3, 3, 32, 32)
    assert torch.equal(Rounded(network, FORMATS["fp32"])(x), network(x))
    with pytest.raises(ValueError, match="nothing to round"):
        Rounded(nn.Sequential(nn.ReLU()), FORMATS["bf16"])


def test_scaling_the_loss_brings_back_what_underflows():
    torch.manual_seed(0)
    network, number_format = CatNet(4), Format(2, 10)
    rounded, x, labels = Rounded(network, number_format), torch.rand(64, 3, 32, 32), torch.randint(0, 3, (64,))

    def alive(scale):
        network.zero_grad()
        (nn.functional.cross_entropy(rounded(x), labels) * scale).backward()
        return mean(float((weights.grad != 0).double().mean()) for weights in network.parameters())

    assert alive(1) < 0.5 and alive(2**8) > 0.8


def test_a_scaled_step_is_the_step_but_for_the_scale():
    x, labels, after = torch.rand(8, 3, 32, 32), torch.randint(0, 3, (8,)), []
    for scaler in (None, torch.amp.GradScaler("cpu", init_scale=2.0**10)):
        torch.manual_seed(0)
        network = CatNet(4)
        adam = training.optimiser(network)
        for _ in range(3):
            training.step(network, adam, x, labels, scaler)
        after.append(torch.cat([weights.detach().flatten() for weights in network.parameters()]))
    assert torch.allclose(*after, atol=1e-6)


# Seeds


def test_quantiles_are_those_of_the_tables():
    for freedom, t in ((1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (10, 2.228), (11, 2.201),
                       (30, 2.042)):
        assert stats.student(0.975, freedom) == pytest.approx(t, abs=6e-4)
    for wrong in ((0.5, 3), (1.0, 3), (0.9, 0)):
        with pytest.raises(ValueError, match="degree"):
            stats.student(*wrong)


def test_nineteen_intervals_in_twenty_hold_the_mean():
    random = torch.Generator().manual_seed(2)
    draws = [torch.randn(5, generator=random).tolist() for _ in range(2_000)]
    held = mean(low <= 0 <= high for _, low, high in map(seeds.interval, draws))
    assert 0.935 < held < 0.965
    with pytest.raises(ValueError, match="two numbers"):
        seeds.interval([1.0])


def test_the_seeds_that_are_needed_are_enough_and_no_more():
    for deviation, difference in ((3.0, 1.0), (0.5, 1.0), (1.0, 0.3)):
        count = seeds.needed(deviation, difference)
        assert seeds.visible(deviation, count) <= difference
        assert count == 2 or seeds.visible(deviation, count - 1) > difference
    with pytest.raises(ValueError, match="above 0"):
        seeds.needed(1.0, 0.0)


# Time


def test_a_step_is_the_sum_of_its_layers_and_threads_follow_amdahl():
    calibration = fakes.precision(most=4)
    for width, batch, dtype in itertools.product((8, 16, 32), (8, 64, 256), ("fp64", "fp32", "bf16")):
        one, every = (predicted.at(calibration, place, dtype, width, batch) for place in (ONE, ALL))
        steps = [predicted.on_threads(calibration, dtype, width, batch, n, 4) for n in (1, 2, 3, 4)]
        assert steps[0] == one
        assert sum(steps[3].values()) == pytest.approx(sum(every.values()))
        totals = [sum(step.values()) for step in steps]
        assert all(a >= b for a, b in itertools.pairwise(totals))
        alone = predicted.serial(totals[0], totals[3], 4)
        assert 0 < alone == pytest.approx(4 * fakes.START + one["optimiser"], rel=1e-6)
    assert predicted.amdahl(1.0, 1.0, 1_000) == 1.0 and predicted.amdahl(1.0, 0.0, 4) == 0.25


@pytest.mark.parametrize("threads", [0, -1, 5])
def test_threads_that_there_are_not_are_refused(threads):
    with pytest.raises(ValueError, match="from 1 to 4 threads"):
        predicted.on_threads(fakes.precision(), "fp32", 16, 64, threads, 4)


@pytest.mark.parametrize("threads", [0, 1.5, -2, "two"])
def test_nothing_runs_on_no_threads_or_half_a_thread(threads):
    with pytest.raises(ValueError, match="whole number of threads"):
        precision.seconds("fp32", 8, 8, threads, fakes.precision())


@pytest.fixture
def here():
    return fakes.machine(identity={"cores": 4})


def test_every_point_is_predicted_or_says_why_not(here):
    experiment, reasons = experiments.time(here), set()
    for point in experiment.points():
        found = experiment.predict(**point)
        if isinstance(found, Outcome):
            assert found.value > 0
        else:
            reasons.add(found.reason)
    assert {"It is slow.", "Only NVIDIA's GPUs have it.", "There is no GPU."} <= reasons
    assert any("wait for each other" in reason for reason in reasons)
    assert any("no rate of the NVIDIA H100 in fp64" in reason for reason in reasons)
    usual = {**experiment.start, "batch": 64}
    one, epoch = (experiment.predict(**{**usual, "work": work}) for work in experiments.WORK)
    assert epoch.value == pytest.approx(782 * one.value)
    wide, narrow = (experiment.predict(**{**usual, "where": "NVIDIA H100", "dtype": dtype})
                    for dtype in ("fp32", "bf16"))
    assert 1 < wide.value / narrow.value <= 989 / 67
    assert not experiment.measure(**{**usual, "where": "NVIDIA H100"})
    for axis, value in (("threads", 0), ("threads", 1.5), ("dtype", "bf17")):
        with pytest.raises(ValueError, match="cannot be"):
            experiment.predict(**{**usual, axis: value})


def test_what_is_shared_and_what_it_gains_fit_together(here):
    share = experiments.shared(here, 16, 256)
    expected = experiments.speed_ups(experiments.time(here).predict, (1, 2, 4, 8), {"a": {
        **{k: v for k, v in experiments.time(here).start.items() if k != "threads"}, "batch": 256}})["a"]
    assert set(expected) == {1, 2, 4}
    assert expected[4] == pytest.approx(1 / (1 - share + share / 4))
    assert experiments.shared(here, 16, 8) < share
    assert "nobody" in experiments.shared(fakes.machine(identity={"cores": 1}), 16, 256).reason


def test_a_format_that_is_too_slow_or_unknown_to_the_device_says_so(monkeypatch):
    monkeypatch.setattr(precision, "_quickest", lambda dtype, device: {"fp32": 1.0}.get(dtype, 60.0))
    assert "60 times as long" in precision.refusal("bf16", CPU)
    assert not precision.refusal("fp64", CPU)

    def lacking(dtype, device):
        raise RuntimeError("Float16 is not for you\nand a long story")

    monkeypatch.setattr(precision, "_quickest", lacking)
    said = precision.refusal("fp16", CPU)
    assert "not for you" in said and "long story" not in said


@pytest.mark.parametrize("dtype", autocast.DTYPES)
def test_a_layer_alone_and_a_network_compute_in_the_format(dtype):
    layer, seen = CatNet(4), []
    network = autocast.Autocast(layer, dtype)
    layer[2].register_forward_hook(lambda layer, read, written: seen.append(written.dtype))
    with autocast.tf32_for(dtype, CPU):
        scores = network(torch.rand(2, 3, 32, 32))
    assert seen == [autocast.activation_dtype(dtype)]
    assert scores.dtype == (torch.float64 if dtype == "fp64" else torch.float32)
    kept = torch.float64 if dtype == "fp64" else torch.float32
    assert all(weights.dtype == kept for weights in layer.parameters())
    for kind in (("conv32", 3, 4, 32), ("conv16", 4, 8, 16), ("dense", 64, 3, 1)):
        operators.learning(*kind, 2, CPU, dtype)()
    operators.update(800, CPU, dtype)()


def test_tf32_is_switched_and_put_back():
    matmul = torch.backends.cuda.matmul
    name = "fp32_precision" if hasattr(matmul, "fp32_precision") else "allow_tf32"
    before = getattr(matmul, name)
    for on in (True, False):
        with devices.tf32(on):
            assert getattr(matmul, name) in (on, "tf32" if on else "ieee")
        assert getattr(matmul, name) == before


# Results


def test_differences_are_seed_by_seed_and_the_narrowest_loses_little():
    found = {"fp32": [0.8, 0.7, 0.9], "same": [0.8, 0.7, 0.9], "less": [0.79, 0.68, 0.9]}
    apart = accuracy.differences(found, "fp32")
    assert set(apart) == {"same", "less"} and apart["same"].value == 0
    assert apart["less"].value == pytest.approx(-1) and apart["less"].low < -1 < apart["less"].high
    full, sweep = [0.8, 0.8], {1: [0.3, 0.3], 3: [0.79, 0.8], 5: [0.8, 0.8]}
    assert accuracy.narrowest(sweep, full, 2).value == 3
    assert not accuracy.narrowest({5: [0.3, 0.3]}, full, 2)
    assert accuracy.narrowest({1: [0.8, 0.8], 3: [0.3, 0.3], 5: [0.8, 0.8]}, full, 2).value == 5
    lines = str(accuracy.table(found, {"fp32": Outcome(2.0, "s")})).splitlines()
    assert len(lines) == 4 and "2 s" in lines[1] and "-1.00 points" in lines[3]


def test_what_this_machine_had_no_time_for_is_said_and_breaks_nothing():
    cut = {"fp32": [0.8], "fp64": [0.7], "late": []}
    gains = accuracy.differences(cut, "fp32")
    assert not gains["fp64"] and "two seeds" in gains["late"].reason
    assert not accuracy.largest(gains) and not accuracy.resolution(cut)
    assert "80.0 %" in str(accuracy.table(cut, {}))
    assert not accuracy.narrowest({1: [], 3: []}, cut["fp32"], 5) and not accuracy.right([])
    assert not accuracy.lost([], cut["fp32"]) and accuracy.lost([0.7], cut["fp32"]).value == pytest.approx(10)
    assert accuracy.enough_bits({1: 0.9, 3: 0.8}) == 3
    figures.by_seed(cut, accuracy.means(cut))
    figures.breaking({"a": {1: 0.9, 3: 0.1}}, {"a": {1: [], 3: [0.5]}}, None, "bits")
    figures.speed_ups({"a": {1: 1.0}}, {"a": {}}, 2)


# Exercises


def test_right_answers_are_right_and_wrong_ones_are_told_why(here):
    assert check.largest(65_504, "fp16") and not check.largest(65_536 * 2, "fp16")
    assert check.fraction(9, 1e-3) and not check.fraction(8, 1e-3) and not check.fraction(10, 1e-3)
    assert check.largest(None, "fp16").ok is None
    answers = {batch: check.helpful_batch(batch, here, 16) for batch in (0, *experiments.BATCHES)}
    assert 1 <= sum(map(bool, answers.values())) <= 2
    assert check.helpful_batch(7, here, 16).ok is False
    alone = fakes.machine(identity={"cores": 1})
    assert check.helpful_batch(0, alone, 16)
    assert "Not yet" in str(check.helpful_batch(8, alone, 16))


def test_a_narrow_way_that_works_is_accepted_and_others_are_not(pictures, monkeypatch):
    shares = {"wide": [0.8, 0.8], "narrow": [0.6, 0.6]}
    monkeypatch.setattr(seed_sweep, "sweep_seeds", lambda recipes, *rest: {"yours": shares[
        "wide" if recipes["yours"].scaled else "narrow"]})
    full = [0.82, 0.82, 0.1]
    assert check.narrow(Recipe(Format(3, 3), scaled=True), *pictures, full)
    assert check.narrow(Recipe(Format(3, 3)), *pictures, full).ok is False
    assert check.narrow(Recipe(Format(4, 3), scaled=True), *pictures, full).ok is False
    assert check.narrow(Recipe("fp32"), *pictures, full).ok is False
    assert check.narrow(None, *pictures, full).ok is None
