"""The commands of `labkit` for a class: `evidence`, `grade` and `class`."""

from __future__ import annotations

import argparse
import shutil
import sys
from datetime import datetime
from pathlib import Path


def add(commands) -> None:
    """Add the commands to a parser's."""
    proof = commands.add_parser("evidence", help="put the evidence of the labs that were run here into this folder")
    proof.add_argument("labs", nargs="*", metavar="LAB", help="some of them; all unless given")
    grade = commands.add_parser("grade", help="grade a folder of submissions: one table, and a page a student")
    grade.add_argument("submissions", type=Path, metavar="FOLDER", help="with a zip, notebook or folder a student")
    grade.add_argument("--assignments", type=Path, default=Path("assignments"), metavar="FOLDER",
                       help="of the sources (assignments)")
    grade.add_argument("--due", type=_moment, metavar="TIME", help="ISO 8601: what came later is marked")
    grade.add_argument("--out", type=Path, default=Path("grades"), metavar="FOLDER", help="to write into (grades)")
    room = commands.add_parser("class", help="make one page from the evidence in a folder of submissions")
    room.add_argument("submissions", type=Path, metavar="FOLDER", help="as for grade")
    room.add_argument("--names", action="store_true", help="show the submissions' names")
    room.add_argument("--out", type=Path, default=Path("class.html"), metavar="FILE", help="to write (class.html)")


def _moment(text: str) -> datetime:
    """Return a time in ISO 8601; one without an offset is this computer's."""
    return datetime.fromisoformat(text).astimezone()


def _evidence(options: argparse.Namespace) -> int:
    from labkit import evidence

    wanted = [path for path in evidence.kept()
              if not options.labs or path.name.removeprefix("lab-").removesuffix(evidence.ENDING) in options.labs]
    for path in wanted:
        shutil.copy2(path, path.name)
        print(path.name)
    if not wanted:
        print("There is no evidence of that yet: run a lab to its last cell.", file=sys.stderr)
    return 0 if wanted else 2


def _grade(options: argparse.Namespace) -> int:
    from labkit.grading import assignment, report
    from labkit.grading.submission import submissions

    try:
        sources = assignment.sources(options.assignments)
        found = submissions(options.submissions)
    except OSError as trouble:
        print(f"{trouble.filename} cannot be read: {trouble.strerror}.", file=sys.stderr)
        return 2
    if not sources or not found:
        lacking = f"no assignment in {options.assignments}" if not sources else f"nothing in {options.submissions}"
        print(f"There is {lacking}.", file=sys.stderr)
        return 2
    graded = report.grade_all(found, {name: assignment.load(path) for name, path in sources.items()}, options.due)
    print(report.write(graded, options.out))
    return 0


def _class(options: argparse.Namespace) -> int:
    from labkit.grading import classroom

    try:
        gathered = classroom.gathered(options.submissions)
    except OSError as trouble:
        print(f"{options.submissions} cannot be read: {trouble.strerror}.", file=sys.stderr)
        return 2
    options.out.write_text(classroom.page(gathered, options.names), "utf-8")
    print(options.out)
    return 0


COMMANDS = {"evidence": _evidence, "grade": _grade, "class": _class}
