"""Runs the cells of a student's notebook within limits, and brings back the variables that hold answers.

The cells run in a process of their own, one after the other, in a folder that is thrown away. A cell that fails, hangs,
floods its output or leaves is a line of the report; the others run. The limits keep accidents in, and no attackers: for
those add a container, as *For instructors* says.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CELL_S = 5  # seconds for one cell
ALL_S = 20  # for all cells of a notebook
MEMORY = 2 * 2**30  # bytes that the process may ask for
FILE = 16 * 2**20  # bytes of a file that it may write
OUTPUT = 2**20  # characters that a cell may print
_STARTS = 3  # a cell that ends the process is left out the next time


@dataclass(frozen=True)
class Answers:
    """What a notebook's variables held at its end.

    Args:
        values: by name, in plain Python; a name without a value was never set.
        trouble: what went wrong, a sentence each.
    """

    values: dict[str, object]
    trouble: tuple[str, ...]


def run(cells: Sequence[str], names: Sequence[str], folder: Path) -> Answers:
    """Run cells within limits.

    Args:
        cells: the sources of the notebook's code cells, in order.
        names: the variables to bring back.
        folder: where they run, and the only place that they may write to.
    """
    trouble, numbered = [], []
    for place, cell in enumerate(cells, 1):
        plain = "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in cell.split("\n"))
        try:
            ast.parse(plain)
        except (SyntaxError, ValueError) as error:
            trouble.append(f"Code cell {place} is not Python ({error.args[0]}): it was left out.")
            continue
        numbered.append((place, plain))
    values = {}
    for _ in range(_STARTS):
        values, said, deadly = _once(numbered, names, folder)
        trouble += [line for line in said if line not in trouble]
        if deadly is None:
            break
        numbered = [(place, cell) for place, cell in numbered if place != deadly]
    return Answers(values, tuple(trouble))


def _once(cells: list[tuple[int, str]], names: Sequence[str], folder: Path) -> tuple[dict, list[str], int | None]:
    """Return the values, what was said, and the cell that ended the process, if one did."""
    task = {"cells": cells, "names": list(names), "cell_s": CELL_S, "memory": MEMORY, "file": FILE, "output": OUTPUT}
    own = {"CLUSTER_TO_EDGE_CACHE": str(folder / ".cache"), "TMPDIR": str(folder), "HOME": str(folder)}
    process = subprocess.Popen([sys.executable, "-P", "-m", "labkit.grading.sandbox"], cwd=folder,
                               env={**os.environ, **own}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, encoding="utf-8")
    try:
        told, _ = process.communicate(json.dumps(task), timeout=ALL_S)
    except subprocess.TimeoutExpired:
        process.kill()
        told, _ = process.communicate()
    values, said, running, ended = {}, [], None, False
    for line in told.splitlines():
        try:
            message = json.loads(line)
        except ValueError:
            continue  # the process ended in the middle of it
        running = message.get("begin", running)
        values |= message.get("values", {})
        said += message.get("trouble", [])
        ended = ended or message.get("end", False)
    if ended:
        return values, said, None
    return values, [*said, f"Code cell {running} ended the whole process or never ended: it was left out."], running
