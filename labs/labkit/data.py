"""The course's data: where its tables lie, and how one is read."""

from __future__ import annotations

import csv
from pathlib import Path


def package_folder() -> Path:
    """Return the folder of the package."""
    return Path(__file__).parent


def data_folder() -> Path:
    """Return the folder of the course's data: beside labs/ in a checkout, inside the package once installed."""
    inside = Path(__file__).parent / "data"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "data"


def read_csv(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file of the course, as texts by column; raises `OSError` where it cannot be read."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
