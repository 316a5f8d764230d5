"""An assignment, written once: questions, what each draws, how it is checked, and a solution."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from labkit import assignment as drawing
from labkit.checks import Verdict, not_here
from labkit.evidence import Evidence

Check = Callable[[object, Mapping, Mapping[str, Evidence]], Verdict]


@dataclass(frozen=True)
class Question:
    """A question that a program grades.

    Args:
        name: of the variable that holds the answer.
        points: for a right answer.
        text: Markdown; what is drawn is called by its name.
        check: from the answer, what was drawn, and the evidence of the labs, the verdict.
        solution: Python that puts a right answer into the variable, from what was drawn and from `labs`.
        lab: the lab whose evidence the answer is held to; empty for none.
    """

    name: str
    points: int
    text: str
    check: Check
    solution: str
    lab: str = ""

    def judge(self, answer: object, drawn: Mapping, labs: Mapping[str, Evidence]) -> Verdict:
        """Return the verdict on an answer; without the evidence that it needs, there is none."""
        if self.lab and self.lab not in labs:
            return not_here(f"No evidence of Lab {self.lab} was handed in that could be used.")
        try:
            return self.check(answer, drawn, labs)
        except (ValueError, LookupError, ArithmeticError, TypeError, AttributeError) as trouble:
            return not_here(f"The evidence does not hold what this question needs ({trouble}).")


@dataclass(frozen=True)
class Written:
    """A question that people grade.

    Args:
        name: of the variable that holds the text.
        points: for all that the rubric asks.
        text: Markdown.
        rubric: what earns all points, half, and none.
        sample: one good answer.
    """

    name: str
    points: int
    text: str
    rubric: tuple[str, str, str]
    sample: str


@dataclass(frozen=True)
class Assignment:
    """One chapter's assignment.

    Args:
        name: of its files.
        title: of its notebook.
        labs: the numbers of the labs whose evidence it asks for.
        choices: by name, what is drawn from for each student.
        questions: graded by a program.
        written: graded by people.
    """

    name: str
    title: str
    labs: tuple[str, ...]
    choices: dict[str, tuple] = field(default_factory=dict)
    questions: tuple[Question, ...] = ()
    written: tuple[Written, ...] = ()

    @property
    def points(self) -> int:
        """The points that a program gives at the most."""
        return sum(question.points for question in self.questions)


def judged(source: Path, name: str, answer: object, student: str) -> Verdict:
    """Return the verdict on one answer, held to the evidence in the present folder: what an otter-grader test asks."""
    assignment = load(source)
    question = next(each for each in assignment.questions if each.name == name)
    labs = {number: found for number, found in drawing.evidence(*assignment.labs).items() if found}
    return question.judge(answer, drawing.draw(student, assignment.name, **assignment.choices), labs)


def load(path: Path) -> Assignment:
    """Return the `ASSIGNMENT` of a source file.

    Raises:
        ValueError: there is none in it.
    """
    spec = importlib.util.spec_from_file_location(f"assignment_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not isinstance(getattr(module, "ASSIGNMENT", None), Assignment):
        raise ValueError(f"{path} has no ASSIGNMENT.")
    return module.ASSIGNMENT


def sources(folder: Path) -> dict[str, Path]:
    """Return the source files in a folder by the names of their assignments."""
    return {load(path).name: path for path in sorted(folder.glob("[!_]*.py"))}
