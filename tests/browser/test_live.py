"""The widgets in a real JupyterLab with a real kernel, as a reader uses them."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import nbformat
import pytest
import toy

import labkit
from labkit.units import quantity

_CELLS = [
    f"""
import sys
sys.path[:0] = {[str(Path(toy.__file__).parent), str(Path(labkit.__file__).parents[1])]}
import time
import toy
from labkit.experiment import Outcome
from labkit.widgets.explorer import Explorer
from labkit.widgets.guess import Beside, Guess
from labkit.progress import report
from labkit.widgets.quiz import Choice, Question, Quiz
""",
    """
def measure(nodes, batch, link):
    if nodes == 1:
        raise RuntimeError("the disk is full")
    while nodes == 2:
        report(0.5, "Training")
        time.sleep(0.02)
    return toy.measure(nodes, batch, link)

explorer = Explorer(toy.step_time(measure=measure), x="nodes")
explorer
""",
    'guess = Guess("cats", "How many cats will it recognise?", "%", 0, 100)\nguess',
    'Beside(guess, Outcome(94, "%", 90, 97), Outcome(96.5, "%"))',
    """
choices = [Choice("The weights", True, "They learn."), Choice("The pictures", False, "They stay.")]
Quiz([Question("What does training change?", choices)])
""",
    "",
]


class Notebook:
    """The open notebook. Its last cell is for questions to the kernel."""

    def __init__(self, page):
        self.page, self._numbers = page, count(1)
        self.explorer, self.guess = page.locator(".labkit-explorer"), page.locator(".labkit-guess")
        self.button = self.explorer.get_by_role("button", name="Measure this point")

    def cell(self, number):
        return self.page.locator(".jp-CodeCell").nth(number)

    def run(self, number, source=None):
        editor = self.cell(number).locator(".cm-content")
        if source is not None:
            editor.fill(source)
        editor.press("Control+Enter")

    def ask(self, expression):
        """Have the kernel print `expression`; returns where the answer will appear."""
        mark = f"{next(self._numbers)}:"
        self.run(-1, f"print('{mark}', {expression})")
        return self.cell(-1).locator(".jp-OutputArea-output").filter(has_text=mark)

    def value(self, expression):
        return self.ask(expression).inner_text().split(": ", 1)[1].strip()

    def has(self, expression, wanted):
        """Wait until the kernel has what a slider sent, which travels in its own time."""
        for _ in range(20):
            if (said := self.value(expression)) == wanted:
                return
            self.page.wait_for_timeout(200)
        assert said == wanted

    def choose(self, nodes, batch=256):
        for name, value in (("Nodes, in nodes", nodes), ("Global batch, in pictures", batch)):
            field = self.explorer.get_by_label(f"{name}: type a value")
            field.fill(str(value))
            field.press("Enter")

    def says(self, text):
        self.explorer.get_by_text(text).wait_for()


@pytest.fixture(scope="module")
def lab(browser, jupyterlab):
    """A notebook with one widget of each kind, all its cells run, and a list of what went wrong in the page."""
    address, folder = jupyterlab
    cells = [nbformat.v4.new_code_cell(source.strip()) for source in _CELLS]
    kernel = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), folder / "lab.ipynb")
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(20_000)
    page, trouble = context.new_page(), []
    page.goto(f"{address}lab/tree/lab.ipynb")
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    page.on("request", lambda r: r.url.startswith((address, "data:", "blob:")) or trouble.append(r.url))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("console", lambda message: message.type != "error" or trouble.append(message.text))
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.locator(".labkit-explorer .mark-line path").first.wait_for()
    page.locator(".labkit-quiz").wait_for()
    yield Notebook(page), trouble
    context.close()


@pytest.fixture
def notebook(lab):
    """The notebook; afterwards no script may have failed, and no other host may have been asked."""
    notebook, trouble = lab
    yield notebook
    found = trouble.copy()
    trouble.clear()
    assert not found


def test_the_stills_for_readers_without_a_kernel_are_out_of_sight(notebook):
    stills = notebook.page.locator(".labkit-export").all()
    assert len(stills) == 4 and not any(still.is_visible() for still in stills)


def test_the_kernel_follows_the_sliders_and_they_follow_the_kernel(notebook):
    notebook.choose(nodes=4)
    slider = notebook.explorer.get_by_label("Nodes", exact=True)
    for key, nodes in (("ArrowRight", 5), ("ArrowUp", 6), ("ArrowDown", 5)):
        slider.press(key)
        notebook.says(f"With {nodes} nodes")
    notebook.has("explorer.point", "{'nodes': 5, 'batch': 256, 'link': 10}")
    notebook.value("setattr(explorer, 'point', {'nodes': 7, 'batch': 64})")
    notebook.says("With 7 nodes and a batch of 64 pictures")
    assert slider.input_value() == "6"


def test_a_measurement_becomes_a_dot_and_a_sentence(notebook):
    notebook.choose(nodes=4)
    marks = notebook.explorer.locator(".mark-symbol path")
    before = marks.count()
    notebook.button.click()
    notebook.says("Predicted 31.1 ms, measured 34.2 ms (33.2 ms to 35.6 ms): 9 % off.")
    notebook.says("measured on this machine")
    marks.nth(before).wait_for()
    assert notebook.value("[row.point['nodes'] for row in explorer.measured]") == "[4]"


def test_a_measurement_asked_for_while_a_cell_runs_is_not_lost(notebook):
    notebook.choose(nodes=3, batch=512)
    busy = notebook.ask("time.sleep(1)")
    notebook.button.click()
    measured = toy.measure(nodes=3, batch=512, link=10).value
    notebook.says(f"measured {quantity(measured, 's')}")
    busy.wait_for()


def test_a_measurement_can_be_cancelled(notebook):
    notebook.choose(nodes=2)
    notebook.button.click()
    notebook.says("Training (50 %)")
    notebook.explorer.get_by_role("button", name="Cancel").click()
    notebook.says("Cancelled: nothing was recorded.")
    assert notebook.button.is_enabled()
    assert notebook.value("any(row.point['nodes'] == 2 for row in explorer.measured)") == "False"


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        (8, "This machine runs at most 4 nodes, not 8."),
        (1, "The measurement failed with RuntimeError: the disk is full"),
    ],
)
def test_a_measurement_without_a_result_says_why_and_can_be_tried_again(notebook, nodes, words):
    notebook.choose(nodes)
    for _ in range(2):
        notebook.button.click()
        notebook.says(words)


def test_a_guess_reaches_the_kernel_and_the_table_and_outlives_its_cell(notebook):
    table = notebook.page.locator(".labkit-beside")
    assert "no guess yet" in table.inner_text()
    notebook.guess.get_by_role("spinbutton").fill("80")
    notebook.guess.get_by_role("button", name="Commit").click()
    table.get_by_text("Your guess: 16.5 points too low").wait_for()
    assert "The model: 2.5 points too low" in table.inner_text()
    assert notebook.value("guess.value") == "80.0"

    notebook.guess.evaluate("widget => widget.classList.add('old')")
    notebook.run(2)
    notebook.page.locator(".labkit-guess:not(.old)").get_by_text("Your guess: 80 %, committed").wait_for()
    assert notebook.value("[entry['value'] for entry in guess.history]") == "[80]"


def test_the_quiz_answers_to_the_keyboard(notebook):
    quiz = notebook.page.locator(".labkit-quiz")
    quiz.get_by_label("The weights").press("Space")
    for key in ("ArrowDown", "Tab", "Enter"):
        notebook.page.keyboard.press(key)
    quiz.get_by_text("Not quite. They stay.").wait_for()


def test_a_kernel_that_stopped_is_named_and_takes_no_guess(notebook):
    """The last test: no widget lives after it."""
    page, stopped = notebook.page, "The kernel of this widget has stopped."
    notebook.run(-1, "import os; os._exit(1)")
    page.get_by_role("dialog").get_by_role("button", name="Ok").click()
    notebook.choose(nodes=4)
    notebook.button.click()
    notebook.says(stopped)
    if notebook.guess.get_by_role("button", name="Guess again").is_visible():
        notebook.guess.get_by_role("button", name="Guess again").click()
    notebook.guess.get_by_role("spinbutton").fill("70")
    notebook.guess.get_by_role("button", name="Commit").click()
    notebook.guess.get_by_text(stopped).wait_for()
    assert notebook.guess.get_by_role("spinbutton").is_visible()
