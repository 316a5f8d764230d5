"""The assignments: every solution is right on any machine, numbers differ, and no solution is in a student's file."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import fakes
import pytest
from evidence_of_labs import evidence_of
from submissions import solved

from labkit import assignment as drawing
from labkit.checks import NOT_ATTEMPTED, NOT_HERE, RIGHT, WRONG
from labkit.grading import from_evidence, notebooks
from labkit.grading.assignment import load, sources
from labkit.labs.lab import CHAPTERS, labs

ROOT = Path(__file__).parents[2]
ASSIGNMENTS = {name: load(path) for name, path in sources(ROOT / "assignments").items()}
every = pytest.mark.parametrize("asked", ASSIGNMENTS.values(), ids=ASSIGNMENTS)


@every
@pytest.mark.parametrize("times", [0.1, 1, 10])
def test_every_solution_is_right_on_any_machine_and_for_any_student(asked, times):
    labs = {lab: evidence_of(lab, fakes.slower(times)) for lab in asked.labs}
    for student in ("ada", "grace@example.org", "b.liskov-7"):
        drawn, answers = solved(asked, student, labs)
        for question in asked.questions:
            verdict = question.judge(answers[question.name], drawn, labs)
            assert verdict.state == RIGHT, (question.name, verdict)
            for wrong in ("nonsense", -1, [], float("nan"), {"type": "object"}):
                assert question.judge(wrong, drawn, labs).state == WRONG, (question.name, wrong)
            assert question.judge(None, drawn, labs).state == NOT_ATTEMPTED


@every
def test_without_its_evidence_a_question_is_not_graded(asked):
    drawn = drawing.draw("ada", asked.name, **asked.choices)
    states = {question.judge(1, drawn, {}).state for question in asked.questions if question.lab}
    assert states == {NOT_HERE}


@every
def test_students_get_different_numbers_and_each_always_the_same(asked):
    students = [f"student{number}" for number in range(30)]
    drawn = [drawing.draw(student, asked.name, **asked.choices) for student in students]
    assert len({str(each) for each in drawn}) > 15
    assert drawing.draw(" Student3 ", asked.name, **asked.choices) == drawn[3]
    for name, values in asked.choices.items():
        assert {each[name] for each in drawn} <= set(values)


@pytest.mark.parametrize("student", ["", " ", None, 7, "a b", "a/b", "../x"])
def test_an_id_that_is_none_is_refused(student):
    with pytest.raises(ValueError, match="id by which your course knows you"):
        drawing.draw(student, "1-terminology", width=(1, 2))


@every
def test_no_text_of_a_solution_a_check_or_a_sample_is_in_a_students_file(asked):
    given = json.dumps(notebooks.student(asked))
    for question in asked.questions:
        for line in filter(None, map(str.strip, question.solution.split("\n"))):
            assert json.dumps(line)[1:-1] not in given, line
    assert not any(json.dumps(written.sample)[1:-1] in given for written in asked.written)
    assert not re.search("SOLUTION|BEGIN|judged|hidden", given)


@every
def test_a_students_file_names_every_answer_and_what_is_drawn(asked):
    code = "\n".join(cell.source for cell in notebooks.student(asked).cells if cell.cell_type == "code")
    for question in asked.questions:
        assert f"\n{question.name} = None" in code
    names = [*asked.choices, *(each.name for each in (*asked.questions, *asked.written)), "student", "labs", "drawn"]
    assert len(names) == len(set(names)), "a name that stands for two things"


def test_every_assignment_asks_for_the_labs_of_its_chapter_and_for_experiments_that_are_in_them():
    for chapter, folder in CHAPTERS.items():
        asked = ASSIGNMENTS[folder]
        here = {lab.number: lab for lab in labs() if lab.number[0] == chapter}
        assert asked.labs == tuple(here)
        for question in asked.questions:
            for title in re.findall(r'^Of the points of `"(.+?)"`', question.text):
                assert f'"{title}"' in inspect.getsource(here[question.lab].part("experiments")), title


def test_the_three_questions_about_evidence_read_its_points():
    found = evidence_of("1.1", fakes.machine(), spread=0.05)  # 1 to 5, measured 8 to 20 % above
    for ask, right in ((from_evidence.worst, 100 / 6), (from_evidence.times, 6 / 1.08), (from_evidence.outside, 5)):
        question = ask("name", "1.1", "Matrix products")
        assert question.judge(right, {}, {"1.1": found}).state == RIGHT
        assert question.judge(right + 1, {}, {"1.1": found}).state == WRONG
        assert ask("name", "1.1", "Another title").judge(right, {}, {"1.1": found}).state == NOT_HERE


def test_the_page_says_how_many_points_there_are():
    page = (ROOT / "book/instructors/grading.md").read_text("utf-8")
    for name, asked in ASSIGNMENTS.items():
        written = sum(each.points for each in asked.written)
        assert f"| `{name}` | {asked.points} | {written} | {', '.join(asked.labs)} |" in page
