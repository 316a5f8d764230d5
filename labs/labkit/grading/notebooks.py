"""Writes an assignment's notebooks from its source: the student's, and the master for otter-grader.

Otter's format: https://otter-grader.readthedocs.io/en/latest/otter_assign/notebook_format.html
"""

from __future__ import annotations

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

from labkit.grading.assignment import Assignment, Question

_CONFIG = """# ASSIGNMENT CONFIG
init_cell: false
export_cell: false
check_all_cell: false
run_tests: false
solutions_pdf: false
template_pdf: false
tests:
  ok_format: false
generate:
  pdf: false
requirements: [{requirements}]
autograder_files: [{source}, labkit]"""
REQUIREMENTS = ("filelock", "numpy", "onnxruntime", "platformdirs", "psutil")  # of labkit where it grades: no PyTorch
_HEAD = """# {title}

Run {labs} first, each to its last cell: this assignment is held to what they found on your machine, not to a speed.
Put your answers where it says `None`, and change no names. Numbers that differ from student to student are called by
their names, such as `{example}`. A program gives {points} points, people give {written}. Nothing is measured again."""
_DRAW = """student = ""  # the id by which your course knows you

from labkit import assignment

drawn = assignment.draw(student, "{name}"{choices})
{names} = drawn.values()
drawn"""
_EVIDENCE = """labs = assignment.evidence({labs})
labs"""
_HAND_IN = """**Save this notebook**, then run the last cell. It packs the notebook and the evidence into one file: hand
that in."""


def student(assignment: Assignment) -> NotebookNode:
    """Return the notebook that is given out: no solution, and no test."""
    cells = _opening(assignment)
    for place, question in enumerate(assignment.questions, 1):
        cells += [_prompt(place, question), new_code_cell(f"{question.name} = None")]
    return _notebook([*cells, *_closing(assignment)])


def master(assignment: Assignment, source: str) -> NotebookNode:
    """Return the notebook with solutions and hidden tests, from which otter-grader makes an autograder.

    Args:
        assignment: what is asked.
        source: the name of its source file, which lies in the autograder beside labkit itself; the tests read it.
    """
    cells = [new_raw_cell(_CONFIG.format(source=source, requirements=", ".join(REQUIREMENTS))), *_opening(assignment)]
    for place, question in enumerate(assignment.questions, 1):
        cells += _block("QUESTION", f"\nname: {question.name}\npoints: {question.points}", [
            _prompt(place, question),
            *_block("SOLUTION", "", [_solution(question)]),
            *_block("TESTS", "", [_test(question, source)]),
        ])
    return _notebook([*cells, *_closing(assignment)])


def _opening(assignment: Assignment) -> list[NotebookNode]:
    head = _HEAD.format(title=assignment.title, labs=f"Labs {', '.join(assignment.labs)}", points=assignment.points,
                        written=sum(written.points for written in assignment.written),
                        example=next(iter(assignment.choices)))
    choices = "".join(f",\n    {name}={values!r}" for name, values in assignment.choices.items())
    names = ", ".join(assignment.choices)
    labs = ", ".join(f'"{number}"' for number in assignment.labs)
    return [new_markdown_cell(head), new_code_cell(_DRAW.format(name=assignment.name, choices=choices, names=names)),
            new_code_cell(_EVIDENCE.format(labs=labs))]


def _closing(assignment: Assignment) -> list[NotebookNode]:
    cells = []
    for place, written in enumerate(assignment.written, len(assignment.questions) + 1):
        cells += [new_markdown_cell(f"**{place}.** ({_points(written.points)}, given by people) {written.text}\n\n"
                                    f"All points: {written.rubric[0]}. Half: {written.rubric[1]}. "
                                    f"None: {written.rubric[2]}."),
                  new_code_cell(f'{written.name} = """\n\n"""')]
    return [*cells, new_markdown_cell(_HAND_IN), new_code_cell(f'assignment.hand_in("{assignment.name}", student)')]


def _prompt(place: int, question: Question) -> NotebookNode:
    return new_markdown_cell(f"**{place}.** ({_points(question.points)}) {question.text}")


def _solution(question: Question) -> NotebookNode:
    return new_code_cell(f"# BEGIN SOLUTION NO PROMPT\n{question.solution}\n# END SOLUTION\n"
                         f'""" # BEGIN PROMPT\n{question.name} = None\n""" # END PROMPT')


def _test(question: Question, source: str) -> NotebookNode:
    return new_code_cell(
        '""" # BEGIN TEST CONFIG\nhidden: true\n""" # END TEST CONFIG\n'
        f"def test_{question.name}({question.name}, student):\n"
        "    from pathlib import Path\n\n    from labkit.grading.assignment import judged\n\n"
        f'    verdict = judged(Path("{source}"), "{question.name}", {question.name}, student)\n'
        "    assert verdict, verdict.why")


def _block(kind: str, config: str, cells: list[NotebookNode]) -> list[NotebookNode]:
    return [new_raw_cell(f"# BEGIN {kind}{config}"), *cells, new_raw_cell(f"# END {kind}")]


def _points(points: int) -> str:
    return f"{points} point{'s' * (points != 1)}"


def _notebook(cells: list[NotebookNode]) -> NotebookNode:
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = new_notebook(cells=cells, metadata=kernel)
    nbformat.validate(notebook)
    return notebook
