"""Every page of the built book under Google's Lighthouse, an npm package: accessibility and best practices."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest
from built_book import HTML, PAGES
from chromium import NAMES

from labkit.book.serve import serving

LIGHTHOUSE = "lighthouse@12"
BAR = 0.95


@pytest.fixture(scope="module")
def book():
    if not (HTML / "index.html").is_file():
        pytest.fail("There is no built book in _build/html. Run 'make html' first.")
    with serving(HTML, port=0) as address:
        yield address


@pytest.mark.parametrize("name", PAGES)
def test_page_reaches_the_bar(book, name, tmp_path, missing):
    npx, chromium = shutil.which("npx"), next(filter(None, map(shutil.which, NAMES)), None)
    if not (npx and chromium):
        missing("Lighthouse takes npx and a Chromium.")
    report = tmp_path / "report.json"
    command = [npx, "--yes", LIGHTHOUSE, f"{book}{name}.html", "--quiet", "--output=json", f"--output-path={report}",
               "--only-categories=accessibility,best-practices", "--throttling-method=provided",
               "--disable-full-page-screenshot", "--chrome-flags=--headless --no-sandbox"]
    subprocess.run(command, env={**os.environ, "CHROME_PATH": chromium}, check=True, timeout=300)
    scores = {kind: each["score"] for kind, each in json.loads(report.read_text("utf-8"))["categories"].items()}
    assert min(scores.values()) >= BAR, scores
