"""`labkit validate`: every experiment is held to its measurement, and what is shown as a band was earned."""

from __future__ import annotations

import csv
from pathlib import Path

import fakes
import pytest
from labkit import __main__, experiments, validate
from labkit.data_parallel.crew import RUNGS
from labkit.experiment import Axis, Experiment, Outcome, Unavailable
from labkit.experiments import (
    latency,
    layers,
    more_nodes,
    paced,
    precision,
    serving,
    small_machine,
    step,
    throughput,
    tour,
)

HERE = fakes.machine()
TIMES = (tour.products, tour.reads, tour.moves, layers.time, step.time, latency.time, throughput.latency,
         throughput.rates, precision.time, small_machine.time)
BANDS = {experiment(HERE).title: paced.BAND for experiment in TIMES}
BANDS |= {more_nodes.time(HERE, rung).title: paced.BAND for rung in RUNGS}
BANDS |= {f"From a picture to its answer, over the {rung}": paced.BAND for rung in ("tunnel", "relay")}
BANDS[small_machine.memory(0, 0).title] = small_machine.MEMORY_BAND
BANDS["Answers up to 80 % of the capacity"] = serving.BAND


def shape(value):
    """A stand-in for an experiment whose every measurement is `value` times its prediction."""

    def measure(batch):
        return Unavailable("There is no such device.") if value is None else Outcome(value * batch, "s")

    return Experiment(title="A thing", quantity="Time", unit="s", axes=[Axis("batch", "Batch", (1, 2, 4))],
                      predict=lambda batch: Outcome(batch, "s"), measure=measure, readout="{value}")


@pytest.fixture
def one_lab(monkeypatch):
    """Replace the labs by one, whose measurement is a given multiple of the prediction."""

    def put(value):
        class Module:
            NEEDS = ()
            validation = staticmethod(lambda machine: [(shape(value), [{"batch": 1}, {"batch": 2}])])

        monkeypatch.setattr(validate, "LABS", {"9.9": "thing"})
        monkeypatch.setattr(validate, "GOALS", {"9.9": (0.1, 0.2)})
        monkeypatch.setattr(validate, "import_module", lambda name: Module)
        monkeypatch.setattr(validate, "this", lambda *names, again: fakes.machine())

    return put


@pytest.mark.parametrize(("value", "reached"), [(1.0, True), (1.08, True), (1.3, False), (0.5, False), (None, None)])
def test_a_goal_is_reached_by_errors_within_it_only(one_lab, value, reached):
    one_lab(value)
    (found,) = validate.validate(fakes.machine(), ("9.9",))
    score = validate.score(*found)
    assert score.reached is reached
    said = validate.line(score)
    assert {True: "reached", False: "missed", None: "There is no such device"}[reached] in said


def test_the_command_prints_a_line_an_experiment_and_records_every_point(one_lab, capsys, tmp_path):
    one_lab(1.25)
    assert __main__.main(["validate", "9.9", "--record", str(tmp_path / "found.csv")]) == 0
    assert "A thing" in capsys.readouterr().out
    with (tmp_path / "found.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["point"], float(row["predicted"]), float(row["measured"])) for row in rows] == [
        ("batch 1", 1, 1.25), ("batch 2", 2, 2.5)]
    record = validate.recorded(tmp_path / "found.csv")
    (score,) = record.scores
    assert (record.machine, score.lab, score.title) == (fakes.machine().name, "9.9", "A thing")
    assert score.median == pytest.approx(0.2) == score.p90 == score.clock and score.reached is False


def test_recording_a_lab_again_leaves_the_others_as_they_are(one_lab, monkeypatch, tmp_path):
    path, by_lab = tmp_path / "found.csv", {"9.9": 1.25, "8.8": 1.0}
    for lab in ("9.9", "8.8", "9.9"):
        one_lab(by_lab[lab])
        monkeypatch.setattr(validate, "LABS", dict.fromkeys(by_lab, "thing"))
        monkeypatch.setattr(validate, "GOALS", dict.fromkeys(by_lab, (0.1, 0.2)))
        assert __main__.main(["validate", lab, "--record", str(path)]) == 0
        by_lab["9.9"] = 2.0
    assert [(score.lab, len(score.errors), score.median) for score in validate.recorded(path).scores] == [
        ("8.8", 2, 0), ("9.9", 2, 0.5)]


def test_a_file_that_is_no_record_is_refused_before_anything_is_measured(one_lab, tmp_path, capsys):
    one_lab(1.0)
    (tmp_path / "mine.csv").write_text("a,b\n1,2\n")
    assert __main__.main(["validate", "9.9", "--record", str(tmp_path / "mine.csv")]) == 2
    said = capsys.readouterr()
    assert "mine.csv is not a record" in said.err and not said.out
    assert (tmp_path / "mine.csv").read_text() == "a,b\n1,2\n"


@pytest.mark.parametrize("content", ["", "machine,date\n", "a,b\n1,2\n", "machine,date,lab,experiment,point,predicted,"
                                     "measured,by_clock,unit\nm,d,9.9,t,p,one,1,1,s\n"])
def test_what_is_no_record_is_refused_by_name(tmp_path, content):
    (tmp_path / "other.csv").write_text(content)
    with pytest.raises(ValueError, match=r"other.csv is not a record"):
        validate.recorded(tmp_path / "other.csv")


def test_what_cannot_be_done_is_said(capsys, tmp_path, one_lab):
    assert __main__.main(["validate", "7.7"]) == 2
    assert "There is no lab '7.7'" in capsys.readouterr().err
    one_lab(1.0)
    assert __main__.main(["validate", "9.9", "--record", str(tmp_path)]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_every_module_of_experiments_with_a_measured_prediction_is_validated():
    folder = Path(next(iter(experiments.__path__)))
    with_validation = {path.stem for path in folder.glob("*.py") if "def validation(" in path.read_text("utf-8")}
    assert with_validation == set(validate.LABS.values())
    assert validate.LABS.keys() <= validate.GOALS.keys()


@pytest.mark.parametrize(("title", "band"), BANDS.items())
def test_nine_recorded_predictions_in_ten_are_within_the_band_that_is_shown(title, band):
    (score,) = [score for score in validate.recorded().scores if score.title == title]
    assert len(score.errors) >= 9 and score.p90 <= band
