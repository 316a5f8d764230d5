"""The course's data: where its tables lie."""

from __future__ import annotations

from pathlib import Path


def package_folder() -> Path:
    """Return the folder of the package."""
    return Path(__file__).parent


def data_folder() -> Path:
    """Return the folder of the course's data: beside labs/ in a checkout, inside the package once installed."""
    inside = Path(__file__).parent / "data"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "data"
