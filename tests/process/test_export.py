"""A notebook with widgets that is exported, or read without a kernel: it shows their pictures and words."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
import toy
from nbclient import NotebookClient
from nbconvert import HTMLExporter

import labkit

CELLS = (f"""
import sys
sys.path[:0] = {[str(Path(toy.__file__).parent), str(Path(labkit.__file__).parents[1])]}
import toy
from labkit.widgets.explorer import Explorer
from labkit.experiment import Outcome
from labkit.widgets.guess import Beside, Guess
""", 'Explorer(toy.step_time(), x="nodes")', 'Guess("cats", "How many cats will it recognise?", "%", 0, 100)',
         'knows = Guess("knows", "And how many?", "%", 0, 100)',
         'Beside([("Cats that it knows", knows, Outcome(62.0, "%"), Outcome(71.0, "%"))])')


@pytest.fixture(scope="module")
def exported() -> str:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    NotebookClient(notebook, timeout=120, kernel_name="python3", store_widget_state=False).execute()
    return HTMLExporter().from_notebook_node(notebook)[0]


def test_an_export_shows_the_chart_and_what_it_says(exported):
    assert "data:image/svg+xml" in exported and "against Nodes" in exported


def test_an_export_shows_the_question_of_a_guess(exported):
    assert "How many cats will it recognise?" in exported


def test_an_export_shows_the_closing_table(exported):
    assert "Cats that it knows" in exported and "62" in exported and "71" in exported
