"""The evidence of a lab: whole on the way to a file and back, refused where it is none, questioned where it is odd."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta

import fakes
import pytest

from labkit import evidence, expectation, experiment
from labkit.evidence import Unusable
from labkit.expectation import Expectation
from labkit.experiment import Axis, Experiment, Outcome, Unavailable, compare
from labkit.labs import lab
from labkit.labs.your_machine import LAB
from labkit.widgets.guess import Guess, asked

FASTER = Expectation("faster", "Two are {times:.1f} times as fast.", "One core.", lambda times: times > 1)


def toy(measure) -> Experiment:
    return Experiment(title="Toy", quantity="Time", unit="s", axes=[Axis("size", "Size", (1, 2, 3, 4, 5))],
                      predict=lambda size: Outcome(float(size), "s"), measure=measure, readout="{value}")


def measured(size):
    return Outcome(1.1 * size, "s", low=size, high=1.2 * size) if size < 5 else Unavailable("Too large.")


def run(measure=measured):
    """Return the evidence of a lab that compares a toy, with a surprise, on the machine of the tests."""
    experiment.begin()
    expectation.begin("1.1")
    compare(toy(measure), [{"size": size} for size in range(1, 6)])
    FASTER.check(times=0.5)
    return evidence.of("1.1", fakes.machine(), LAB.probes, {"toy": {"question": "?", "unit": "s", "history": []}})


def written(found, folder):
    evidence.keep(found, folder)
    return folder / "lab-1.1.evidence.json"


def test_what_a_run_found_comes_back_whole(tmp_path):
    found = run()
    back, doubts = evidence.read(written(found, tmp_path))
    assert back == found and back.digest == found.digest and not doubts
    assert back.surprises == ["Two are 0.5 times as fast."]
    assert [point["point"]["size"] for point in back.measured()] == [1, 2, 3, 4]
    assert back.points[-1]["measured"] == {"reason": "Too large."}
    assert back.machine.calibration("memory").curves == fakes.machine().calibration("memory").curves
    assert set(back.machine.calibrations) == set(LAB.probes) and back.versions["labkit"] and back.guesses["toy"]


def test_a_lab_keeps_its_evidence_at_its_end_and_not_for_the_book(probes, capsys, monkeypatch):
    LAB.begin("quick")
    compare(toy(measured), [{"size": 1}])
    monkeypatch.setattr(lab, "this", lambda *probes: pytest.fail("nothing is calibrated at the end"))
    LAB.end()
    assert "evidence of this run is kept" in capsys.readouterr().out
    (kept,) = evidence.kept()
    assert evidence.read(kept)[0].effort == "quick"
    kept.unlink()
    monkeypatch.setenv("CLUSTER_TO_EDGE_BOOK", "1")
    LAB.end()
    assert not evidence.kept()


def test_a_folder_that_cannot_be_written_costs_the_evidence_alone(tmp_path):
    (tmp_path / "file").write_text("")
    assert "could not be kept" in evidence.keep(run(), tmp_path / "file")


def test_the_guesses_of_a_process_are_told(probes):
    guess = Guess("evidence-test", "How many?", "", 0, 10)
    guess.commit(3)
    assert asked()["evidence-test"]["history"][-1]["value"] == 3


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"version": 1}', b"null", b"\xff"])
def test_what_is_no_evidence_is_refused(content, tmp_path):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(Unusable, match="damaged"):
        evidence.read(tmp_path / "a")


def test_another_versions_evidence_is_refused_and_says_so(tmp_path):
    path = written(run(), tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 0}))
    with pytest.raises(Unusable, match="another version"):
        evidence.read(path)


def doubts(tmp_path, measure=measured, **changes):
    return " ".join(evidence.read(written(dataclasses.replace(run(measure), **changes), tmp_path))[1])


def test_a_number_changed_by_hand_is_seen(tmp_path):
    path = written(run(), tmp_path)
    content = json.loads(path.read_text())
    content["points"][0]["measured"]["value"] *= 2
    path.write_text(json.dumps(content))
    assert "was changed after" in " ".join(evidence.read(path)[1])


def test_forgeries_are_questioned(tmp_path):
    assert "not of the machine" in doubts(tmp_path, machine_digest="another")
    assert "in the future" in doubts(tmp_path, date=(datetime.now(UTC) + timedelta(days=2)).isoformat())
    assert "None of its 5 measurements has a spread" in doubts(tmp_path, lambda size: Outcome(1.1 * size, "s"))
    assert "equal their prediction" in doubts(tmp_path, lambda size: Outcome(float(size), "s", low=0.5 * size))
    fast = fakes.calibration({"fp32": [[1e9, 1e-12]]})
    assert "faster than any accelerator" in doubts(tmp_path, machine=fakes.machine(calibrations={"products": fast}))
