"""Makes the assignments: `python tools/assignments.py FOLDER [OTTER]`, or `make assignments`.

For each source in `assignments/` it writes the student's notebook and, where the command `otter` of otter-grader is
given, an autograder for Gradescope and for `otter run`. That has labkit itself in it, so that it installs no PyTorch.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat

from labkit.data import data_folder, package_folder
from labkit.grading import notebooks
from labkit.grading.assignment import load, sources

SOURCES = Path(__file__).parents[1] / "assignments"


def main(folder: Path, otter: Path | None = None) -> None:
    """Write everything into a folder, a folder each, and print what was written."""
    for name, source in sources(SOURCES).items():
        assignment, out = load(source), folder / name
        (out / "student").mkdir(parents=True, exist_ok=True)
        nbformat.write(notebooks.student(assignment), out / "student" / f"{name}.ipynb")
        print(out / "student" / f"{name}.ipynb")
        if otter:
            autograder(otter, source, name, out)


def autograder(otter: Path, source: Path, name: str, out: Path) -> None:
    """Write the notebook with solutions, and the zip that Gradescope takes."""
    with TemporaryDirectory() as scratch:
        work = Path(scratch)
        shutil.copy2(source, work)
        shutil.copytree(package_folder(), work / "labkit", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(data_folder(), work / "labkit" / "data", dirs_exist_ok=True)
        nbformat.write(notebooks.master(load(source), source.name), work / f"{name}.ipynb")
        subprocess.run([otter.absolute(), "assign", f"{name}.ipynb", "dist"], cwd=work, check=True,
                       stdout=subprocess.DEVNULL)
        made = work / "dist" / "autograder"
        (out / "autograder").mkdir(exist_ok=True)
        shutil.copy2(made / f"{name}.ipynb", out / "autograder")
        shutil.copy2(next(made.glob("*.zip")), out / "autograder" / f"{name}.zip")
    print(out / "autograder" / f"{name}.zip")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("Give the folder to write into: python tools/assignments.py FOLDER [OTTER]")
    main(*map(Path, sys.argv[1:]))
