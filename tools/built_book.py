"""Where the built book lies, and its pages: for the tests of the book and for the bench."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
HTML = ROOT / "_build" / "html"


def pages_of(entry: dict) -> list[str]:
    """Return every page named in a table of contents, in reading order."""
    own = [entry[key] for key in ("root", "file") if key in entry]
    nested = [child for key in ("parts", "chapters", "sections") for child in entry.get(key, [])]
    return own + [page for child in nested for page in pages_of(child)]


PAGES = pages_of(yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8")))


@cache
def page_with(kind: str) -> Path:
    """Return the first page with a widget of this kind; raises `LookupError` where there is none."""
    pages = sorted(HTML.glob("*/**/*.html"))
    found = next((page for page in pages if f'data-module="{kind}"' in page.read_text("utf-8")), None)
    if found is None:
        raise LookupError(f"No page of the book has a widget '{kind}'. Run 'make html' first.")
    return found
