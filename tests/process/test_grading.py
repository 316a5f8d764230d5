"""A class hands in, right, wrong, late and damaged in every way; the table of grades is what it should be."""

from __future__ import annotations

import csv
import json
import os
import re
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fakes
import nbformat
import pytest
from evidence_of_labs import evidence_of
from submissions import notebook, solved

from labkit import assignment as drawing
from labkit import evidence
from labkit.__main__ import main
from labkit.grading import answers, report
from labkit.grading.assignment import load
from labkit.grading.submission import opened

ROOT = Path(__file__).parents[2]
ASKED = load(ROOT / "assignments/terminology.py")
DUE = datetime(2027, 1, 15, 12, tzinfo=UTC)
WORDS = "The cache held the weights: a network that no cache holds took 1.9 times as long."


@pytest.fixture(scope="module")
def found():
    return {lab: evidence_of(lab, fakes.machine()) for lab in ASKED.labs}


def right(student, labs):
    return {**solved(ASKED, student, labs)[1], "explanation": WORDS, "verdict": "P1 holds when …"}


class Class:
    """A folder of submissions."""

    def __init__(self, folder, found):
        self.folder, self.found = folder, found

    def hand_in(self, student, given=None, labs=None, damage=lambda notebook: notebook, days=-1):
        given = right(student, self.found) if given is None else given
        folder = self.folder / student
        folder.mkdir(parents=True)
        nbformat.write(damage(notebook(ASKED, student, given)), folder / f"{ASKED.name}.ipynb",
                       version=nbformat.NO_CONVERT)
        for each in (self.found if labs is None else labs).values():
            evidence.keep(each, folder)
        when = (DUE + timedelta(days=days)).timestamp()
        os.utime(folder, (when, when))
        return folder

    def grade(self, path):
        return report.grade(path, {ASKED.name: ASKED}, DUE)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Give an endless cell less time than a teacher does."""
    monkeypatch.setattr(answers, "CELL_S", 3)


@pytest.fixture
def room(tmp_path, found):
    return Class(tmp_path / "in", found)


def insert(source, at=3):
    """Return the damage of a cell put before the answers."""
    def damage(notebook):
        notebook.cells.insert(at, nbformat.v4.new_code_cell(source))
        return notebook
    return damage


def reordered(notebook):
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    notebook.cells = [*reversed(code), nbformat.v4.new_code_cell(code[3].source)]
    return notebook


def as_colab(notebook):
    """As Colab saves it: an older format, no cell ids, metadata of widgets without their state."""
    notebook = nbformat.from_dict(json.loads(json.dumps(notebook)))
    notebook.nbformat_minor = 0
    notebook.metadata = {"widgets": {"application/vnd.jupyter.widget-state+json": {}}, "colab": {"name": "a"}}
    for cell in notebook.cells:
        del cell["id"]
        cell["metadata"] = {}
    return notebook


def test_a_class_gets_the_table_that_it_should(room, found, capsys):
    solved = right("half", found)
    halves = {name: answer for name, answer in list(solved.items())[:3]}
    wrong = {question.name: -5 for question in ASKED.questions}
    nonsense = dict(zip(solved, ([], "?", {"a": 1}, True, (1, 2), float("nan"), "x"), strict=False))
    forged = {lab: evidence_of(lab, fakes.machine(), spread=0) for lab in ASKED.labs}
    room.hand_in("right")
    room.hand_in("half", halves)
    room.hand_in("wrong", wrong)
    room.hand_in("nonsense", nonsense)
    room.hand_in("late", days=2)
    room.hand_in("cheat", right("cheat", forged), labs=forged)
    room.hand_in("syntax", damage=insert("ridge = = 3"))
    room.hand_in("endless", damage=insert("while True:\n    pass"))
    room.hand_in("leaves", damage=insert("exit()"))
    room.hand_in("shuffled", damage=reordered)
    room.hand_in("unproven", labs={})
    out = room.folder.parent / "out"
    assert main(["grade", str(room.folder), "--assignments", str(ROOT / "assignments"), "--due", DUE.isoformat(),
                 "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out / "grades.csv")
    table = {row["student"]: row for row in csv.DictReader((out / "grades.csv").open(encoding="utf-8"))}
    points = {student: row["points"] for student, row in table.items()}
    full = str(ASKED.points)
    assert points == {"right": full, "half": "5", "wrong": "0", "nonsense": "0", "late": full, "cheat": full,
                      "syntax": full, "endless": full, "leaves": full, "shuffled": full, "unproven": "5"}
    assert table["half"]["ridge"] == "not attempted" and table["unproven"]["ridge"] == "not graded"
    assert float(table["late"]["late_hours"]) == 48 and float(table["right"]["late_hours"]) == 0
    assert "has a spread" in table["cheat"]["to ask"] and "has a spread" not in table["right"]["to ask"]
    for student, damage in (("syntax", "not Python"), ("endless", "stopped"), ("leaves", "exit()"),
                            ("shuffled", "'computers' is answered in 2 cells"), ("shuffled", "needed one below it")):
        assert damage in table[student]["damage"]
    page = (out / "half.html").read_text("utf-8")
    assert f"5 of {full} points" in page and "No answer yet" in page and "All points:" in page


def test_what_was_copied_from_another_student_is_asked_about(room):
    paths = [room.hand_in(student) for student in ("ada", "grace")]
    first, second = report.grade_all(paths, {ASKED.name: ASKED})
    assert "same as that of grace" in " ".join(first.doubts) and "same as that of ada" in " ".join(second.doubts)


def test_a_notebook_as_colab_saves_it_is_graded_like_any_other(room):
    graded = room.grade(room.hand_in("ada", damage=as_colab))
    assert graded.points == ASKED.points and not graded.trouble


@pytest.mark.parametrize(("source", "said"), [
    ("while True:\n    print('x' * 10_000)", "printed more than"),
        # By the clock or by the room that it has, whichever ends first.
    ("import os\nwhile True:\n    os.write(1, b'x' * 1_000_000)", "stopped|too large"),
    ("import socket\nsocket.create_connection(('127.0.0.1', 9))", "asked for the network"),
    ("open('../../grade.txt', 'w').write('12')", "outside its folder"),
    ("import shutil\nshutil.rmtree('/tmp/nothing-of-this-name')", "outside its folder"),
    ("import subprocess\nsubprocess.run(['true'])", "a process"),
    ("everything = bytearray(8 * 2**30)", "more memory"),
    ("open('large', 'wb').write(bytes(64 * 2**20))", "OSError"),
    ("import os\nos._exit(0)", "ended the whole process"),
    ("raise KeyError('a')", "KeyError"),
    ("def endless():\n    return endless()\nendless()", "RecursionError"),
    ("while True:\n    try:\n        pass\n    except Exception:\n        pass", "stopped"),
])
def test_a_cell_that_goes_too_far_costs_no_other_its_points(source, said, room):
    graded = room.grade(room.hand_in("ada", damage=insert(source)))
    assert re.search(said, " ".join(graded.trouble)) and graded.points == ASKED.points


def test_a_process_that_cannot_be_interrupted_is_ended(room, monkeypatch):
    monkeypatch.setattr(answers, "ALL_S", 4)
    stubborn = "import signal\nsignal.setitimer(signal.ITIMER_REAL, 0)\nwhile True:\n    pass"
    graded = room.grade(room.hand_in("ada", damage=insert(stubborn)))
    assert "never ended" in " ".join(graded.trouble) and graded.points == ASKED.points


def worth(*labs):
    """Return the points of the questions about some labs; "" stands for those about none."""
    return sum(question.points for question in ASKED.questions if question.lab in labs)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"cells": 3}', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_notebook_is_not_graded_and_never_full_marks(content, tmp_path):
    (tmp_path / f"ada-{ASKED.name}.ipynb").write_bytes(content)
    graded = report.grade(tmp_path / f"ada-{ASKED.name}.ipynb", {ASKED.name: ASKED})
    assert graded.points is None and graded.state == "not graded" and graded.trouble
    assert report.row(graded)["points"] == "" and "not graded" in report.page(graded)


def test_without_an_id_or_a_notebook_nothing_is_graded(room, tmp_path):
    nameless = room.grade(room.hand_in("ada", damage=insert('student = ""')))
    assert nameless.points is None and "no student's id" in " ".join(nameless.trouble)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "There is no notebook" in " ".join(room.grade(empty).trouble)
    (tmp_path / "broken.zip").write_bytes(b"PK")
    assert room.grade(tmp_path / "broken.zip").points is None


def test_another_students_id_is_asked_about(room):
    folder = room.hand_in("ada").rename(room.folder / "grace")
    assert "The id in the notebook is 'ada'" in " ".join(room.grade(folder).doubts)


def test_evidence_that_cannot_be_used_leaves_the_other_questions_graded(room):
    folder = room.hand_in("ada")
    path = folder / f"lab-1.1{evidence.ENDING}"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 0}))
    graded = room.grade(folder)
    assert graded.points == worth("", "1.2", "1.3") and "another version" in " ".join(graded.trouble)


def test_a_student_packs_notebook_and_evidence_and_the_grader_reads_it(tmp_path, found, monkeypatch, capsys):
    cache = tmp_path / "cache"
    monkeypatch.setenv("CLUSTER_TO_EDGE_CACHE", str(cache))
    monkeypatch.chdir(tmp_path)
    evidence.keep(found["1.1"])
    labs = drawing.evidence("1.1", "1.2")
    assert labs["1.1"] == found["1.1"] and "Lab 1.2: no evidence yet" in str(labs)
    drawing.hand_in(ASKED.name, "ada")
    assert "The notebooks here: none" in capsys.readouterr().out
    nbformat.write(notebook(ASKED, "ada", right("ada", found)), f"{ASKED.name}.ipynb")
    drawing.hand_in(ASKED.name, "ada")
    assert "evidence of 1 lab." in capsys.readouterr().out
    (archive,) = tmp_path.glob("*.zip")
    graded = report.grade(archive, {ASKED.name: ASKED})
    assert graded.student == "ada" and graded.points == worth("", "1.1") and not graded.doubts


def test_the_evidence_of_the_labs_that_were_run_comes_into_this_folder(tmp_path, found, monkeypatch, capsys):
    monkeypatch.setenv("CLUSTER_TO_EDGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    assert main(["evidence"]) == 2 and "no evidence of that yet" in capsys.readouterr().err
    for each in ("1.1", "1.2"):
        evidence.keep(found[each])
    assert main(["evidence", "1.2"]) == 0
    assert capsys.readouterr().out.split() == [f"lab-1.2{evidence.ENDING}"]
    assert evidence.read(tmp_path / f"lab-1.2{evidence.ENDING}")[0] == found["1.2"]


def test_a_zip_cannot_write_outside_its_folder(tmp_path):
    with zipfile.ZipFile(tmp_path / "ada.zip", "w") as packed:
        packed.writestr("../../escaped.ipynb", "{}")
    with opened(tmp_path / "ada.zip") as (handed_in, _):
        assert handed_in.notebook == "escaped"
    assert not list(tmp_path.parent.glob("escaped*"))


def test_the_class_sees_what_everybody_found_without_names(room, capsys):
    for student in ("ada", "grace"):
        room.hand_in(student)
    out = room.folder.parent / "class.html"
    assert main(["class", str(room.folder), "--out", str(out)]) == 0
    page = out.read_text("utf-8")
    assert "Matrix products: predicted, then measured" in page and "ada" not in page and "<th>B" in page
    main(["class", str(room.folder), "--names", "--out", str(out)])
    assert "ada" in out.read_text("utf-8")


def test_nothing_to_grade_is_said(tmp_path, capsys):
    assert main(["grade", str(tmp_path), "--assignments", str(ROOT / "assignments")]) == 2
    assert main(["grade", str(tmp_path / "none"), "--assignments", str(ROOT / "assignments")]) == 2
    assert "nothing in" in capsys.readouterr().err
