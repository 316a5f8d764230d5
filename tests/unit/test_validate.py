"""`labkit validate`: every experiment is held to its measurement, and what is shown as a band was earned."""

from __future__ import annotations

import fakes
import pytest

from labkit import __main__, validate
from labkit.data import read_csv
from labkit.distributed.pool import BACKENDS
from labkit.experiment import Axis, Experiment, Outcome, Unavailable
from labkit.labs import common
from labkit.labs.a_smaller_machine import experiments as small_machine
from labkit.labs.cats import experiments as step
from labkit.labs.compute_and_precision import experiments as precision
from labkit.labs.lab import Goal, Lab, labs
from labkit.labs.latency import experiments as latency
from labkit.labs.more_nodes import experiments as more_nodes
from labkit.labs.nodes_and_synapses import experiments as layers
from labkit.labs.serving_under_load import experiments as serving
from labkit.labs.throughput import experiments as throughput
from labkit.labs.your_machine import experiments as tour

HERE = fakes.machine()
TIMES = (tour.products, tour.reads, tour.moves, layers.time, step.time, latency.time, throughput.latency,
         throughput.rates, precision.time, small_machine.time)
BANDS = {experiment(HERE).title: common.BAND for experiment in TIMES}
BANDS |= {more_nodes.step_time(HERE, backend).title: common.BAND for backend in BACKENDS}
BANDS |= {f"From a picture to its answer, over the {backend}": common.BAND for backend in ("tunnel", "relay")}
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

    def put(value, *numbers):
        class Thing(Lab):
            def part(self, name):
                class Module:
                    validation = staticmethod(lambda machine: [(shape(value), [{"batch": 1}, {"batch": 2}])])
                return Module

        labs = tuple(Thing(number, "A thing", (), (), goal=Goal(0.1, 0.2)) for number in numbers or ("9.9",))
        monkeypatch.setattr(validate, "labs", lambda: labs)
        monkeypatch.setattr(validate, "this", lambda *names, again: fakes.machine())

    return put


@pytest.mark.parametrize(("value", "reached"), [(1.0, True), (1.08, True), (1.3, False), (0.5, False), (None, None)])
def test_a_goal_is_reached_by_errors_within_it_only(one_lab, value, reached):
    one_lab(value)
    (found,) = validate.validate(fakes.machine(), validate.chosen(["9.9"]))
    score = validate.score(*found)
    assert score.reached is reached
    said = validate.line(score)
    assert {True: "reached", False: "missed", None: "There is no such device"}[reached] in said


def test_the_command_prints_a_line_an_experiment_and_records_every_point(one_lab, capsys, tmp_path):
    one_lab(1.25)
    assert __main__.main(["validate", "9.9", "--record", str(tmp_path / "found.csv")]) == 0
    assert "A thing" in capsys.readouterr().out
    rows = read_csv(tmp_path / "found.csv")
    assert [(row["point"], float(row["predicted"]), float(row["measured"])) for row in rows] == [
        ("batch 1", 1, 1.25), ("batch 2", 2, 2.5)]
    record = validate.recorded(tmp_path / "found.csv")
    (score,) = record.scores
    assert (record.machine, score.lab, score.title) == (fakes.machine().name, "9.9", "A thing")
    assert score.median == pytest.approx(0.2) == score.p90 == score.plain_median and score.reached is False


def test_recording_a_lab_again_leaves_the_others_as_they_are(one_lab, tmp_path):
    path, by_lab = tmp_path / "found.csv", {"9.9": 1.25, "8.8": 1.0}
    for lab in ("9.9", "8.8", "9.9"):
        one_lab(by_lab[lab], *by_lab)
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
                                     "carried,measured,unit\nm,d,9.9,t,p,one,1,1,s\n"])
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


def test_every_lab_can_be_validated():
    for lab in labs():
        assert callable(lab.part("experiments").validation), lab.number


@pytest.mark.parametrize(("title", "band"), BANDS.items())
def test_nine_recorded_predictions_in_ten_are_within_the_band_that_is_shown(title, band):
    (score,) = [score for score in validate.recorded().scores if score.title == title]
    assert len(score.errors) >= 9 and score.p90 <= band
