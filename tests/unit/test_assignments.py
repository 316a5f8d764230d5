"""The assignments: every solution is right on any machine, numbers differ, and no solution is in a student's file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import fakes
import pytest
from evidence_of_labs import evidence_of

from labkit import assignment as drawing
from labkit.checks import NOT_ATTEMPTED, NOT_HERE, RIGHT, WRONG
from labkit.grading import notebooks
from labkit.grading.assignment import load, sources

ROOT = Path(__file__).parents[2]
ASSIGNMENTS = {name: load(path) for name, path in sources(ROOT / "assignments").items()}
every = pytest.mark.parametrize("asked", ASSIGNMENTS.values(), ids=ASSIGNMENTS)


def solved(asked, student, labs):
    """Return what was drawn for a student, and the answers of the solutions."""
    drawn = drawing.draw(student, asked.name, **asked.choices)
    answers = {}
    for question in asked.questions:
        variables = {**drawn, "labs": labs}
        exec(question.solution, variables)
        answers[question.name] = variables[question.name]
    return drawn, answers


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


def test_every_chapter_with_labs_has_an_assignment_that_asks_for_them():
    from labkit.labs.lab import CHAPTERS, labs

    chapters = {CHAPTERS[lab.number[0]] for lab in labs()}
    assert set(ASSIGNMENTS) == chapters
    known = {lab.number for lab in labs()}
    assert all(set(asked.labs) <= known for asked in ASSIGNMENTS.values())


def test_the_page_says_how_many_points_there_are():
    page = (ROOT / "book/instructors/grading.md").read_text("utf-8")
    for name, asked in ASSIGNMENTS.items():
        written = sum(each.points for each in asked.written)
        assert f"| `{name}` | {asked.points} | {written} | {', '.join(asked.labs)} |" in page
