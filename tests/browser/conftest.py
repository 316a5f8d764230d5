"""A real browser and a real JupyterLab for the tests."""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest
from chromium import launch
from lab_server import lab_server


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


@pytest.fixture(scope="module")
def jupyterlab(tmp_path_factory):
    """The address of a JupyterLab and the folder that it shows; skipped or failed without one, as above."""
    for package in ("jupyterlab", "ipykernel"):
        if find_spec(package) is None:
            _missing(f"{package} is not installed: run 'pip install {package}'.")
    with lab_server(tmp_path_factory.mktemp("jupyterlab")) as served:
        yield served


def _missing(what: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"{what} In CI nothing is skipped.")
    pytest.skip(what)
