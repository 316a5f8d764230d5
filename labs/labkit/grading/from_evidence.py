"""Questions whose answer stands in a lab's evidence: the measured points of one experiment, read in three ways."""

from __future__ import annotations

from collections.abc import Callable

from labkit.checks import Verdict, not_here, number
from labkit.evidence import Evidence
from labkit.grading.assignment import Question

Points = list[tuple[dict, dict]]  # what was predicted and what was measured, at each point

_TEXT = ("Of the points of `\"{title}\"` in `labs[\"{lab}\"].measured()` that have a prediction: {text}")
_SOLUTION = """points = [(point["predicted"], point["measured"]) for point in labs["{lab}"].measured()
          if point["experiment"] == "{title}" and "value" in point["predicted"]]
{name} = {solution}"""


def worst(name: str, lab: str, title: str) -> Question:
    """Return the question by how many per cent the prediction was off at the worst point of an experiment.

    Args:
        name: of the variable that holds the answer.
        lab: the lab's number.
        title: of the experiment.
    """
    return _question(
        name, lab, title, "by how many per cent of the measured value was the prediction off at the worst of them?",
        lambda points: max(abs(said["value"] / found["value"] - 1) * 100 for said, found in points), tolerance=0.02,
        hint="For every point take the difference between predicted and measured, over the measured, in per cent, "
             "without its sign; answer with the largest.",
        solution='max(abs(said["value"] / found["value"] - 1) * 100 for said, found in points)')


def times(name: str, lab: str, title: str) -> Question:
    """Return the question how many times the smallest measured value of an experiment the largest is; as `worst`."""
    return _question(
        name, lab, title, "how many times the smallest measured value is the largest?",
        lambda points: max(found["value"] for _, found in points) / min(found["value"] for _, found in points),
        tolerance=0.02, hint="Divide the largest `value` that was measured by the smallest.",
        solution='max(found["value"] for _, found in points) / min(found["value"] for _, found in points)')


def outside(name: str, lab: str, title: str) -> Question:
    """Return the question how many points of an experiment came out beside what was predicted; as in `worst`."""
    return _question(
        name, lab, title, "how many measured values lie below the predicted `low` or above the predicted `high`?",
        lambda points: sum(not said["low"] <= found["value"] <= said["high"] for said, found in points), tolerance=0,
        hint="Count the points whose measured `value` is less than the prediction's `low` or more than its `high`.",
        solution='sum(not said["low"] <= found["value"] <= said["high"] for said, found in points)')


def _question(name: str, lab: str, title: str, text: str, answer: Callable[[Points], float], *, tolerance: float,
              hint: str, solution: str) -> Question:
    def check(given, drawn, labs) -> Verdict:
        if points := _points(labs[lab], title):
            return number(given, answer(points), tolerance=tolerance, hint=hint)
        return not_here(f"The evidence of Lab {lab} has no measured point of '{title}'.")

    return Question(name=name, points=2, lab=lab, text=_TEXT.format(lab=lab, title=title, text=text), check=check,
                    solution=_SOLUTION.format(lab=lab, title=title, name=name, solution=solution))


def _points(evidence: Evidence, title: str) -> Points:
    return [(point["predicted"], point["measured"]) for point in evidence.measured()
            if point["experiment"] == title and "value" in point["predicted"]]
