"""What a student handed in: a notebook, in whatever state, and evidence; read without believing any of it."""

from __future__ import annotations

import ast
import json
import shutil
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from labkit import evidence as files
from labkit.evidence import Evidence, Unusable

LARGEST = 64 * 2**20  # bytes of one file that is read


@dataclass(frozen=True)
class Submission:
    """One student's files.

    Args:
        name: of the file or folder that was handed in, without its ending.
        at: when it was last changed.
        notebook: the name of the notebook, without its ending; empty where there is none.
        cells: the sources of its code cells, in order.
        labs: the evidence that could be read, by the numbers of the labs.
        trouble: what was damaged, a sentence each.
        doubts: what a teacher should ask about the evidence.
    """

    name: str
    at: datetime
    notebook: str
    cells: tuple[str, ...]
    labs: dict[str, Evidence]
    trouble: tuple[str, ...]
    doubts: tuple[str, ...]


def submissions(folder: Path) -> list[Path]:
    """Return what was handed in: every zip, notebook or folder in a folder."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith((".", "_"))
                  and (path.is_dir() or path.suffix.lower() in (".zip", ".ipynb")))


@contextmanager
def opened(path: Path) -> Iterator[tuple[Submission, Path]]:
    """Yield a submission and a folder with its evidence alone, in which its cells may run."""
    trouble = []
    with TemporaryDirectory() as scratch:
        there, room = Path(scratch) / "handed in", Path(scratch) / "room"
        there.mkdir()
        room.mkdir()
        try:
            _unpack(path, there)
        except (zipfile.BadZipFile, OSError, ValueError, RuntimeError) as error:
            trouble.append(f"What was handed in could not be opened ({error}).")
        notebooks = sorted(there.glob("*.ipynb"))
        if len(notebooks) > 1:
            trouble.append(f"There are {len(notebooks)} notebooks: {notebooks[-1].name} was graded.")
        cells = ()
        if notebooks:
            try:
                cells = read_cells(notebooks[-1])
            except (ValueError, OSError) as error:
                trouble.append(f"The notebook could not be read: {error}.")
        else:
            trouble.append("There is no notebook.")
        labs, doubts = {}, []
        for file in sorted(there.glob(f"*{files.ENDING}")):
            try:
                found, asked = files.read(file)
            except (Unusable, OSError) as error:
                trouble.append(f"{file.name} is no evidence that can be used: {error}.")
                continue
            labs[found.lab] = found
            doubts += [f"Lab {found.lab}: {question}" for question in asked]
            shutil.copy2(file, room)
        if len({found.machine_digest for found in labs.values()}) > 1:
            doubts.append("The labs were run on different machines.")
        at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        yield Submission(path.stem, at, notebooks[-1].stem if notebooks else "", cells, labs, tuple(trouble),
                         tuple(doubts)), room


def read_cells(path: Path) -> tuple[str, ...]:
    """Return the code of a notebook's cells; nothing but the cells has to be whole.

    Raises:
        ValueError: it is no notebook; the message says why.
    """
    if path.stat().st_size > LARGEST:
        raise ValueError(f"it has more than {LARGEST // 2**20} MiB; clear its outputs, save it and hand it in again")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not a notebook's JSON ({str(error)[:100]})") from error
    cells = content.get("cells") if isinstance(content, dict) else None
    if not isinstance(cells, list):
        raise ValueError("it has no cells")
    return tuple(_source(cell) for cell in cells if isinstance(cell, dict) and cell.get("cell_type") == "code")


def assigned(cells: Sequence[str], names: Sequence[str]) -> Counter:
    """Return in how many cells each name gets a value other than None."""
    counted = Counter()
    for cell in cells:
        try:
            tree = ast.parse(cell)
        except (SyntaxError, ValueError):
            continue
        counted.update({target.id for node in tree.body if isinstance(node, ast.Assign) and not _is_none(node.value)
                        for target in node.targets if isinstance(target, ast.Name) and target.id in names})
    return counted


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _source(cell: dict) -> str:
    source = cell.get("source", "")
    return "".join(map(str, source)) if isinstance(source, list) else str(source)


def _unpack(path: Path, folder: Path) -> None:
    """Put the notebooks and the evidence of a submission into a folder, whatever folders they were in."""
    wanted = (".ipynb", files.ENDING)
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file() and not file.is_symlink() and file.name.endswith(wanted) and ".ipynb_" not in str(file):
                shutil.copy2(file, folder / file.name)
    elif path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path) as packed:
            for entry in packed.infolist():
                name = PurePosixPath(entry.filename).name
                if name.endswith(wanted) and "__MACOSX" not in entry.filename and ".ipynb_" not in entry.filename:
                    if entry.file_size > LARGEST:
                        raise ValueError(f"{name} has more than {LARGEST // 2**20} MiB")
                    (folder / name).write_bytes(packed.read(entry))
    else:
        shutil.copy2(path, folder / path.name)
