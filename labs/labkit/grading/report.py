"""Grades submissions: one table for the course, and one page for each student."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from labkit import assignment as drawing
from labkit import host
from labkit.checks import NOT_ATTEMPTED, NOT_HERE, RIGHT, WRONG, Verdict, not_here
from labkit.grading import answers as notebooks
from labkit.grading.assignment import Assignment, Question, Written
from labkit.grading.submission import Submission, assigned, opened

COLUMNS = ("submission", "student", "assignment", "state", "points", "of", "late_hours", "to ask", "damage")
GRADED, NOT_GRADED = "graded", "not graded"
_SHOWN = {NOT_ATTEMPTED: "not attempted", NOT_HERE: NOT_GRADED}
_COLOUR = {RIGHT: "#0072B2", WRONG: "#D55E00", NOT_ATTEMPTED: "#787878", NOT_HERE: "#787878"}


@dataclass(frozen=True)
class Report:
    """How one submission came out.

    Args:
        submission: its name.
        student: the id in the notebook; empty where there is none.
        assignment: the assignment's name; empty where none could be recognised.
        verdicts: by question, in order.
        texts: by written question, what the student wrote.
        of: the points that a program gives at the most.
        late_hours: by how much it came after the time; 0 in time.
        trouble: what was damaged, a sentence each.
        doubts: what a teacher should ask about.
        digests: of the evidence, by lab.
    """

    submission: str
    student: str = ""
    assignment: str = ""
    verdicts: tuple[tuple[Question, Verdict], ...] = ()
    texts: tuple[tuple[Written, str], ...] = ()
    of: int = 0
    late_hours: float = 0.0
    trouble: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    digests: tuple[tuple[str, str], ...] = ()

    @property
    def points(self) -> int | None:
        """The points; None where nothing was graded, which is neither none of the points nor all."""
        judged = [verdict for _, verdict in self.verdicts if verdict.state in (RIGHT, WRONG)]
        return sum(question.points for question, verdict in self.verdicts if verdict) if judged else None

    @property
    def state(self) -> str:
        """Whether anything was graded."""
        return NOT_GRADED if self.points is None else GRADED


def grade(path: Path, assignments: Mapping[str, Assignment], due: datetime | None = None) -> Report:
    """Grade one submission; whatever is in it, a report comes back."""
    with opened(path) as (handed_in, room):
        late = max(0.0, (handed_in.at - due).total_seconds() / 3600) if due else 0.0
        digests = tuple((lab, found.digest) for lab, found in handed_in.labs.items())
        report = Report(handed_in.name, late_hours=late, trouble=handed_in.trouble, doubts=handed_in.doubts,
                        digests=digests)
        asked = next((each for name, each in assignments.items() if name in handed_in.notebook), None)
        if asked is None:
            known = f"Its name has none of: {', '.join(assignments)}."
            return report if not handed_in.notebook else replace(report, trouble=(*report.trouble, known))
        return _graded(report, handed_in, asked, room)


def _graded(report: Report, handed_in: Submission, asked: Assignment, room: Path) -> Report:
    names = [each.name for each in (*asked.questions, *asked.written)]
    found = notebooks.run(handed_in.cells, ["student", *names], room)
    trouble, doubts = [*report.trouble, *found.trouble], list(report.doubts)
    for name, times in assigned(handed_in.cells, names).items():
        if times > 1:
            trouble.append(f"'{name}' is answered in {times} cells: the last one counts.")
    missing = [name for name in names if name not in found.values]
    if missing:
        trouble.append(f"No cell that runs sets {', '.join(missing)}.")
    student = found.values.get("student")
    try:
        drawn = drawing.draw(student, asked.name, **asked.choices)
    except ValueError:
        reason = "The notebook has no student's id, from which the numbers of the questions are drawn."
        verdicts = tuple((question, not_here(reason)) for question in asked.questions)
        return replace(report, assignment=asked.name, verdicts=verdicts, of=asked.points, doubts=tuple(doubts),
                       trouble=(*trouble, reason))
    if student.strip().lower() not in report.submission.lower():
        doubts.append(f"The id in the notebook is '{student}', what was handed in is called '{report.submission}'.")
    verdicts = tuple((question, question.judge(found.values.get(question.name), drawn, handed_in.labs))
                     for question in asked.questions)
    texts = tuple((written, text.strip() if isinstance(text := found.values.get(written.name), str) else "")
                  for written in asked.written)
    return replace(report, student=student.strip(), assignment=asked.name, verdicts=verdicts, texts=texts,
                   of=asked.points, trouble=tuple(trouble), doubts=tuple(doubts))


def grade_all(paths: Iterable[Path], assignments: Mapping[str, Assignment],
              due: datetime | None = None) -> list[Report]:
    """Grade submissions, as many at a time as there are processors; say which have the same evidence."""
    with ThreadPoolExecutor(math.ceil(host.cores())) as pool:
        reports = list(pool.map(lambda path: grade(path, assignments, due), paths))
    owners = defaultdict(list)
    for report in reports:
        for lab, digest in report.digests:
            owners[lab, digest].append(report.submission)
    return [replace(report, doubts=(*report.doubts, *_shared(report, owners))) for report in reports]


def _shared(report: Report, owners: Mapping[tuple[str, str], list[str]]) -> list[str]:
    """Return whose evidence a report's is the same as."""
    return [f"Lab {lab}: the evidence is the same as that of {', '.join(others)}." for lab, digest in report.digests
            if (others := [owner for owner in owners[lab, digest] if owner != report.submission])]


def write(reports: Iterable[Report], folder: Path) -> Path:
    """Write the table and the pages into a folder; return the table's path."""
    folder.mkdir(parents=True, exist_ok=True)
    reports = list(reports)
    questions = list(dict.fromkeys(question.name for report in reports for question, _ in report.verdicts))
    path = folder / "grades.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [*COLUMNS, *questions])
        table.writeheader()
        table.writerows(row(report) for report in reports)
    for report in reports:
        (folder / f"{report.submission}.html").write_text(page(report), "utf-8")
    return path


def row(report: Report) -> dict[str, object]:
    """Return a report's line of the table: for each question its points, or why it has none."""
    points = {question.name: _SHOWN.get(verdict.state, question.points * bool(verdict))
              for question, verdict in report.verdicts}
    return {"submission": report.submission, "student": report.student, "assignment": report.assignment,
            "state": report.state, "points": "" if report.points is None else report.points, "of": report.of,
            "late_hours": f"{report.late_hours:.1f}", "to ask": " ".join(report.doubts),
            "damage": " ".join(report.trouble), **points}


def page(report: Report) -> str:
    """Return a student's page: what was given, what was expected, and why; and what people still have to grade."""
    total = NOT_GRADED if report.points is None else f"{report.points} of {report.of} points"
    lines = [f"<h1>{escape(report.assignment or report.submission)}: {total}</h1>",
             f"<p>{escape(report.student or 'No id in the notebook')}, graded on {datetime.now(UTC):%Y-%m-%d}."
             + (f" Late by {report.late_hours:.1f} hours." if report.late_hours else "") + "</p>"]
    lines += [f"<p>{escape(said)}</p>" for said in report.trouble]
    lines += ["<table><tr><th>Question<th>Points<th>Given<th>Expected<th>Why</tr>"]
    for question, verdict in report.verdicts:
        shown = _SHOWN.get(verdict.state, f"{question.points * bool(verdict)} of {question.points}")
        cells = (question.name, shown, verdict.given, verdict.expected, verdict.why)
        lines.append(f'<tr style="border-left: 4px solid {_COLOUR[verdict.state]}">'
                     + "".join(f"<td>{escape(cell)}" for cell in cells) + "</tr>")
    lines.append("</table>")
    for written, text in report.texts:
        full, half, none = map(escape, written.rubric)
        lines += [f"<h2>{escape(written.name)}: ___ of {written.points} points</h2>",
                  f"<blockquote>{escape(text) or 'Nothing was written.'}</blockquote>",
                  f"<p>All points: {full}. Half: {half}. None: {none}.</p>"]
    style = ("body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
             "table{border-collapse:collapse}td,th{padding:.3em .8em;text-align:left;vertical-align:top}")
    return (f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(report.submission)}</title>'
            f"<style>{style}</style>\n" + "\n".join(lines) + "\n</html>\n")
