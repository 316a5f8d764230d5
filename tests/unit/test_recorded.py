"""Recorded machines: what `labkit record` writes can be read, and says what came out otherwise."""

from __future__ import annotations

import json
import re

import fakes
import pytest

from labkit import __main__, recorded, recording, validate
from labkit.data import data_folder
from labkit.experiment import Axis, Experiment, Outcome, Unavailable
from labkit.labs.lab import Lab
from labkit.widgets.explorer import Explorer


def experiment():
    """Three points: one as predicted, one far off, one that this machine cannot run."""

    def measure(batch):
        if batch == 4:
            return Unavailable("There is no such device.")
        return Outcome(batch * (1 if batch == 1 else 3), "s", low=0.9 * batch, high=3.1 * batch, note="By hand.")

    return Experiment(title="A thing", quantity="Time", unit="s", axes=[Axis("batch", "Batch", (1, 2, 4))],
                      predict=lambda batch: Outcome(batch, "s", low=0.8 * batch, high=1.2 * batch), measure=measure,
                      readout="{value}")


@pytest.fixture
def one_lab(monkeypatch):
    class Thing(Lab):
        def part(self, name):
            class Module:
                validation = staticmethod(lambda machine: [(experiment(), [{"batch": b} for b in (1, 2, 4)])])
            return Module

    monkeypatch.setattr(validate, "labs", lambda: (Thing("9.9", "A thing", (), ()),))
    monkeypatch.setattr(validate, "this", lambda *names, again: fakes.machine())


def test_a_machine_is_written_and_read_with_every_outcome_and_every_surprise(one_lab, tmp_path, capsys):
    path = tmp_path / "machine.json"
    assert __main__.main(["record", str(path), "--name", "A box, half a core"]) == 0
    machine = recorded.read(path)
    assert machine.machine == "A box, half a core" and machine.effort and machine.software["python"]
    [part] = machine.parts
    near, far, none = part.points
    assert near.inside and far.inside is False and none.inside is None and none.note == "There is no such device."
    assert (far.measured.low, far.measured.value) == (1.8, 6) and far.error == pytest.approx(2 / 3)
    [surprise] = machine.surprises
    assert surprise == "Lab 9.9, A thing, batch 2: measured 6 s, predicted 1.6 s to 2.4 s."
    assert surprise in capsys.readouterr().out
    [row] = recorded.rows(recorded.machines(tmp_path))
    assert row[0] == "A box, half a core" and row[2] == "2" and row[5] == "50 %"


def test_several_machines_are_rows_dots_and_presets(one_lab, tmp_path, monkeypatch):
    names = "A box", "A laptop", "A box, half a core"
    folder = tmp_path / "measured" / "machines"
    folder.mkdir(parents=True)
    assert __main__.main(["record", str(tmp_path / "one.json")]) == 0
    one = recorded.read(tmp_path / "one.json")
    for place, name in enumerate(names):
        recording.write(one.model_copy(update={"machine": name}), folder / f"{place}.json")
    monkeypatch.setattr(recorded, "data_folder", lambda: tmp_path)
    recorded.machines.cache_clear()
    assert {row[0] for row in recorded.rows(recorded.machines())} == set(names)
    widget = Explorer(experiment(), x="batch")
    dots, presets = widget.config["elsewhere"], widget.config["presets"]
    assert not widget.config["published"]
    still = widget.picture()
    assert "measured on another machine" in still and "published" not in still
    assert len(dots) == 2 * len(names) and {dot["label"] for dot in dots} == {f"measured on {name}" for name in names}
    assert sorted(dot["value"] for dot in dots if tuple(dot["index"]) == (1,)) == [6, 6, 6]
    assert {preset["label"]: list(preset["index"]) for preset in presets} == {name: [0] for name in names}
    recorded.machines.cache_clear()


def test_a_point_that_an_experiment_no_longer_has_is_no_dot(one_lab, tmp_path):
    assert __main__.main(["record", str(tmp_path / "machine.json")]) == 0
    assert len(recorded.figures(experiment(), tmp_path)) == 2
    fewer = Experiment(title="A thing", quantity="Time", unit="s", axes=[Axis("batch", "Batch", (1, 3))],
                       predict=lambda batch: Outcome(batch, "s"), readout="{value}")
    assert [figure.point for figure in recorded.figures(fewer, tmp_path)] == [{"batch": 1}]
    other = Experiment(title="A thing", quantity="Memory", unit="B", axes=[Axis("batch", "Batch", (1, 2))],
                       predict=lambda batch: Outcome(batch, "B"), readout="{value}")
    assert recorded.figures(other, tmp_path) == []


def test_what_labkit_did_not_write_is_refused_by_its_first_field(one_lab, tmp_path, capsys):
    path = tmp_path / "machine.json"
    __main__.main(["record", str(path)])
    data = json.loads(path.read_text("utf-8"))
    data["parts"][0]["points"][0]["measured"]["value"] = "fast"
    path.write_text(json.dumps(data), "utf-8")
    with pytest.raises(ValueError, match=r"machine.json is no machine.*parts.0.points.0.measured.value"):
        recorded.read(path)
    data["parts"][0]["points"][0]["measured"] |= {"value": 9, "low": 10}
    path.write_text(json.dumps(data), "utf-8")
    with pytest.raises(ValueError, match="9 does not lie between its ends"):
        recorded.read(path)
    path.write_text("no JSON", "utf-8")
    with pytest.raises(ValueError, match="is no machine that labkit record wrote"):
        recorded.read(path)
    capsys.readouterr()
    assert __main__.main(["record", str(path), "7.7"]) == 2
    assert "no lab '7.7'" in capsys.readouterr().err


def test_every_machine_that_was_sent_can_be_read_and_names_no_place_of_its_owner():
    titles = {score.title for score in validate.recorded().scores}
    machines = {path: recorded.read(path) for path in (data_folder() / "measured" / "machines").glob("*.json")}
    assert len({machine.machine for machine in machines.values()}) == len(machines)  # each has a name of its own
    for path, machine in machines.items():
        assert machine.points and machine.machine and re.fullmatch(r"20\d\d-\d\d-\d\d", machine.date)
        assert any(part.experiment in titles for part in machine.parts), "no experiment of the course is in it"
        assert "/home/" not in path.read_text("utf-8") and "/Users/" not in path.read_text("utf-8")


def test_the_course_knows_its_own_machine():
    name, _date, points, *_ = recording.validated()
    assert name and int(points) > 100
