"""The labs' runs: each lab is executed once, and what it gave is kept for the book and for the tests.

A run is kept as the executed notebook. It holds until the lab's own code, what that imports of labkit, or the course's
data changes; one with more effort than is asked for will do.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import monotonic

import nbformat
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from labkit import cache, effort, expectation
from labkit.data import data_folder, package_folder
from labkit.labs.lab import RUN_MIME, Lab

_STARTS = 3  # of a kernel: another program may take its port as it starts
CELL_S = 600  # seconds after which a cell is taken to hang: a whole lab takes 30 at quick effort, 270 at long
# Rooms of labkit that no lab needs.
_ABOVE = {"book", "book_glossary", "book_verdicts", "pages", "plan", "validate", "doctor", "__main__"}
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Breakage:
    """Why a lab did not reach its last cell.

    Args:
        cell: which code cell, from 1.
        summary: a sentence in plain words.
        detail: the traceback, or nothing.
    """

    cell: int
    summary: str
    detail: str = ""


@dataclass(frozen=True)
class Run:
    """A lab that was executed.

    Args:
        notebook: with its outputs, as far as it came.
        key: of what it stands on (`key`).
        level: the effort: `"quick"`, `"usual"` or `"long"`.
        seconds: how long it took.
        broken: why it did not reach its end, or None.
    """

    notebook: NotebookNode
    key: str
    level: str
    seconds: float
    broken: Breakage | None = None

    @property
    def findings(self) -> list[expectation.Finding]:
        """How the lab's statements came out; one that was checked again counts once, as it came out last."""
        found = [expectation.Finding(**data) for data in self._data(expectation.MIME)]
        return list({finding.name: finding for finding in found}.values())

    @property
    def surprises(self) -> list[expectation.Finding]:
        """The statements that came out otherwise."""
        return [finding for finding in self.findings if finding.state == expectation.SURPRISE]

    @property
    def machine(self) -> str:
        """The machine that it ran on, or nothing where it broke before it said so."""
        return next((data["machine"] for data in self._data(RUN_MIME)), "")

    @property
    def disturbance(self) -> str:
        """What disturbed the calibration that its predictions stand on, or nothing."""
        return next((data.get("note", "") for data in self._data(RUN_MIME)), "")

    def _data(self, mime: str) -> Iterator[dict]:
        for cell in _code(self.notebook):
            for output in cell.outputs:
                if mime in output.get("data", {}):
                    yield output.data[mime]


def source(lab: Lab, root: Path) -> NotebookNode:
    """Read a lab's notebook, without outputs, as it lies in the checkout `root`."""
    notebook = nbformat.read(root / f"{lab.notebook}.ipynb", 4)
    notebook.metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}  # knows ! and %
    for cell in _code(notebook):
        cell.outputs, cell.execution_count = [], None
    return notebook


def key(lab: Lab, root: Path) -> str:
    """Return a digest of all that a run of a lab stands on: its code, its modules and the course's data."""
    digest = hashlib.sha256()
    for cell in _code(source(lab, root)):
        digest.update(cell.source.encode() + b"\0")
    for path in sorted([*_modules(lab), *filter(Path.is_file, data_folder().rglob("*"))]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def kept(lab: Lab, root: Path, folder: Path) -> Run | None:
    """Return the run of a lab that `folder` holds, with the lab's text as it stands now.

    None where there is none, or what the run stands on has changed since.
    """
    try:
        notebook = nbformat.read(folder / f"{lab.number}.ipynb", 4)
        about = notebook.metadata.pop("labkit")
        broken = about.pop("broken")
        run = Run(notebook, broken=Breakage(**broken) if broken else None, **about)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, nbformat.ValidationError):
        return None
    if run.key != key(lab, root):
        return None
    notebook = source(lab, root)
    for cell, done in zip(_code(notebook), _code(run.notebook), strict=True):
        cell.outputs, cell.execution_count = done.outputs, done.execution_count
    return replace(run, notebook=notebook)


def keep(run: Run, lab: Lab, folder: Path) -> None:
    """Put a run into `folder`, in the place of the lab's former one; raises `OSError` where that cannot be written."""
    about = {"key": run.key, "level": run.level, "seconds": run.seconds,
             "broken": asdict(run.broken) if run.broken else None}
    notebook = nbformat.from_dict({**run.notebook, "metadata": {**run.notebook.metadata, "labkit": about}})
    cache.write_atomically(folder / f"{lab.number}.ipynb", nbformat.writes(notebook).encode())


def wanting(lab: Lab, root: Path, folder: Path, level: str) -> bool:
    """Return whether a lab is still to be run for this level of effort: never, with less, or to its end."""
    run = kept(lab, root, folder)
    return run is None or run.broken is not None or not effort.at_least(run.level, level)


def execute(lab: Lab, root: Path, level: str, tell: Callable[[int, int], None] = lambda done, of: None) -> Run:
    """Run a lab in a kernel of its own, which ends with it, also on Ctrl-C.

    Args:
        lab: which lab.
        root: the checkout.
        level: of effort.
        tell: is called before each code cell with how many are done, and of how many.

    Raises:
        FileNotFoundError: there is no such notebook.
    """
    notebook, standing = source(lab, root), key(lab, root)
    code = _code(notebook)
    where = {"metadata": {"path": str((root / lab.notebook).parent)}}
    environment = {**os.environ, "CLUSTER_TO_EDGE_BOOK": "1", effort.VARIABLE: level}
    begin, number, broken = monotonic(), 0, None
    with ExitStack() as stack:
        for left in reversed(range(_STARTS)):
            client = NotebookClient(notebook, timeout=CELL_S, kernel_name="python3", resources=where,
                                    kernel_manager_class=KernelManager)
            client.reset_execution_trackers()
            try:
                stack.enter_context(client.setup_kernel(env=environment, stdout=subprocess.DEVNULL,
                                                        stderr=subprocess.DEVNULL))
                break
            except RuntimeError:  # it died before it answered
                if not left:
                    return Run(notebook, standing, level, monotonic() - begin,
                               Breakage(1, "its process did not start"))
        try:
            for index, cell in enumerate(notebook.cells):
                if cell.cell_type == "code":
                    tell(number, len(code))
                    number += 1
                    client.execute_cell(cell, index, execution_count=number)
        except CellExecutionError as error:
            last = _ANSI.sub("", error.evalue).strip().splitlines()[:1]
            broken = Breakage(number, ": ".join([error.ename, *last]), _ANSI.sub("", error.traceback))
        except CellTimeoutError:
            broken = Breakage(number, f"it was still at work after {CELL_S // 60} minutes")
        except DeadKernelError:
            broken = Breakage(number, "its process ended by itself, most often because the memory ran out")
    return Run(notebook, standing, level, monotonic() - begin, broken)


def _code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _modules(lab: Lab) -> Iterator[Path]:
    """Return the files of labkit that a lab may import: rooms below the labs, its own folder, and those it names."""
    folders = [lab.module]
    for name in folders:
        for path in (package_folder() / "labs" / name).rglob("*.py"):
            named = re.findall(r"labkit\.labs(?:\.| import )(\w+)", path.read_text("utf-8"))
            folders += [other for other in named if other not in folders]
    for path in package_folder().rglob("*.py"):
        room, *rest = path.relative_to(package_folder()).with_suffix("").parts
        if room not in _ABOVE and not (room == "labs" and len(rest) > 1 and rest[0] not in folders):
            yield path
