"""A real browser and a real JupyterLab for the tests, and which of them go together."""

from __future__ import annotations

import re
from importlib.util import find_spec

import pytest
from chromium import launch
from lab_server import lab_server
from widget_pages import alive


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Run the tests of a page of the book, of the notebook, Firefox or slides in one process, which has them open.

    The groups of xdist 3.8 have no effect under pytest 9.2, which no longer lets a test be renamed.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            module, test = nodeid.split("::", 1)
            page = re.search(r"\[(.+)\]$", test)
            if module.endswith("test_book.py") and page:
                return page[1]
            return module if module.endswith(("test_live.py", "test_reading.py", "test_slides.py")) else nodeid

    return Together(config, log)


@pytest.fixture(scope="session")
def browser(missing):
    """A headless Chromium; without one the test is skipped, in CI (`CI` is set) it fails."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("Playwright is not installed: run 'pip install playwright'.")
    with sync_playwright() as playwright:
        chromium = launch(playwright)
        if chromium is None:
            missing("There is no Chromium on this machine: install one, or run 'playwright install chromium'.")
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser):
    """Open an address; at the end no script may have failed and no other host may have been asked."""
    contexts, trouble = [], []

    def open_page(address: str, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(10_000)
        page = context.new_page()
        host = address.split("/pages/")[0]
        page.on("request", lambda r: r.url.startswith((host, "data:", "blob:")) or trouble.append(r.url))
        page.on("response", lambda r: r.status < 400 or trouble.append(f"{r.status} {r.url}"))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("console", lambda m: m.type not in ("error", "warning") or trouble.append(m.text))
        page.goto(address)
        alive(page)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not trouble


@pytest.fixture(scope="module")
def jupyterlab(tmp_path_factory, missing):
    """The address of a JupyterLab and the folder that it shows; skipped or failed without one, as above."""
    for package in ("jupyterlab", "ipykernel"):
        if find_spec(package) is None:
            missing(f"{package} is not installed: run 'pip install {package}'.")
    with lab_server(tmp_path_factory.mktemp("jupyterlab")) as served:
        yield served
