"""The assignments with otter-grader: every autograder is made, and one grades as `labkit grade` does."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path

import fakes
import nbformat
import pytest
from evidence_of_labs import evidence_of

from labkit import assignment as drawing
from labkit import evidence
from labkit.grading import notebooks
from labkit.grading.assignment import load, sources

ROOT = Path(__file__).parents[2]
MADE = ROOT / "_build" / "assignments"


@pytest.fixture(scope="module")
def made():
    subprocess.run(["make", "assignments"], cwd=ROOT, check=True, timeout=600)
    return MADE


@pytest.mark.parametrize("name", sources(ROOT / "assignments"))
def test_every_assignment_has_a_notebook_to_give_out_and_an_autograder(made, name):
    assert (made / name / "student" / f"{name}.ipynb").is_file()
    with zipfile.ZipFile(made / name / "autograder" / f"{name}.zip") as packed:
        tests = {path for path in packed.namelist() if path.startswith("tests/")}
        source = load(sources(ROOT / "assignments")[name])
        assert tests == {f"tests/{question.name}.py" for question in source.questions}
        assert "torch" not in packed.read("environment.yml").decode()


def test_otter_gives_the_points_of_right_answers_alone(made, tmp_path):
    asked = load(ROOT / "assignments/terminology.py")
    labs = {lab: evidence_of(lab, fakes.machine()) for lab in asked.labs}
    answers = {"computers": -1, "ridge": None}
    drawn = drawing.draw("ada", asked.name, **asked.choices)
    for question in asked.questions:
        variables = {**drawn, "labs": labs}
        exec(question.solution, variables)
        answers.setdefault(question.name, variables[question.name])
    notebook = notebooks.student(asked)
    for cell in notebook.cells:
        cell.source = cell.source.replace('student = ""', 'student = "ada"')
        name = cell.source.split(" = ")[0]
        if name in answers:
            cell.source = f"{name} = {answers[name]!r}"
    nbformat.write(notebook, tmp_path / f"{asked.name}.ipynb")
    for found in labs.values():
        evidence.keep(found, tmp_path)
    with zipfile.ZipFile(tmp_path / "ada.zip", "w") as packed:
        for path in (tmp_path / f"{asked.name}.ipynb", *tmp_path.glob(f"*{evidence.ENDING}")):
            packed.write(path, path.name)
    archive = made / asked.name / "autograder" / f"{asked.name}.zip"
    subprocess.run([ROOT / "_build/otter/bin/otter", "run", "-a", archive, "-o", tmp_path, tmp_path / "ada.zip"],
                   check=True, timeout=300)
    scores = {test["name"]: test.get("score") for test in json.loads((tmp_path / "results.json").read_text())["tests"]}
    lost = [question.name for question in asked.questions if scores[question.name] != question.points]
    assert lost == ["computers", "ridge"]
