"""Lab 2.5's gate, with the libraries that it stands on: what it finds, what it lets in, and that nothing is left."""

from __future__ import annotations

import pytest

from labkit import cache, effort
from labkit.labs.growing_clean_data import arrivals, dirt, measuring, tables
from labkit.loading import instalments, validation

pytestmark = pytest.mark.skipif(bool(validation.missing()), reason=validation.missing())


@pytest.fixture(scope="module")
def trained():
    return measuring.Trainings(measuring.Size(seeds=2, largest=1500, tested=500))


@pytest.fixture(scope="module")
def arrived(trained):
    return arrivals.arrive(trained)


def test_wrong_structure_is_found_and_good_instalments_are_let_in(arrived):
    assert tables.structure(arrived) == {"found": 8, "wrong": 8, "false": 0}
    assert [one.kind for one in arrived if not one.back] == [arrivals.IN_ORDER, arrivals.COATS]
    assert not list(cache.folder("instalments").iterdir())


def test_each_problem_has_its_name(arrived):
    found = {one.kind: one.found for one in arrived}
    assert found[dirt.TWICE] == ["a picture twice"] and found[dirt.LEAK] == ["a picture of the test"]
    assert found[arrivals.LARGER] == ["another size"] and found[arrivals.UNKNOWN] == ["no class"]
    assert found[dirt.BLUE] == found[dirt.ROWS] == ["other colours"]
    assert found[arrivals.MIXTURE] == ["another mixture of classes"] and "cut off" in found[arrivals.BROKEN][0]


def test_labels_take_a_network_that_has_seen_others(arrived):
    doubts = {one.kind: one.doubted for one in arrived}
    assert doubts[dirt.RANDOM][0] > 2 * doubts[arrivals.IN_ORDER][0]
    assert doubts[dirt.CAUSE][0] > 1.5 * doubts[arrivals.IN_ORDER][0]
    assert tables.gained(arrived).value > 0


def test_a_folder_of_ones_own_is_looked_at(trained, tmp_path):
    assert "no data set of instalments" in arrivals.look(tmp_path, trained)[0]
    some = trained.pictures[1][:300]
    instalments.write(tmp_path, "a", some.images, some.truth.tolist())
    (tmp_path / "b.tar").write_bytes(b"no shard")
    good, broken = arrivals.look(tmp_path, trained)
    assert "in order" in good and "cut off or damaged" in broken


def test_a_network_in_which_all_layers_learn_is_trained_on_the_same_dirt(trained, monkeypatch):
    monkeypatch.setenv(effort.VARIABLE, effort.QUICK)
    clean, dirty = (trained.throughout(kind, 0.2, 1000) for kind in (None, dirt.CAUSE))
    assert len(clean) == len(dirty) == 2 and sum(dirty) > sum(clean)
