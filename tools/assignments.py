"""Makes the assignments: `python tools/assignments.py FOLDER`, or `make assignments`.

For each source in `assignments/` it writes the student's notebook and, with otter-grader, an autograder for Gradescope
and for `otter run`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat

from labkit.grading import notebooks
from labkit.grading.assignment import load, sources

SOURCES = Path(__file__).parents[1] / "assignments"


def main(folder: Path) -> int:
    """Write everything into a folder, a folder each; returns the exit status."""
    otter = shutil.which("otter", path=f"{Path(sys.executable).parent}") or shutil.which("otter")
    for name, source in sources(SOURCES).items():
        assignment, out = load(source), folder / name
        (out / "student").mkdir(parents=True, exist_ok=True)
        nbformat.write(notebooks.student(assignment), out / "student" / f"{name}.ipynb")
        print(out / "student" / f"{name}.ipynb")
        if otter:
            autograder(otter, source, name, out)
    if not otter:
        print("otter-grader is not installed here, so that there are no autograders: pip install otter-grader.")
    return 0


def autograder(otter: str, source: Path, name: str, out: Path) -> None:
    """Write the notebook with solutions, and the zip that Gradescope takes."""
    with TemporaryDirectory() as scratch:
        work = Path(scratch)
        shutil.copy2(source, work)
        nbformat.write(notebooks.master(load(source), source.name), work / f"{name}.ipynb")
        subprocess.run([otter, "assign", f"{name}.ipynb", "dist"], cwd=work, check=True, stdout=subprocess.DEVNULL)
        shutil.rmtree(out / "autograder", ignore_errors=True)
        shutil.copytree(work / "dist" / "autograder", out / "autograder")
    print(next((out / "autograder").glob("*.zip")))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Give the folder to write into: python tools/assignments.py FOLDER")
    sys.exit(main(Path(sys.argv[1])))
