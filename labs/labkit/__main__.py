"""The command `labkit`: checks predictions against this machine, plans a cluster, and helps to teach a class."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from labkit import plan, validate
from labkit.grading import commands as commands_for_a_class
from labkit.machine import save
from labkit.plan import written
from labkit.units import quantity


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
    planner = commands.add_parser("plan", help="make a plan of a workload: what to buy, with an interval on every line")
    planner.add_argument("workload", nargs="?", type=Path, metavar="FILE", help="the workload, YAML or JSON")
    planner.add_argument("--example", metavar="NAME", help=f"print an example: {', '.join(plan.EXAMPLES)}")
    planner.add_argument("--schema", action="store_true", help="print the JSON Schema of a workload")
    planner.add_argument("--validate", type=Path, metavar="TABLE", help="score the planner on published systems")
    planner.add_argument("--as", dest="form", choices=tuple(written.FORMS), default="text",
                         help="how to print the plan")
    recorder = commands.add_parser("record", help="validate all, and write this machine to a file that you can send")
    recorder.add_argument("file", type=Path, metavar="FILE", help="the JSON file to write")
    recorder.add_argument("labs", nargs="*", metavar="LAB", help="some labs; all unless given")
    recorder.add_argument("--name", metavar="NAME", help="of the machine, in place of its processor's")
    doctor = commands.add_parser("doctor", help="say what this machine is, what limits it, and what labs can do here")
    doctor.add_argument("--json", action="store_true", help="for a program")
    commands_for_a_class.add(commands)
    options = parser.parse_args(arguments)
    if options.command == "doctor":
        return examine(options.json)
    if options.command in commands_for_a_class.COMMANDS:
        return commands_for_a_class.COMMANDS[options.command](options)
    if options.command == "plan":
        chosen = [options.workload, options.example, options.schema or None, options.validate]
        if sum(each is not None for each in chosen) != 1:
            parser.error("plan takes one of: a FILE, --example NAME, --schema, --validate TABLE")
        return reading(lambda: make_plan(options))
    if options.command == "record":
        return record_machine(options)
    if options.published:
        if options.labs or options.again or options.record or options.profile:
            parser.error("--published reads a table and measures nothing: give it no lab and no other option")
        return reading(lambda: published_scaling(options.published))
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


def make_plan(options: argparse.Namespace) -> int:
    """Print what `labkit plan` was asked for; returns 0, or 1 for a plan that cannot be met."""
    if options.example is not None:
        print(plan.example(options.example), end="")
    elif options.schema:
        print(json.dumps(plan.Workload.model_json_schema(), indent=1))
    elif options.validate:
        from labkit.pages import plan_evidence

        print("\n".join(plan_evidence.report(options.validate)))
    else:
        bill = plan.compose(plan.read(options.workload))
        print(written.FORMS[options.form](bill))
        if options.form == "text":
            from labkit.pages import plan_evidence

            print(plan_evidence.held())
        return 0 if bill.met else 1
    return 0


def record_machine(options: argparse.Namespace) -> int:
    """Validate, and write what was found; returns the exit status as `main` does."""
    from labkit import recorded, recording

    try:
        labs = validate.chosen(options.labs)
        here = validate.calibrated(labs)
        if options.name:
            here = replace(here, name=options.name)
        print(here)
        found = recording.record(here, validate.validate(here, labs))
        recording.write(found, options.file)
    except ValueError as refusal:
        print(refusal, file=sys.stderr)
        return 2
    except OSError as trouble:
        print(f"The machine cannot be written to {options.file}: {trouble.strerror}.", file=sys.stderr)
        return 2
    print(recorded.table([found]))
    print("\n".join(["", f"{quantity(len(found.surprises), 'points')} came out outside of the predicted interval.",
                     *found.surprises, "To send it, open an issue of the kind 'A recorded machine' with the file."]))
    return 0


def examine(for_a_program: bool) -> int:
    """Print what this machine is and can do; returns the exit status."""
    from labkit import doctor

    found = doctor.examine()
    print(json.dumps(found, indent=1) if for_a_program else "\n".join(doctor.lines(found)))
    return 0


def published_scaling(path: Path) -> int:
    """Print how well published scaling is predicted; returns 0."""
    from labkit.pages import published_scaling

    print("\n".join(published_scaling.report(path)))
    return 0


def reading(command: Callable[[], int]) -> int:
    """Run a command that reads a file; returns its exit status, or 2 with a sentence for what it cannot read."""
    try:
        return command()
    except BrokenPipeError:  # `main` knows
        raise
    except OSError as trouble:
        print(f"{trouble.filename} cannot be read: {trouble.strerror}.", file=sys.stderr)
    except ValueError as refusal:
        print(refusal, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
