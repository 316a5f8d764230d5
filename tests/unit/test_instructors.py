"""The guides for instructors: every lab has a session, misconceptions with an answer to each, and its days."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

from labkit.labs.lab import labs

ROOT = Path(__file__).parents[2]
GUIDES = {"1": "index", "2": "training", "3": "inference", "4": "edge", "5": "capstone"}
LABS = {lab.number: lab for lab in labs()}
HOME = 130  # minutes: "about two hours at home"


def guide(name: str) -> str:
    return (ROOT / f"book/instructors/{name}.md").read_text("utf-8")


def sections(page: str, level: str) -> dict[str, str]:
    """Return the text below each heading of a level, up to the next of that level or above."""
    parts = re.split(rf"^(#{{2,{len(level)}}}) (.+)$", page, flags=re.M)[1:]
    return {title: text for marks, title, text in zip(*[iter(parts)] * 3, strict=True) if marks == level}


def rows(text: str) -> list[list[str]]:
    """Return the cells of the body of each table in a text."""
    lines = re.findall(r"^\| (.*) \|$", text, flags=re.M)
    return [line.split(" | ") for line in lines]


def minutes(number: str) -> int:
    """Return how long the head of a lab's notebook says that it takes."""
    cells = json.loads((ROOT / f"{LABS[number].notebook}.ipynb").read_text("utf-8"))["cells"]
    return int(re.search(r"about (\d+) minutes to read and do", "".join(cells[0]["source"]))[1])


@pytest.mark.parametrize("number", LABS)
def test_every_lab_has_a_session_that_begins_with_guesses_or_reading(number):
    plans = [text for title, text in sections(guide(GUIDES[number[0]]), "##").items() if f"Lab {number}, " in title]
    assert len(plans) == 1
    spans = [re.match(r"(\d+)–(\d+)$", cells[0]) for cells in rows(plans[0])]
    spans = [(int(span[1]), int(span[2])) for span in filter(None, spans)]
    assert spans[0][0] == 0 and all(one[1] == other[0] for one, other in pairwise(spans))
    assert spans[-1][1] in (45, 90)


@pytest.mark.parametrize("number", LABS)
def test_what_students_of_a_lab_get_wrong_is_answered_row_by_row(number):
    page = sections(guide(GUIDES[number[0]]), "###")
    told = [text for title, text in page.items() if title.endswith(f"Lab {number}")]
    assert len(told) == 1, f"Lab {number} has no section of misconceptions"
    said = [cells for cells in rows(told[0]) if cells[0].startswith("“")]
    answers = re.findall(r"^\d+\. ", told[0].split(":class: dropdown")[1], flags=re.M)
    assert len(said) == len(answers) >= 3 and all(len(cells) == 2 for cells in said)


@pytest.mark.parametrize("syllabus", ["A workshop of two hours.", "Five days", "Twelve weeks"])
def test_a_syllabus_names_every_lab_once_and_gives_it_time(syllabus):
    text = guide("class").split(f"**{syllabus}**")[1].split("\n**")[0].split("The times of the cells")[0]
    in_tables = [(cell, re.findall(r"\b\d\.\d\b", cell)) for cells in rows(text) for cell in cells]
    named = [number for _, numbers in in_tables for number in numbers]
    assert set(named) == set(LABS)
    if syllabus != "A workshop of two hours.":
        assert len(named) == len(LABS)
        for cells in rows(text)[1:]:
            assert sum(map(minutes, re.findall(r"\b\d\.\d\b", cells[2]))) <= HOME, cells
