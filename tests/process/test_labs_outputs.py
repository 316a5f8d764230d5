"""What `make labs` does with the labs that it has run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_cache import get_cache

from labkit import book

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("passes", [True, False])
def test_what_the_book_shows_of_a_lab_is_the_run_that_was_tested(tmp_path, passes):
    labs = tmp_path / "labs"
    labs.mkdir()
    shutil.copy(ROOT / "labs" / "conftest.py", labs)
    cells = [nbformat.v4.new_code_cell(source) for source in (
        "import random", "print(random.random())", f"assert {passes}")]
    kernel = {"name": "python3", "display_name": "Python 3"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, labs / "lab.ipynb")
    run = subprocess.run([sys.executable, "-m", "pytest", "--nbval-lax", "-p", "no:cacheprovider", labs],
                         cwd=tmp_path)
    assert (run.returncode == 0) == passes
    book.forget_stale_runs(tmp_path / "_build" / ".jupyter_cache")  # as the build does
    cache = get_cache(tmp_path / "_build" / ".jupyter_cache")
    if not passes:
        assert not cache.list_cache_records()
        return
    _, kept = cache.merge_match_into_notebook(nbformat.read(labs / "lab.ipynb", 4))
    assert 0 < float(kept.cells[1].outputs[0].text) < 1 and not kept.cells[2].outputs
