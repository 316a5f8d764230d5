"""The command `labkit`: checks the course's predictions against this machine, and helps to teach a class."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from datetime import datetime
from pathlib import Path

from labkit import validate
from labkit.machine import save


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status: 0, 2 for what it was asked and cannot do, 130 where it was stopped."""
    try:
        status = _run(arguments)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever reads has read enough, as in `labkit validate | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to be written at the end
        return 0
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


def _run(arguments: list[str] | None) -> int:
    parser = argparse.ArgumentParser(prog="labkit", description=__doc__.split(": ", 1)[1])
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("validate", help="predict, measure and print the errors of every experiment")
    check.add_argument("labs", nargs="*", metavar="LAB",
                       help=f"some of {', '.join(validate.by_number())}; all unless given")
    check.add_argument("--again", action="store_true", help="calibrate this machine anew before")
    check.add_argument("--record", type=Path, metavar="FILE", help="write every point to a CSV file "
                       "as well; what it holds of other labs stays")
    check.add_argument("--profile", type=Path, metavar="FILE", help="write what the calibration found as well")
    check.add_argument("--published", type=Path, metavar="FILE", help="instead, predict a table of published scaling")
    doctor = commands.add_parser("doctor", help="say what this machine is, what limits it, and what labs can do here")
    doctor.add_argument("--json", action="store_true", help="for a program")
    _for_a_class(commands)
    options = parser.parse_args(arguments)
    if options.command == "doctor":
        return examine(options.json)
    if options.command in _CLASS:
        return _CLASS[options.command](options)
    if options.published:
        if options.labs or options.again or options.record or options.profile:
            parser.error("--published reads a table and measures nothing: give it no lab and no other option")
        return published_scaling(options.published)
    try:
        labs = validate.chosen(options.labs)
        if options.record and options.record.is_file():
            validate.recorded(options.record)  # refused before anything is measured
        here = validate.calibrated(labs, options.again)
    except ValueError as refusal:
        print(refusal, file=sys.stderr)
        return 2
    if options.profile:
        try:
            save(here, options.profile)
        except OSError as trouble:
            print(f"The profile cannot be written to {options.profile}: {trouble.strerror}.", file=sys.stderr)
            return 2
    print(here)
    print(validate.HEADING)
    found = []
    for lab, comparison in validate.validate(here, labs):
        found.append((lab, comparison))
        print(validate.line(validate.score(lab, comparison)), flush=True)
    if options.record:
        try:
            validate.record(found, here, options.record)
        except OSError as trouble:
            print(f"The points cannot be written to {options.record}: {trouble.strerror}.", file=sys.stderr)
            return 2
    return 0


def _for_a_class(commands) -> None:
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


def _evidence(options) -> int:
    from labkit import evidence

    wanted = [path for path in evidence.kept()
              if not options.labs or path.name.removeprefix("lab-").removesuffix(evidence.ENDING) in options.labs]
    for path in wanted:
        shutil.copy2(path, path.name)
        print(path.name)
    if not wanted:
        print("There is no evidence of that yet: run a lab to its last cell.", file=sys.stderr)
    return 0 if wanted else 2


def _grade(options) -> int:
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


def _class(options) -> int:
    from labkit.grading import classroom

    try:
        gathered = classroom.gathered(options.submissions)
    except OSError as trouble:
        print(f"{options.submissions} cannot be read: {trouble.strerror}.", file=sys.stderr)
        return 2
    options.out.write_text(classroom.page(gathered, options.names), "utf-8")
    print(options.out)
    return 0


_CLASS = {"evidence": _evidence, "grade": _grade, "class": _class}


def examine(for_a_program: bool) -> int:
    """Print what this machine is and can do; returns the exit status."""
    from labkit import doctor

    found = doctor.examine()
    print(json.dumps(found, indent=1) if for_a_program else "\n".join(doctor.lines(found)))
    return 0


def published_scaling(path: Path) -> int:
    """Print how well published scaling is predicted; returns the exit status as `main` does."""
    from labkit.pages import published_scaling

    try:
        lines = list(published_scaling.report(path))
    except OSError as trouble:
        print(f"{path} cannot be read: {trouble.strerror}.", file=sys.stderr)
        return 2
    except ValueError as refusal:
        print(refusal, file=sys.stderr)
        return 2
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
