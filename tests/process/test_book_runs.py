"""A lab's notebook in a kernel of its own, as `make book` and `make labs` run it."""

from __future__ import annotations

import nbformat
import pytest

from labkit.book import runs
from labkit.labs.lab import Lab

TOY = Lab("1.9", "Toy", (), ())


@pytest.mark.parametrize("breaks", [False, True])
def test_a_lab_runs_as_far_as_it_can_and_leaves_nothing_running(tmp_path, breaks):
    cells = ["import os; print(os.environ['CLUSTER_TO_EDGE_EFFORT'])", f"assert not {breaks}, 'oh'", "print('the end')"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Toy\n\nText."),
                                               *map(nbformat.v4.new_code_cell, cells)])
    path = tmp_path / f"{TOY.notebook}.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)
    told = []
    run = runs.execute(TOY, tmp_path, "quick", lambda done, of: told.append((done, of)))
    assert run.notebook.cells[1].outputs[0].text == "quick\n" and run.seconds > 0
    assert told[0] == (0, 3)
    if breaks:
        assert (run.broken.cell, run.broken.summary) == (2, "AssertionError: oh") and "Traceback" in run.broken.detail
    else:
        assert run.broken is None and run.notebook.cells[3].outputs[0].text == "the end\n"
    runs.keep(run, TOY, tmp_path / "runs")
    assert runs.wanting(TOY, tmp_path, tmp_path / "runs", "quick") == breaks
