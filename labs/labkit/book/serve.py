"""Serves the built book on this computer.

The built book also opens from a disk. Served, a page that waits for its lab sees when it has been written anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

PORT = 8000


class Handler(SimpleHTTPRequestHandler):
    """Serves files without a line for each, with types that do not depend on the system's registry."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".js": "text/javascript", ".svg": "image/svg+xml"}

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")  # a page changes when its lab is done
        super().end_headers()

    def log_message(self, *args):
        pass


@contextmanager
def serving(folder: Path, port: int = PORT) -> Iterator[str]:
    """Serve `folder` on 127.0.0.1 while the block runs; yields the address.

    Args:
        folder: what is served.
        port: where; a free one where it is taken.
    """
    handler = partial(Handler, directory=str(folder))
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError:
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    with server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
