"""Drives the system's WebKit by the WebDriver protocol (https://www.w3.org/TR/webdriver2/): Playwright drives its own.

Debian's and Ubuntu's packages `webkit2gtk-driver` and `xvfb` bring all that it takes; there is none for macOS's Safari.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

ARROW_RIGHT = "\ue014"  # the key as WebDriver writes it
DRIVER, SCREEN = "WebKitWebDriver", "Xvfb"
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the specification's name of a reference to an element
_START_S, _ANSWER_S = 20, 60


def executable() -> str | None:
    """Return the path of WebKitGTK's own small browser, None where it, its driver or a screen for it is missing."""
    browser = next(Path("/usr").glob("lib*/**/webkit2gtk-4.*/MiniBrowser"), None)
    return str(browser) if browser and shutil.which(DRIVER) and shutil.which(SCREEN) else None


class WebKit:
    """A session of WebDriver in a WebKit."""

    def __init__(self, port: int, browser: str):
        self._base = f"http://127.0.0.1:{port}/session"
        options = {"binary": browser, "args": ["--automation"]}
        session = self._post("", capabilities={"alwaysMatch": {"webkitgtk:browserOptions": options}})
        self._base += f"/{session['sessionId']}"
        self._post("/timeouts", implicit=1000 * _START_S)

    def open(self, address: str) -> None:
        """Open a page, and wait until it has loaded."""
        self._post("/url", url=address)

    def run(self, script: str, *arguments):
        """Return what the body of a function in JavaScript returns."""
        return self._post("/execute/sync", script=script, args=arguments)

    def find(self, selector: str) -> dict:
        """Wait for an element by a CSS selector; it can be an argument of `run`."""
        return self._post("/element", using="css selector", value=selector)

    def press(self, element: dict, keys: str) -> None:
        """Press keys as a hand would with the element in focus."""
        self._post(f"/element/{element[_ELEMENT]}/value", text=keys)

    def close(self) -> None:
        """End the session, and the browser with it."""
        self._ask(Request(self._base, method="DELETE"))

    def _post(self, place: str, **body):
        return self._ask(Request(self._base + place, json.dumps(body).encode(), {"Content-Type": "application/json"}))

    def _ask(self, request: Request):
        with urlopen(request, timeout=_ANSWER_S) as answer:
            return json.load(answer)["value"]


@contextmanager
def launched(browser: str) -> Iterator[WebKit]:
    """Start a WebKit on a screen that nobody sees, and end both."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with ExitStack() as stack:
        screen = _started(stack, [SCREEN, "-displayfd", "1", "-nolisten", "tcp"])
        number = screen.stdout.readline().decode().strip()
        _started(stack, [DRIVER, f"--port={port}"], DISPLAY=f":{number}")
        _wait_for(port)
        webkit = WebKit(port, browser)
        stack.callback(webkit.close)
        yield webkit


def _started(stack: ExitStack, command: list[str], **variables: str) -> subprocess.Popen:
    process = subprocess.Popen(command, env={**os.environ, **variables}, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return process


def _wait_for(port: int) -> None:
    end = time.monotonic() + _START_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
