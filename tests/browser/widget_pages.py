"""Pages with nothing but widgets, served on this computer as the built book serves them."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from labkit.widgets.base import files, kinds, write_static

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Widgets</title>
<link rel="icon" href="data:,">
<style>
  :root { color-scheme: light dark; }
  body { max-width: 54rem; margin: 0 auto; padding: 0 1rem; font-family: sans-serif; }
  [data-theme=dark] { color-scheme: dark; }
  [data-theme=dark] body { background: #14181e; color: #ced6dd; }
  @media (prefers-color-scheme: dark) { body { background: #14181e; color: #ced6dd; } }
</style>
%s
</head>
<body><main><h1>Widgets</h1>
%s
</main></body></html>"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextmanager
def in_the_book() -> Iterator[None]:
    """Let widgets made inside draw themselves for a page without a kernel."""
    before = os.environ.get("CLUSTER_TO_EDGE_BOOK")
    os.environ["CLUSTER_TO_EDGE_BOOK"] = "1"
    try:
        yield
    finally:
        del os.environ["CLUSTER_TO_EDGE_BOOK"]
        if before is not None:
            os.environ["CLUSTER_TO_EDGE_BOOK"] = before


@contextmanager
def widget_pages() -> Iterator[Callable[[str, str], str]]:
    """Serve a folder with the widgets' files, as the book and as Jupyter load them.

    Yields:
        `add(name, body)`, which returns the new page's address.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_static(folder / "_static" / "labkit")
        (folder / "pages").mkdir()
        (folder / "modules").mkdir()
        for kind, widget in kinds().items():
            (folder / "modules" / f"{kind}.js").write_text(widget.module(), "utf-8")
        with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder)) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()

            def add(name: str, body: str) -> str:
                (folder / "pages" / f"{name}.html").write_text(_PAGE % (_head(body), body), "utf-8")
                return f"http://127.0.0.1:{server.server_port}/pages/{name}.html"

            yield add
            server.shutdown()


def _head(body: str) -> str:
    """Return the lines of a page's head that load what its widgets need, as the book's extension has Sphinx write."""
    return "\n".join(
        f'<link rel="stylesheet" href="../_static/labkit/{name}">' if name.endswith(".css")
        else f'<script defer src="../_static/labkit/{name}"></script>' for name in files(body))


def alive(page) -> None:
    """Wait until every widget has taken the place of its picture or text."""
    page.locator(".labkit-host > script").first.wait_for(state="detached")
