"""What a student's assignment needs: numbers of one's own, the evidence of the labs, and one file to hand in."""

from __future__ import annotations

import hashlib
import re
import shutil
import zipfile
from pathlib import Path

from labkit import evidence as files
from labkit.evidence import Evidence, Unusable

WORDS = re.compile(r"[\w.@-]+")  # what a student's id is made of


class Drawn(dict):
    """The numbers of one student's assignment, by name; a notebook shows them a line each."""

    def __str__(self) -> str:
        return "\n".join(f"{name} = {value!r}" for name, value in self.items())

    def _repr_pretty_(self, printer, cycle) -> None:
        printer.text(str(self))


def draw(student: str, assignment: str, **choices: tuple) -> Drawn:
    """Return one of the choices for each name, always the same for a student and an assignment.

    Args:
        student: the id by which the course knows the student, without regard to case.
        assignment: its name.
        choices: by name, what is drawn from.

    Raises:
        ValueError: no id, or one with other characters than letters, digits and `.@_-`.
    """
    if not isinstance(student, str) or not WORDS.fullmatch(student.strip()):
        raise ValueError("Put the id by which your course knows you into `student`: letters, digits, and . @ _ - only.")
    return Drawn({name: values[_number(student.strip().lower(), assignment, name) % len(values)]
                  for name, values in choices.items()})


def _number(*words: str) -> int:
    return int.from_bytes(hashlib.sha256("\n".join(words).encode()).digest()[:8], "big")


class Labs(dict):
    """The evidence of some labs by number; a notebook shows when each was run, or that it has not been."""

    def __str__(self) -> str:
        return "\n".join(f"Lab {number}: run on {found.date[:10]} with {found.effort} effort, on {found.machine.name}."
                         if found else f"Lab {number}: no evidence yet. Run it to its last cell, then this cell again."
                         for number, found in self.items())

    def _repr_pretty_(self, printer, cycle) -> None:
        printer.text(str(self))


def evidence(*labs: str) -> Labs:
    """Return the evidence of some labs, and put the file of each beside this notebook; None where there is none.

    A file that lies here already holds, but for one of a later run.
    """
    for path in files.kept():
        here = Path(path.name)
        if path.name in map(_file, labs) and (not here.exists() or here.stat().st_mtime < path.stat().st_mtime):
            shutil.copy2(path, here)
    return Labs({number: _read(Path(_file(number))) for number in labs})


def _read(path: Path) -> Evidence | None:
    try:
        return files.read(path)[0]
    except (OSError, Unusable):
        return None


def _file(number: str) -> str:
    return f"lab-{number}{files.ENDING}"


def hand_in(notebook: str, student: str) -> None:
    """Pack a notebook and the evidence beside it into one file; print its name. Save the notebook first.

    Args:
        notebook: its name, with or without `.ipynb`.
        student: as in `draw`.
    """
    path = Path(notebook).with_suffix(".ipynb")
    if not path.is_file():
        here = ", ".join(sorted(each.name for each in Path().glob("*.ipynb"))) or "none"
        print(f"There is no {path.name} in this folder. The notebooks here: {here}.")
        return
    draw(student, path.stem)  # refuses an id that is none
    archive = Path(f"{path.stem}-{student.strip()}.zip")
    found = sorted(Path().glob(f"lab-*{files.ENDING}"))
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for each in (path, *found):
            packed.write(each, each.name)
    print(f"Hand in {archive}: the notebook as you last saved it, and the evidence of "
          f"{len(found)} lab{'s' * (len(found) != 1)}.")
