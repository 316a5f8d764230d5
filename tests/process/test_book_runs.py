"""A lab's notebook in a kernel of its own, as `make book` and `make labs` run it."""

from __future__ import annotations

import os

import nbformat
import pytest
from nbclient import NotebookClient

from labkit.book import __main__ as command
from labkit.book import runs
from labkit.labs.lab import Lab

TOY = Lab("1.9", "Toy", (), ())


def write(folder, *cells):
    """Write a lab with some code cells."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Toy\n\nText."),
                                               *map(nbformat.v4.new_code_cell, cells)])
    path = folder / f"{TOY.notebook}.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)


@pytest.mark.parametrize("breaks", [False, True])
def test_a_lab_runs_as_far_as_it_can_and_leaves_nothing_running(tmp_path, breaks):
    write(tmp_path, "import os; print(os.environ['CLUSTER_TO_EDGE_EFFORT'])", f"assert not {breaks}, 'oh'",
          "print('the end')")
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


@pytest.mark.parametrize("failing", [1, 9])
def test_a_kernel_whose_port_was_taken_starts_again_and_a_lab_without_one_says_so(failing, tmp_path, monkeypatch):
    start, left = NotebookClient.start_new_kernel_client, [None] * failing

    def taken(client):
        started = start(client)
        if left:
            left.pop()
            client._cleanup_kernel()
            raise RuntimeError("Kernel died before replying to kernel_info")
        return started

    write(tmp_path, "print('the end')")
    monkeypatch.setattr(NotebookClient, "start_new_kernel_client", taken)
    run = runs.execute(TOY, tmp_path, "quick")
    if failing == 1:
        assert run.broken is None and run.notebook.cells[1].outputs[0].text == "the end\n"
    else:
        assert run.broken == runs.Breakage(1, "its process did not start")


@pytest.mark.parametrize("why, builds", [("Address already in use", 2), ("no such module", 1)])
def test_pages_are_read_again_where_a_port_was_taken_and_only_there(why, builds, tmp_path, monkeypatch, capsys):
    ends = [RuntimeError("Kernel died before replying to kernel_info"), 0]

    def build_sphinx(*_, **__):
        end = ends.pop(0)
        if end:
            os.write(2, f"ZMQError: {why} (addr='tcp://127.0.0.1:40625')\n".encode())
        return end

    for name, place in (("BUILD", tmp_path), ("DOCTREES", tmp_path), ("_LOG", tmp_path / "log"),
                        ("_SOUND", tmp_path / "sound")):
        monkeypatch.setattr(command, name, place)
    monkeypatch.setattr(command, "build_sphinx", build_sphinx)
    assert command.build() == (builds == 2)
    assert len(ends) == 2 - builds
    assert ("took the port" in capsys.readouterr().err) == (builds == 2)
