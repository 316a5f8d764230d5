"""The layers of labkit: an import goes down, never up, and no two folders need each other."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import labkit

PACKAGE = Path(labkit.__file__).parent
LAYERS = [  # from the bottom
    {"units", "inputs", "cache", "progress", "palette", "data", "effort", "stats", "least_squares", "display",
     "experiment", "expectation", "control_groups", "host", "session", "spreadsheet"},
    {"specs"},
    {"predict", "timing"},
    {"plan"},
    {"device", "processes"},
    {"models"},
    {"runtimes", "netem", "fpga"},
    {"distributed", "serving", "offload", "loading"},
    {"measure"},
    {"machine"},
    {"catalogue", "published", "needs", "recorded"},
    {"checks", "figures", "evidence"},
    {"widgets"},
    {"labs"},
    {"pages", "assignment"},
    {"validate", "verdicts", "doctor", "grading"},
    {"recording"},
    {"book", "book_verdicts", "book_glossary", "__main__"},
]
FLOOR = {name: floor for floor, names in enumerate(LAYERS) for name in names}


def imported(path: Path) -> set[str]:
    """Return the rooms of labkit that a module imports anywhere in it."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "labkit":
            rooms |= {node.module.split(".")[1]} if "." in node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            rooms |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("labkit.")}
    return rooms


@cache
def arrows() -> set[tuple[str, str, str]]:
    """Return every import from one room of labkit to another, with the module that does it."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).with_suffix("").parts[0]
        found |= {(room, other, str(path.relative_to(PACKAGE))) for other in imported(path) if other != room}
    return found


def test_every_room_has_its_floor():
    rooms = {path.relative_to(PACKAGE).with_suffix("").parts[0] for path in PACKAGE.rglob("*.py")} - {"__init__"}
    assert rooms <= FLOOR.keys()


def test_no_import_runs_back_up():
    for room, other, path in sorted(arrows()):
        if room != "__init__":
            assert FLOOR[other] < FLOOR[room] or FLOOR[room] == FLOOR[other] == 0, f"{path} imports {other}"


def test_measuring_knows_no_prediction():
    assert [path for room, other, path in arrows() if (room, other) == ("measure", "predict")] == []


def test_predictions_know_no_torch_and_do_no_input_or_output():
    for path in (PACKAGE / "predict").rglob("*.py"):
        text = path.read_text("utf-8")
        assert "import torch" not in text and "open(" not in text, path.name
