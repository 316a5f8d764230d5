"""A short self-check with feedback on every choice; it needs no kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from traitlets import Dict

from labkit.widgets.base import LabWidget


@dataclass(frozen=True)
class Choice:
    """One answer: its text, whether it is the right one, and what to say to somebody who picks it."""

    text: str
    correct: bool
    feedback: str


@dataclass(frozen=True)
class Question:
    """A question with several choices, of which exactly one is right; raises `ValueError` otherwise."""

    text: str
    choices: Sequence[Choice]

    def __post_init__(self):
        right = sum(choice.correct for choice in self.choices)
        if len(self.choices) < 2 or right != 1:
            raise ValueError(f"'{self.text}' has {right} right of {len(self.choices)} choices: give it one of several.")


class Quiz(LabWidget):
    """Asks questions and answers every choice with a reason.

    Args:
        questions: in order.
        title: of the quiz.

    Raises:
        ValueError: no questions.
    """

    script: ClassVar[Path] = Path(__file__).parent / "quiz.js"

    config = Dict().tag(sync=True)

    def __init__(self, questions: Sequence[Question], title: str = "Check yourself"):
        if not questions:
            raise ValueError(f"The quiz '{title}' has no questions.")
        asked = [
            {
                "text": question.text,
                "choices": [{"text": c.text, "correct": c.correct, "feedback": c.feedback} for c in question.choices],
            }
            for question in questions
        ]
        super().__init__(config={"title": title, "questions": asked})

    def text(self) -> str:
        """Return the questions and their choices, without the answers."""
        lines = [self.config["title"]]
        for number, question in enumerate(self.config["questions"], 1):
            lines.append(f"{number}. {question['text']} {' / '.join(choice['text'] for choice in question['choices'])}")
        return "\n".join(lines)
