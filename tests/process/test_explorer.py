"""The widgets in a real kernel, as the book executes them and as a reader measures with them."""

from __future__ import annotations

import os
from pathlib import Path

import ipywidgets
import nbformat
import pytest
import toy
from nbclient import NotebookClient

from labkit import units

_NOTEBOOK = """
import toy
from labkit.widgets.explorer import Explorer
from labkit.widgets.guess import Guess
from labkit.widgets.quiz import Choice, Question, Quiz
explorer = Explorer(toy.step_time(), x="nodes")
question = Question("?", [Choice("a", True, ""), Choice("b", False, "")])
display(explorer, Guess("a", "How many?", "%", 0, 100), Quiz([question]))
"""


def execute(source, monkeypatch):
    """Run `source` in a kernel of its own and return the client, which still has the kernel's widgets."""
    folders = [Path(toy.__file__).parent, Path(units.__file__).parents[1]]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, folders)))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    client = NotebookClient(notebook, timeout=60, kernel_name="python3")
    client.execute()
    return client


@pytest.mark.skipif(int(ipywidgets.__version__.split(".")[0]) < 8, reason="the book is built with ipywidgets 8")
def test_a_page_of_the_book_carries_no_widget_state(monkeypatch):
    monkeypatch.setenv("CLUSTER_TO_EDGE_BOOK", "1")
    notebook = execute(_NOTEBOOK, monkeypatch).nb
    assert not notebook.metadata.get("widgets")
    outputs = notebook.cells[0].outputs
    assert len(outputs) == 3
    assert all("text/html" in output.data for output in outputs)
    assert not any("application/vnd.jupyter.widget-view+json" in output.data for output in outputs)


def test_with_a_kernel_the_button_measures(monkeypatch):
    """The message of the button goes in, progress and the dot come back."""
    wait = """
import time
explorer._handle_custom_msg({"do": "measure", "index": explorer.index}, [])
while explorer.job["state"] in ("idle", "running"):
    time.sleep(0.01)
"""
    client = execute(_NOTEBOOK + wait, monkeypatch)
    states = [s for s in client.widget_state.values() if "dots" in s]
    assert len(states) == 1
    assert states[0]["job"]["state"] == "done"
    assert len(states[0]["dots"]) == 1
    assert states[0]["live"] is True
    assert "vega" in states[0]["_esm"]
    still, view = (output.data for output in client.nb.cells[0].outputs[:2])
    assert "application/vnd.jupyter.widget-view+json" in view and "<img" in still["text/html"]
