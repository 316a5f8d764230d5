"""Serve the built book on this computer: `python book/serve.py`, then Ctrl-C to stop.

A browser opens no modules from `file://`, so the widgets need a server, and it must say that a `.js` file is one.
"""

from __future__ import annotations

import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BOOK = Path(__file__).parents[1] / "_build" / "html"
PORT = 8000


class Handler(SimpleHTTPRequestHandler):
    """Serves files without a line for each, with types that do not depend on the system's registry."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".js": "text/javascript", ".svg": "image/svg+xml"}

    def log_message(self, *args):
        pass


def server(folder: Path = BOOK, port: int = PORT) -> ThreadingHTTPServer:
    """Return a server for `folder` on 127.0.0.1, on `port` or, where that is taken, on a free one."""
    handler = partial(Handler, directory=str(folder))
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError:
        return ThreadingHTTPServer(("127.0.0.1", 0), handler)


def main() -> None:
    if not (BOOK / "index.html").is_file():
        sys.exit("There is no built book yet. Build it with 'make html' or 'jupyter-book build .'.")
    with server() as running:
        print(f"The book is at http://127.0.0.1:{running.server_port}/ (Ctrl-C stops it)", flush=True)
        try:
            running.serve_forever()
        except KeyboardInterrupt:
            print("\nStopped.")


if __name__ == "__main__":
    main()
