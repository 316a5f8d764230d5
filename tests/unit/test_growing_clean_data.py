"""Lab 2.5: dirt is what it says, shards say what ails, curves foretell, and the gate's tables bear its absence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labkit.experiment import Outcome, Unavailable, compare
from labkit.labs.growing_clean_data import arrivals, dirt, figures, measuring, tables
from labkit.labs.growing_clean_data import experiments as lab
from labkit.loading import instalments, validation
from labkit.loading.instalments import Instalment
from labkit.loading.samples import BrokenSample
from labkit.models.datasets import cats
from labkit.models.random_features import FirstLayer, operations, weights

WIDTHS = (16, measuring.WIDTH)


@pytest.fixture(scope="module")
def trained():
    return measuring.Trainings(measuring.Size(seeds=2, largest=2000, tested=500))


@pytest.fixture(scope="module")
def fitted(trained):
    return lab.curves(trained, WIDTHS)


@pytest.fixture(scope="module")
def some():
    return cats.draw(200, seed=3), cats.draw(60, seed=4)


# Networks of which only the last layer learns


def test_a_first_layer_is_its_seeds_and_scaled_to_what_it_saw(some):
    images = some[0].images
    first, again, other = (FirstLayer(8, seed, images)(images) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.shape == (200, weights(8)) and first[:, :-1].mean().abs() < 1e-3 and (first[:, -1] == 1).all()


def test_operations_are_those_of_the_layers():
    first, squares, solve = 100 * 2 * 75, 2 * 5**2, 2 / 3 * 5**3  # 100 places of 5 × 5 × 3, and 4 features and a one
    assert weights(1) == 5 and operations(1, 1) == pytest.approx(first + squares + solve)
    assert operations(2000, 16) - operations(1000, 16) == pytest.approx(1000 * (16 * first + 2 * 65**2))


# Dirt


@pytest.mark.parametrize("kind", dirt.KINDS)
def test_a_share_is_dirty_and_the_rest_is_as_it_was(kind, some):
    clean, tested = some
    spoiled = dirt.spoil(kind, clean, 0.1, tested, seed=1)
    assert len(spoiled) == 200 and torch.equal(clean.labels, clean.truth)
    wrong = int((spoiled.labels != spoiled.truth).sum())
    assert wrong == (20 if kind in (dirt.RANDOM, dirt.CAUSE) else 0)
    before = {picture.tobytes() for picture in clean.images.numpy()}
    new = sum(picture.tobytes() not in before for picture in spoiled.images.numpy())
    assert new == (0 if kind in (dirt.RANDOM, dirt.CAUSE, dirt.TWICE) else 20)
    if kind == dirt.TWICE:
        assert len({picture.tobytes() for picture in spoiled.images.numpy()}) == 180


def test_a_cause_is_cats_called_cars_and_there_must_be_enough(some):
    spoiled = dirt.spoil(dirt.CAUSE, some[0], 0.1, some[1])
    wrong = spoiled.labels != spoiled.truth
    assert {cats.CLASSES[one] for one in spoiled.truth[wrong]} == {"cat"}
    assert {cats.CLASSES[one] for one in spoiled.labels[wrong]} == {"car"}
    with pytest.raises(ValueError, match="more than the"):
        dirt.spoil(dirt.CAUSE, some[0], 0.9, some[1])
    with pytest.raises(ValueError, match="The test has 60"):
        dirt.spoil(dirt.LEAK, some[0], 0.5, some[1])


def test_no_dirt_changes_nothing(some):
    for kind in dirt.KINDS:
        spoiled = dirt.spoil(kind, some[0], 0.0, some[1])
        assert sorted(spoiled.images.sum((1, 2, 3)).tolist()) == sorted(some[0].images.sum((1, 2, 3)).tolist())
        assert torch.equal(spoiled.labels, spoiled.truth)


# Instalments


def test_an_instalment_comes_back_as_it_was_written(some, tmp_path):
    path = instalments.write(tmp_path, "first", some[1].images, some[1].labels.tolist())
    assert instalments.shards(tmp_path) == [path]
    read = instalments.read(path)
    assert torch.equal(read.images(), some[1].images) and read.labels.tolist() == some[1].labels.tolist()
    assert torch.equal(read.cut(16), some[1].images[:, :, :16, :16])


@pytest.mark.parametrize("cut", [0, 10, 1000, 0.3, 0.5, 0.8, 0.9])
def test_a_shard_that_is_cut_off_anywhere_names_itself(some, tmp_path, cut):
    path = instalments.write(tmp_path, "first", some[1].images[:20], some[1].labels[:20].tolist())
    whole = path.read_bytes()
    path.write_bytes(whole[:int(cut * len(whole)) if 0 < cut < 1 else cut])
    with pytest.raises(BrokenSample, match=r"first\.tar"):
        instalments.read(path)


@pytest.mark.parametrize("sample, says", [
    ({"png": b"no picture", "cls": b"1"}, "Sample 000000 of odd.tar cannot be read"),
    ({"png": None, "cls": b"one"}, "cannot be read"), ({"png": None}, "has no cls"), ({"cls": b"1"}, "has no png")])
def test_a_broken_member_names_its_sample(some, tmp_path, sample, says):
    import io

    import webdataset
    from PIL import Image

    coded = io.BytesIO()
    Image.fromarray(some[0].images[0].permute(1, 2, 0).numpy()).save(coded, "png")
    with webdataset.TarWriter(str(tmp_path / "odd.tar")) as shard:
        shard.write({"__key__": "000000", **{k: coded.getvalue() if v is None else v for k, v in sample.items()}})
    with pytest.raises(BrokenSample, match=says):
        instalments.read(tmp_path / "odd.tar")


def test_a_folder_that_is_no_data_set_and_pictures_of_two_sizes_are_told(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(FileNotFoundError, match="no data set of instalments"):
            instalments.shards(folder)
    two = Instalment("odd.tar", [np.zeros((32, 32, 3), np.uint8), np.zeros((64, 64, 3), np.uint8)], np.array([0, 1]))
    with pytest.raises(ValueError, match=r"odd\.tar differ in size \(32 × 32, 64 × 64 pixels\)"):
        two.images()
    assert two.cut(32).shape == (2, 3, 32, 32)


# Experiments


def test_more_pictures_leave_fewer_errors_and_the_curve_foretells(trained, fitted):
    errors = [sum(trained.errors(pictures)) for pictures in lab.FITTED]
    assert errors[-1] < 0.6 * errors[0]
    growth = lab.growth(trained, fitted)
    for width in WIDTHS:
        outcome = growth.predict(pictures=8000, width=width)
        assert outcome.low <= outcome.value <= outcome.high <= growth.predict(pictures=125, width=width).value
    assert isinstance(growth.measure(pictures=4000, width=64), Unavailable)


def test_wrong_labels_with_a_cause_cost_more_than_as_many_scattered(trained):
    random, cause, leak = (lab.cost(trained, kind) for kind in (dirt.RANDOM, dirt.CAUSE, dirt.LEAK))
    assert cause.value > 2 * random.value > 0 and abs(leak.value) < random.value
    assert lab.flattered(trained).value > 1


def test_a_slow_machine_has_fewer_pictures_but_two_seeds_with_enough(monkeypatch):
    drawn = cats.draw(60, seed=5)
    def slow(count, seconds=None, **_):
        return drawn[torch.arange(3000 if seconds else count) % 60]

    monkeypatch.setattr(measuring.cats, "load", slow)
    few = measuring.Trainings(measuring.Size(seeds=5, largest=8000, tested=10))
    assert few.size.seeds == 2 and few.largest == measuring.LEAST == lab.FITTED[-1]


def test_every_dirty_point_is_predicted_and_reads_as_a_sentence(trained, fitted):
    soiled = lab.soiled(trained, fitted)
    for point in soiled.points():
        outcome = soiled.predict(**point)
        assert 0 < outcome.value < 100
        if point["share"] == 0:
            clean = lab.growth(trained, fitted).predict(pictures=point["pictures"], width=64)
            assert outcome.value == pytest.approx(clean.value)
    assert all(f"{{{axis.name}}}" in soiled.readout for axis in soiled.axes)


def test_tables_and_figures_show_a_run(trained, fitted):
    dirty = compare(lab.soiled(trained, fitted), lab.dirty_points()[:5])
    assert "not measured here" in str(tables.costs(trained, dirty, fitted))
    assert "no amount" in str(tables.resources(trained, fitted)) and "64" in str(tables.fits(fitted))
    first, last = tables.point_factors(trained, fitted)
    assert min(first.value, last.value) > 1
    for figure in (figures.growth(trained, fitted), figures.work(trained, WIDTHS), figures.labels(dirty),
                   figures.pictures(trained)):
        assert figure.axes
    predicted, measured = tables.still_wrong(trained, lab.growth(trained, fitted))
    assert 50 < predicted.value < 100 and not measured
    assert tables.predicted_cost(lab.soiled(trained, fitted), lab.growth(trained, fitted), dirt.CAUSE).value > 10
    outcomes = {"missing": Unavailable("No."), "there": Outcome(2.04, "points")}
    assert tables.told(outcomes, fitted, Unavailable("No disk.")).keys() == {"there", "wide-floor"}


# The gate


def an_arrival(kind, back, found=(), doubted=(0.05, 0.1)):
    return arrivals.Arrival(kind, list(found), doubted, back, 15.0, 14.0)


def test_without_the_libraries_the_lab_goes_on_and_says_so(monkeypatch, trained):
    monkeypatch.setattr(validation, "missing", lambda: "pandera not installed here: pip install pandera.")
    monkeypatch.setattr(arrivals, "DELIVERIES", {arrivals.IN_ORDER: False, arrivals.BROKEN: True})
    arrived = arrivals.arrive(trained)
    assert len(arrived) == 2 and arrived[0].open > 0 and not arrived[0].gated
    assert "pandera not installed" in str(tables.delivered(arrived))
    for outcome in (*tables.structure(arrived).values(), tables.gained(arrived), *tables.doubted(arrived, dirt.RANDOM)):
        assert isinstance(outcome, Unavailable) and "pandera" in outcome.reason
    assert figures.arrivals(arrived).axes
    assert arrivals.look("nowhere", trained) == ["pandera not installed here: pip install pandera."]


def test_the_tables_count_what_was_sent_back():
    arrived = [an_arrival(kind, dirty, ["other colours"] if dirty else ()) for kind, dirty in
               arrivals.DELIVERIES.items()]
    assert tables.structure(arrived) == {"found": 8, "wrong": 8, "false": 2}  # of labels, which no schema can find
    assert tables.stopped(arrived) == (10, 0) and tables.gained(arrived) == Outcome(1.0, "points")
    assert tables.doubted(arrived, dirt.RANDOM) == (0.05, 0.1)
    assert "doubted" in str(tables.delivered(arrived))
    nowhere = Unavailable("The instalments cannot be written: No space left on device.")
    assert tables.delivered(nowhere) == figures.arrivals(nowhere) == tables.gained(nowhere) == nowhere


def test_a_folder_that_cannot_be_written_is_said(monkeypatch, trained):
    def refused(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(validation, "missing", lambda: "None.")
    monkeypatch.setattr(arrivals, "DELIVERIES", {arrivals.IN_ORDER: False})
    monkeypatch.setattr(instalments, "write", refused)
    assert arrivals.arrive(trained) == Unavailable("The instalments cannot be written: No space left on device.")
