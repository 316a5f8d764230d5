"""Lab 3.4: a cache keeps what was asked for last within its budget, its hits are as predicted, and files say what ails.
"""

from __future__ import annotations

import random

import fakes
import pytest
import torch

from labkit.checks import NOT_ATTEMPTED
from labkit.experiment import Outcome, Unavailable, compare
from labkit.labs.memory_and_io import checks, figures, measuring, planner, tables
from labkit.labs.memory_and_io import experiments as lab
from labkit.measure.probes import weights as probe
from labkit.predict import model_cache
from labkit.serving import model_store as store


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    paths = [tmp_path_factory.mktemp("models") / f"{number}.safetensors" for number in range(4)]
    for number, path in enumerate(paths):
        store.write(path, 1, number)
    return paths


# Files


def test_a_model_is_the_same_mapped_and_read(models):
    asked = probe.inputs(3)
    read, mapped = (store.answer(get(models[1]), asked) for get in (store.read, store.mapped))
    assert torch.equal(read, mapped) and read.shape == (3, store.SIDE) and 0.1 < read.std() < 10
    assert not torch.equal(read, store.answer(store.read(models[2]), asked))


@pytest.mark.parametrize("get", [store.read, store.mapped])
@pytest.mark.parametrize("cut", [0, 5, 100, 0.5, 0.999])
def test_a_file_that_is_cut_off_names_itself(models, tmp_path, get, cut):
    whole = models[0].read_bytes()
    path = tmp_path / "cut.safetensors"
    path.write_bytes(whole[:cut if cut > 1 else int(cut * len(whole))])
    with pytest.raises(store.BrokenModel, match=r"cut\.safetensors is no model, or is cut off"):
        get(path)


def test_another_network_and_no_file_are_told_apart(tmp_path):
    from safetensors.torch import save_file

    save_file({"weight": torch.ones(3, 3)}, tmp_path / "other.safetensors")
    with pytest.raises(store.BrokenModel, match="another network"):
        store.read(tmp_path / "other.safetensors")
    with pytest.raises(FileNotFoundError):
        store.read(tmp_path / "none.safetensors")


# The cache


def test_the_least_recently_used_model_makes_room(models):
    a, b, c, _ = models
    cache = store.ModelCache(2 * a.stat().st_size)
    assert [cache.get(path)[1] for path in (a, b, a, c, a, b)] == [False, False, True, False, True, False]
    assert cache.held <= cache.budget


def test_whatever_is_asked_for_the_budget_holds(models):
    cache, dice = store.ModelCache(3.5 * models[0].stat().st_size), random.Random(0)
    for path in dice.choices(models, k=200):
        weights, _ = cache.get(path)
        assert cache.held <= cache.budget and len(weights) == 1


def test_a_model_larger_than_the_cache_is_refused_and_nothing_is_lost(models):
    cache = store.ModelCache(1000)
    with pytest.raises(MemoryError, match="the cache may hold 1,000"):
        cache.get(models[0])
    assert cache.held == 0
    with pytest.raises(ValueError, match="budget"):
        store.ModelCache(0)


def test_a_model_that_cannot_be_read_leaves_no_bytes_behind(models, tmp_path):
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"no model")
    cache = store.ModelCache(2**30)
    with pytest.raises(store.BrokenModel):
        cache.get(broken)
    assert cache.held == 0 and not cache.get(models[0])[1]


# Predictions


@pytest.mark.parametrize("skew", [0, 0.8, 1.2])
@pytest.mark.parametrize("held", [1, 5, 12, 38])
def test_ches_approximation_is_what_a_cache_does(skew, held):
    shares, dice = model_cache.zipf(50, skew), random.Random(f"{skew} {held}")
    asked = [f"{number}" for number in dice.choices(range(50), shares, k=40_000)]
    kept, hits = {}, 0
    for number, name in enumerate(asked):
        if name in kept:
            hits += number >= 20_000
            del kept[name]
        elif len(kept) == held:
            del kept[next(iter(kept))]
        kept[name] = None
    assert model_cache.hits(shares, held) == pytest.approx(hits / 20_000, abs=0.02)


def test_hits_rise_with_memory_and_with_skew():
    for skew in (0, 1):
        found = [model_cache.hits(model_cache.zipf(40, skew), held) for held in range(41)]
        assert found == sorted(found) and found[0] == pytest.approx(0, abs=1e-6) and found[-1] == 1
    assert model_cache.hits(model_cache.zipf(40, 1), 10) > model_cache.hits(model_cache.zipf(40, 0), 10)
    assert model_cache.hits(model_cache.zipf(40, 0), 10) == pytest.approx(0.25, abs=0.001)


@pytest.mark.parametrize("wrong", [
    lambda: model_cache.zipf(0, 1), lambda: model_cache.zipf(5, -1), lambda: model_cache.hits([0.5, 0.4], 1),
    lambda: model_cache.hits([1.0], -1), lambda: model_cache.mean(1, 1, 1.5),
    lambda: model_cache.percentile(50, 0, 1, 0)])
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError):
        wrong()


def test_a_percentile_sees_all_of_a_miss_or_nothing():
    assert model_cache.percentile(99, 1.0, 6.0, 0.009) == 1
    assert model_cache.percentile(99, 1.0, 6.0, 0.011) == 6
    assert model_cache.mean(1.0, 6.0, 0.1) == pytest.approx(1.5)


def test_every_point_is_predicted_and_reads_as_a_sentence():
    asked = lab.requests(fakes.machine())
    for experiment in (lab.answers(fakes.machine()), asked.hits, asked.mean, planner.plan()):
        assert all(f"{{{axis.name}}}" in experiment.readout for axis in experiment.axes)
        for point in list(experiment.points())[::7]:
            assert experiment.predict(**point), point


def test_more_memory_never_makes_a_request_slower():
    mean = lab.requests(fakes.machine()).mean
    times = [mean.predict(**{**lab.MANY, "share": share}).value for share in lab.SHARES]
    assert times == sorted(times, reverse=True)


def test_what_cannot_be_read_cold_is_unavailable_and_warm_stands_for_it():
    missing = {("fetch", way): "It keeps them." for way in probe.COLD}
    here = fakes.machine(calibrations={"weights": fakes.weights(missing)})
    assert lab.state(here) == probe.READ_WARM and lab.state(fakes.machine()) == probe.READ_COLD
    for half in (lab.answers(here).predict, lab.answers(here).measure):
        assert half(way=probe.READ_COLD, size=8, batch=1) == Unavailable("It keeps them.")
    assert lab.requests(here).mean.predict(**lab.MANY)


def test_more_models_than_the_lab_writes_are_not_measured():
    outcome = lab.requests(fakes.machine()).mean.measure(models=400, share=25, skew=1.0, size=2)
    assert isinstance(outcome, Unavailable) and "800 MiB" in outcome.reason


# What the lab shows


def a_run(slow=40):
    seconds = [1e-3] * (400 - slow) + [1e-2] * slow
    return measuring.Run(Outcome(100 - slow / 4, "%"), slow / 4, seconds, {measuring.ANSWERING: 1.0})


def test_tables_and_figures_show_a_run_and_the_want_of_one(monkeypatch):
    here = fakes.machine()
    monkeypatch.setattr(measuring.Served, "__call__", lambda self, *point: a_run())
    asked = lab.requests(here)
    assert tables.percentile(asked, 50).value == 1e-3 and tables.percentile(asked, 99).value == 1e-2
    assert "10 ms" in str(tables.tails(here, asked, lab.request_points()))
    figures.requests({"one": a_run(), "two": a_run(4)})
    found = compare(asked.hits, lab.request_points())
    figures.hits(asked, found)
    monkeypatch.setattr(measuring.Served, "__call__", lambda self, *point: Unavailable("No disk."))
    none = lab.requests(here)
    assert "No disk." in str(tables.tails(here, none, lab.request_points()))
    assert figures.requests({"one": none.run(**lab.MANY)}) == Unavailable("No disk.")
    figures.hits(none, compare(none.hits, lab.request_points()))
    assert tables.told(here, compare(lab.answers(here), []), none)["hits"] == "No disk."


def test_the_way_in_is_held_against_this_machines_links():
    here = fakes.machine()
    assert "times" in str(tables.intake(here, lab.answers(here)))


# Self-checks


def test_checks_accept_what_is_right_and_nothing_else():
    hits = lab.requests(fakes.machine()).hits
    point = dict(models=400, skew=1.0, size=2)
    least = next(share for share in lab.SHARES if hits.predict(share=share, **point).value >= 80)
    right = [checks.share_unseen(0.1, 99.9), checks.answers_lost(1.375, 0.02, 1.5, 0.005),
             checks.largest(350e6, 0.1, 3.5e9), checks.enough_memory(least, hits, 80, **point)]
    wrong = [checks.share_unseen(1, 99.9), checks.answers_lost(76, 0.02, 1.5, 0.005), checks.largest(3.5e9, 0.1, 3.5e9),
             checks.enough_memory(5, hits, 80, **point), checks.enough_memory("all", hits, 80, **point)]
    assert [verdict.ok for verdict in right] == [True] * 4 and [verdict.ok for verdict in wrong] == [False] * 5
    assert checks.share_unseen(None, 99.9).state == NOT_ATTEMPTED
