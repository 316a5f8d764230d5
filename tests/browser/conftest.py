"""A real browser for the tests: Debian's Chromium, or any Chromium or Chrome on the path."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]


def executable() -> str | None:
    """Return the path of a Chromium: the system's, or the one that playwright installed."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium; without one the test is skipped, in CI (`CI` is set) it fails."""
    try:
        from playwright.sync_api import sync_playwright

        path = executable()
        missing = "There is no Chromium or Chrome on this machine: install one, or run 'playwright install chromium'."
    except ImportError:
        path, missing = None, "Playwright is not installed: run 'pip install playwright'."
    if path is None:
        if os.environ.get("CI"):
            pytest.fail(f"{missing} In CI nothing is skipped.")
        pytest.skip(missing)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()
