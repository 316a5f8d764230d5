"""Widgets in an EPUB and on paper: their stills, with the settings in words."""

from __future__ import annotations

from xml.dom import minidom

import toy
from bs4 import BeautifulSoup

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
