"""A real browser for the tests."""

from __future__ import annotations

import os

import pytest
from chromium import launch


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium; without one the test is skipped, in CI (`CI` is set) it fails."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("Playwright is not installed: run 'pip install playwright'.")
    with sync_playwright() as playwright:
        chromium = launch(playwright)
        if chromium is None:
            _missing("There is no Chromium on this machine: install one, or run 'playwright install chromium'.")
        yield chromium
        chromium.close()


def _missing(what: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"{what} In CI nothing is skipped.")
    pytest.skip(what)
