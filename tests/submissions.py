"""What students hand in: right answers to an assignment, and its notebook with some answers in their places."""

from __future__ import annotations

from labkit import assignment as drawing
from labkit.grading import notebooks


def solved(asked, student: str, labs: dict) -> tuple[dict, dict]:
    """Return what is drawn for a student, and the answers of the solutions."""
    drawn, answers = drawing.draw(student, asked.name, **asked.choices), {}
    for question in asked.questions:
        variables = {**drawn, "labs": labs}
        exec(question.solution, variables)
        answers[question.name] = variables[question.name]
    return drawn, answers


def notebook(asked, student: str, given: dict):
    """Return the student's notebook with an id and answers in their places."""
    filled = notebooks.student(asked)
    for cell in filled.cells:
        if cell.cell_type == "code":
            cell.source = cell.source.replace('student = ""', f'student = "{student}"')
            name = cell.source.split(" = ")[0]
            if name in given:
                cell.source = f"{name} = {given[name]!r}"
    return filled
