"""Finds and starts a headless Chromium: Debian's, another one on the path, or playwright's own."""

from __future__ import annotations

import shutil
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]


def executable(playwright) -> str | None:
    """Return the path of a Chromium: the system's, or the one that playwright installed."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def launch(playwright):
    """Start a headless Chromium, or return None where there is none."""
    path = executable(playwright)
    return path and playwright.chromium.launch(executable_path=path, args=FLAGS)
