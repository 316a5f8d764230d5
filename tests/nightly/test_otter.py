"""The assignments with otter-grader: made in a fresh clone by one call, they grade as `labkit grade` does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import fakes
import nbformat
import pytest
from evidence_of_labs import evidence_of
from submissions import notebook, solved

from labkit import evidence
from labkit.grading.assignment import load, sources

ROOT = Path(__file__).parents[2]
SOURCES = sources(ROOT / "assignments")
ASKED = load(ROOT / "assignments/terminology.py")
MAMBA = """#!/bin/sh
echo 'mamba() { :; }'
"""  # in the place of the environment that setup.sh installs on Gradescope's machine
# What Gradescope reads of results.json: https://gradescope-autograders.readthedocs.io/en/latest/specs/
VISIBLE = {"hidden", "after_due_date", "after_published", "visible"}
FIELDS = {"score", "max_score", "status", "name", "name_format", "number", "output", "output_format", "tags",
          "visibility", "extra_data"}


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A fresh clone after `make assignments`, with this environment for its `.venv`."""
    folder = tmp_path_factory.mktemp("clone") / "course"
    subprocess.run(["git", "clone", "-q", ROOT, folder], check=True, timeout=120)
    command = ["make", f"VENV={sys.prefix}", "-o", f"{sys.prefix}/.requirements", "assignments"]
    subprocess.run(command, cwd=folder, check=True, timeout=900, env=os.environ | {"PYTHONPATH": str(folder / "labs")})
    return folder


@pytest.fixture(scope="module")
def made(clone):
    return clone / "_build" / "assignments"


@pytest.fixture
def handed_in(tmp_path):
    """What a student hands in whose answers are all right but `computers`, and who left `ridge` out."""
    labs = {lab: evidence_of(lab, fakes.machine()) for lab in ASKED.labs}
    answers = solved(ASKED, "ada", labs)[1] | {"computers": -1, "ridge": None}
    nbformat.write(notebook(ASKED, "ada", answers), tmp_path / f"{ASKED.name}.ipynb")
    for found in labs.values():
        evidence.keep(found, tmp_path)
    return packed(tmp_path, ASKED.name)


def packed(folder: Path, name: str) -> Path:
    """Pack the notebook and the evidence in a folder as a student's hand-in does."""
    with zipfile.ZipFile(folder / "ada.zip", "w") as archive:
        for path in (folder / f"{name}.ipynb", *folder.glob(f"*{evidence.ENDING}")):
            archive.write(path, path.name)
    return folder / "ada.zip"


def lost(results: Path) -> list[str]:
    """Return the questions that did not get all their points."""
    scores = {test["name"]: test.get("score") for test in json.loads(results.read_text())["tests"]}
    return [question.name for question in ASKED.questions if scores[question.name] != question.points]


@pytest.mark.parametrize("name", SOURCES)
def test_every_assignment_has_a_notebook_to_give_out_and_an_autograder(made, name):
    assert (made / name / "student" / f"{name}.ipynb").is_file()
    with zipfile.ZipFile(made / name / "autograder" / f"{name}.zip") as archive:
        tests = {path for path in archive.namelist() if path.startswith("tests/")}
        assert tests == {f"tests/{question.name}.py" for question in load(SOURCES[name]).questions}
        assert "torch" not in archive.read("environment.yml").decode()


@pytest.mark.parametrize("name", SOURCES)
def test_every_solution_of_the_autograders_notebook_gets_its_points(clone, made, name, tmp_path):
    asked = load(SOURCES[name])
    master = nbformat.read(made / name / "autograder" / f"{name}.ipynb", 4)
    for cell in master.cells:
        cell.source = cell.source.replace('student = ""', 'student = "ada"')
    nbformat.write(master, tmp_path / f"{name}.ipynb")
    for lab in asked.labs:
        evidence.keep(evidence_of(lab, fakes.machine(identity={"cores": 4})), tmp_path)
    handed_in = packed(tmp_path, name)
    archive = made / name / "autograder" / f"{name}.zip"
    subprocess.run([clone / "_build/otter/bin/otter", "run", "-a", archive, "-o", tmp_path, handed_in],
                   check=True, timeout=300)
    scores = {test["name"]: test.get("score") for test in json.loads((tmp_path / "results.json").read_text())["tests"]}
    assert {question.name: scores[question.name] for question in asked.questions} == {
        question.name: question.points for question in asked.questions}


def test_otter_gives_the_points_of_right_answers_alone(clone, made, handed_in, tmp_path):
    archive = made / ASKED.name / "autograder" / f"{ASKED.name}.zip"
    subprocess.run([clone / "_build/otter/bin/otter", "run", "-a", archive, "-o", tmp_path, handed_in],
                   check=True, timeout=300)
    assert lost(tmp_path / "results.json") == ["computers", "ridge"]


def test_the_archive_runs_in_gradescopes_folders(clone, made, handed_in, tmp_path):
    home = tmp_path / "autograder"
    for folder, archive in (("source", made / ASKED.name / "autograder" / f"{ASKED.name}.zip"),
                            ("submission", handed_in)):
        with zipfile.ZipFile(archive) as whole:
            whole.extractall(home / folder)
    (home / "results").mkdir()
    (home / "submission_metadata.json").write_text("{}")
    for script in ("setup.sh", "run_autograder"):
        path = home / "source" / script
        assert path.read_text().startswith("#!"), "Gradescope runs it as a program"
        subprocess.run(["bash", "-n", path], check=True)
    for name in ("run_autograder", "run_otter.py"):
        path = home / "source" / name
        assert "/autograder" in path.read_text()
        path.write_text(path.read_text().replace("/autograder", str(home)))
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "mamba").write_text(MAMBA)
    (programs / "mamba").chmod(0o755)
    path = os.pathsep.join((str(clone / "_build/otter/bin"), str(programs), os.environ["PATH"]))
    subprocess.run(["bash", home / "source" / "run_autograder"], cwd=home, env=os.environ | {"PATH": path}, check=True,
                   timeout=300)
    results = json.loads((home / "results" / "results.json").read_text())
    for test in results["tests"]:
        assert test.keys() <= FIELDS and test.get("visibility", "visible") in VISIBLE
    assert lost(home / "results" / "results.json") == ["computers", "ridge"]
    assert sum(test.get("score", 0) for test in results["tests"]) == ASKED.points - 3
