"""Drives a headless Firefox by Mozilla's own protocol: Playwright only drives a Firefox of its own."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

NAMES = ("firefox-esr", "firefox")
ARROW_RIGHT = "\ue014"  # the key as WebDriver writes it


def executable() -> str | None:
    """Return the path of the system's Firefox."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def launched(path: str) -> Iterator:
    """Start a headless Firefox, and end it; yields Mozilla's `Marionette`."""
    from marionette_driver.marionette import Marionette

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with TemporaryDirectory() as logs:  # a file in its place is removed first, and so would root's /dev/null be
        firefox = Marionette(bin=path, port=port, headless=True, gecko_log=logs)
        try:
            firefox.start_session()
            firefox.timeout.implicit = 20  # seconds that it waits for an element
            yield firefox
        finally:
            firefox.cleanup()
            firefox.instance = None  # which would clean up once more when the interpreter ends
