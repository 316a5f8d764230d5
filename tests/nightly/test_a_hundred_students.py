"""A hundred submissions are graded in one call, within the ten minutes that a teacher waits."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import fakes
import nbformat
from evidence_of_labs import evidence_of
from submissions import notebook, solved

from labkit import evidence
from labkit.grading.assignment import load

ROOT = Path(__file__).parents[2]


def test_a_hundred_submissions_are_graded_within_ten_minutes(tmp_path):
    asked = load(ROOT / "assignments/training.py")  # the longest
    labs = {lab: evidence_of(lab, fakes.slower(1)) for lab in asked.labs}
    for number in range(100):
        student = f"student{number}"
        folder = tmp_path / "in" / student
        folder.mkdir(parents=True)
        nbformat.write(notebook(asked, student, solved(asked, student, labs)[1]), folder / f"{asked.name}.ipynb")
        for found in labs.values():
            evidence.keep(found, folder)
    subprocess.run([sys.executable, "-m", "labkit", "grade", tmp_path / "in", "--out", tmp_path / "out"], cwd=ROOT,
                   check=True, timeout=600)
    rows = list(csv.DictReader((tmp_path / "out" / "grades.csv").open(encoding="utf-8")))
    assert [row["points"] for row in rows] == [str(asked.points)] * 100
