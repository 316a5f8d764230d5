"""Which answers the labs' exercises accept on the machine that was recorded: a key for instructors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from labkit.data import package_folder
from labkit.display import TextTable
from labkit.labs.lab import Lab, labs
from labkit.machine import COURSE, Machine, load

RUN = "of the student's own run"
# What a lab's cells make of a machine before its exercises, by the names that these use.
MADE = {
    "2.2": {"steps": lambda lab, machine: lab.step_time(machine)},
    "3.1": {"times": lambda lab, machine: lab.time(machine)},
    "3.2": {"plan": lambda lab, machine: lab.Plan(machine, "fp32", 64)},
    "3.3": {"service": lambda lab, machine: lab.service(machine)},
    "4.1": {"times": lambda lab, machine: lab.time(machine)},
}
_NUMBER = re.compile(r"\*\*(\d+)\. ")
_CALL = re.compile(r"^checks\..*", re.MULTILINE | re.DOTALL)


@cache
def table() -> TextTable:
    """Return the exercises of every lab with the answers that are right on the recorded machine."""
    machine = load(COURSE)
    return TextTable(("lab", "exercise", "right on the recorded machine"), [
        (lab.number, number, expected(lab, call, machine)) for lab in labs() for number, call in exercises(lab)])


def recorded() -> str:
    """Return the name of the recorded machine."""
    return load(COURSE).name


def exercises(lab: Lab) -> Iterator[tuple[str, str]]:
    """Yield the number of each exercise of a lab, and the call that checks it, as the notebook has it."""
    path = Path(package_folder()).parents[1] / f"{lab.notebook}.ipynb"
    number = ""
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown" and (found := _NUMBER.search(source)):
            number = found[1]
        if cell["cell_type"] == "code" and "answer = None" in source and (call := _CALL.search(source)):
            yield number, call[0]


def expected(lab: Lab, call: str, machine: Machine) -> str:
    """Return what a check says is right on a machine; without the names that only a run has, `RUN`."""
    experiments = lab.part("experiments")
    made = {name: make(experiments, machine) for name, make in MADE.get(lab.number, {}).items()}
    names = {"answer": None, "machine": machine, "checks": lab.part("checks"), "lab": experiments, **made}
    try:
        verdict = eval(call, names)
    except NameError:
        return RUN
    return verdict.expected or verdict.why
