"""Widgets in an EPUB and on paper: their stills, with the settings in words."""

from __future__ import annotations

from types import SimpleNamespace
from xml.dom import minidom

import pytest
import toy
from bs4 import BeautifulSoup

from labkit import book
from labkit.book import editions
from labkit.book.editions import still
from labkit.widgets.explorer import Explorer
from labkit.widgets.quiz import Choice, Question, Quiz


def test_a_still_is_well_formed_and_says_at_which_settings(monkeypatch):
    monkeypatch.setenv("CLUSTER_TO_EDGE_BOOK", "1")
    explorer = Explorer(toy.step_time(), x="nodes")
    made = still(explorer.html())
    minidom.parseString(made)
    soup = BeautifulSoup(made, "html.parser")
    assert soup.figcaption.get_text() == explorer.text()
    assert not soup.select("script, .labkit-still")


def test_a_widget_without_a_picture_keeps_its_words(monkeypatch):
    monkeypatch.setenv("CLUSTER_TO_EDGE_BOOK", "1")
    quiz = Quiz([Question("What does training change?", [Choice("The weights", True, "Yes."),
                                                         Choice("The pictures", False, "No.")])])
    made = still(quiz.html())
    minidom.parseString(made)
    assert "What does training change?" in made


def test_what_is_no_widget_is_kept():
    assert still('<p>One<br>two <img src="a.png" alt="a"></p>') == '<p>One<br/>two <img alt="a" src="a.png"/></p>'


@pytest.mark.parametrize(("builder", "loads"), [("html", True), (editions.EPUB, False), (editions.PAGE, False)])
def test_only_the_site_has_the_widgets_scripts(builder, loads, tmp_path):
    loaded = []
    app = SimpleNamespace(builder=SimpleNamespace(name=builder, format="html"), outdir=str(tmp_path),
                          add_css_file=loaded.append, add_js_file=lambda name, **options: loaded.append(name))
    book._on_builder(app)
    book._on_page(app, "book/page", "page.html", {"body": '<div data-module="quiz"></div>'}, None)
    assert (tmp_path / "_static" / "labkit" / "quiz.js").is_file() == ("labkit/quiz.js" in loaded) == loads


def test_what_an_epub_may_not_hold_is_left_out_or_put_in_its_words():
    made = still('<details><summary><p class="collapsed">Show the code</p><p class="expanded">Hide it</p></summary>'
                 '<pre>1</pre></details><style>p {}</style><audio src="data:audio/wav;base64,"></audio>')
    assert made == '<details><summary><span class="collapsed">Show the code</span></summary><pre>1</pre></details>'
