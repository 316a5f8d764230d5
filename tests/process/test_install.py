"""The install line of the notebooks, as Colab runs it, from a clone of the working tree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from release_server import ADDRESS, COURSE, ROOT, serving_release


@pytest.fixture(scope="module")
def served_repository(tmp_path_factory):
    """The address of the working tree as a release."""
    if not (ROOT / ".git").exists():
        pytest.skip("This copy of the course is no git checkout, so there is nothing to clone.")
    with serving_release(tmp_path_factory.mktemp("release")) as address:
        yield address


@pytest.fixture(scope="module")
def installed(served_repository, tmp_path_factory):
    """A folder into which the notebooks' own install line has put labkit, with nothing but the local clone."""
    target = tmp_path_factory.mktemp("installed")
    requirement = COURSE.replace(ADDRESS, served_repository)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", "-q", *options, "--target", str(target), requirement]
    done = subprocess.run(command, cwd=target, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    return target


def test_install_line_works(installed):
    """labkit is imported from what was installed, not from this checkout, and draws a widget."""
    code = (
        "import labkit, sys; print(labkit.__file__)\n"
        "from pathlib import Path; from labkit.widgets.base import write_static\n"
        "write_static(Path('static')); assert any(Path('static').iterdir())"
    )
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"PYTHONPATH": str(installed)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=installed, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(installed)


def test_installed_package_carries_every_file(installed):
    def files(folder: Path) -> set[str]:
        found = (p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
        return {p.relative_to(folder).as_posix() for p in found}

    data = {f"data/{name}" for name in files(ROOT / "data")}
    assert files(installed / "labkit") == files(ROOT / "labs" / "labkit") | data


FIRST_CELL = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
notebook = json.load(open(sys.argv[1], encoding="utf-8"))
first = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
ran = InteractiveShell.instance().run_cell("".join(first["source"]))
print(json.dumps([type(ran.error_in_exec).__name__, str(ran.error_in_exec)]))
"""


@pytest.mark.parametrize(("edition", "error"), [("", "SystemExit"), ("EDITION = 1", "SystemExit"),
                                                ("EDITION = 1000", "NoneType")])
def test_a_notebook_that_is_newer_than_labkit_says_how_to_upgrade(edition, error, tmp_path):
    (tmp_path / "labkit").mkdir()
    (tmp_path / "labkit" / "__init__.py").write_text(edition)
    notebook = next((ROOT / "labs").glob("*/*.ipynb"))
    done = subprocess.run([sys.executable, "-c", FIRST_CELL, str(notebook)], capture_output=True, text=True, timeout=60,
                          cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)})
    kind, words = json.loads(done.stdout.strip().splitlines()[-1])
    assert kind == error, done.stderr
    assert kind == "NoneType" or ("pip install -U" in words and ADDRESS in words and "restart the kernel" in words)
