"""Lab 2.1 with real trainings and timings: formats that break training, what mends them, and the probe."""

from __future__ import annotations

import itertools
from statistics import mean

import pytest
import torch

from labkit.measure.probes import precision
from labkit.models import autocast
from labkit.models.datasets import cats
from labkit.models.seed_sweep import Recipe, magnitudes, sweep_seeds
from labkit.predict.latency import ONE
from labkit.specs.number_format import FORMATS, Format

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pictures():
    return cats.draw(2_000, coats=cats.COATS, seed=51), cats.draw(1_000, coats=cats.COATS, seed=52)


def test_training_fails_in_the_narrowest_formats_and_not_in_bf16_and_the_cures_cure(pictures):
    recipes = {"fp32": Recipe("fp32"), "bf16": Recipe(FORMATS["bf16"]), "no range": Recipe(Format(2, 10)),
            "scaled": Recipe(Format(2, 10), scaled=True), "one bit": Recipe(Format(8, 1), master=False),
            "master": Recipe(Format(8, 1))}
    found = {name: mean(shares) for name, shares in sweep_seeds(recipes, 1, *pictures, epochs=4).items()}
    chance = 0.4
    assert found["fp32"] > 0.65 and abs(found["bf16"] - found["fp32"]) < 0.06
    assert found["no range"] < chance < found["scaled"]
    assert found["one bit"] < chance < found["master"]


def test_the_same_seed_gives_the_same_network_and_64_bits_hardly_another(pictures):
    recipes = {"fp32": Recipe("fp32"), "again": Recipe("fp32"), "fp64": Recipe("fp64")}
    threads = torch.get_num_threads()
    found = sweep_seeds(recipes, 2, *pictures, epochs=1)
    assert found["fp32"] == found["again"] and found["fp64"] == pytest.approx(found["fp32"], abs=0.03)
    assert torch.get_num_threads() == threads
    for count in (0, 1.5, True, -1):
        with pytest.raises(ValueError, match="seeds must be a whole number"):
            sweep_seeds(recipes, count, *pictures)


def test_most_sizes_of_gradients_are_small_and_of_updates_too(pictures):
    for counts in magnitudes(pictures[0]):
        middle = sum(power * count for power, count in counts.items()) / sum(counts.values())
        assert -25 < middle < 0 and sum(counts.values()) > 1_000


def test_no_training_is_begun_that_would_not_end_in_time(pictures):
    shares = sweep_seeds({"a": Recipe("fp32"), "b": Recipe("fp32")}, 5, *pictures, epochs=1, seconds=0.05)
    assert [len(values) for values in shares.values()] == [1, 0]


def test_the_format_that_others_are_held_against_is_not_refused_for_a_disturbance(monkeypatch):
    times = iter((1e-3, 1.0))
    monkeypatch.setattr(precision, "_quickest", lambda *_: next(times))
    assert precision.refusal("fp32", CPU) == ""


def test_the_calibration_times_what_it_names(quiet, monkeypatch):
    monkeypatch.setattr(precision, "_LAYERS", precision._LAYERS[:2])
    monkeypatch.setattr(precision, "BATCHES", (1, 4))
    monkeypatch.setattr(precision, "_RESTS", (("optimiser",), ("conv32", 8), ("conv16", 8)))
    monkeypatch.setattr(autocast, "DTYPES", ("fp32", "tf32", "bf16"))
    keys = {(place, dtype, *rest) for place, dtype, rest in itertools.product(
        precision.PLACES, autocast.DTYPES, precision._RESTS)} | {(place, "reference") for place in precision.PLACES}
    monkeypatch.setattr(precision, "KEYS", tuple(keys))
    threads = torch.get_num_threads()
    calibration = precision.calibrate(CPU)
    assert torch.get_num_threads() == threads
    calibration.check(keys)
    assert "tf32" in calibration.reason(ONE, "tf32", "optimiser")
    assert "no GPU" in calibration.reason("on the GPU", "reference")
