"""An object store on 127.0.0.1: files of a folder over HTTP, whole or by ranges of bytes, behind an emulated link.

It runs as a helper process and ends with its parent.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from urllib.parse import unquote

from labkit.netem.link import EmulatedLink, emulated_link
from labkit.processes import Helper, say, serve
from labkit.specs.link import LinkSpec

_PIECE = 2**16  # bytes written at a time


@contextmanager
def running(folder: Path, spec: LinkSpec | None = None) -> Iterator[EmulatedLink]:
    """Serve a folder over a relay that emulates a link, for a `with` block; yields the link, which has the port.

    Args:
        folder: what is served.
        spec: what the link is; without limits unless given.

    Raises:
        HelperFailed: a process did not start; the message says why.
    """
    with Helper("labkit.loading.store", str(folder)) as server, emulated_link(spec, "relay") as link:
        link.attach(server.answer()["port"])
        yield link


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD for files below `folder`, with HTTP's single ranges (RFC 9110, section 14)."""

    protocol_version = "HTTP/1.1"  # connections are kept
    wbufsize = -1  # so that head and content leave in one piece
    disable_nagle_algorithm = True
    folder = Path()

    def do_GET(self) -> None:
        path = (self.folder / unquote(self.path).lstrip("/")).resolve()
        if not path.is_relative_to(self.folder) or not path.is_file():
            self.send_error(404)
            return
        size, span = path.stat().st_size, re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        start, stop = (int(span[1]), min(int(span[2]) + 1, size)) if span else (0, size)
        if start > stop:
            self.send_error(416)
            return
        self.send_response(206 if span else 200)
        self.send_header("Content-Length", str(stop - start))
        if span:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        self.end_headers()
        if self.command == "GET":
            with path.open("rb") as file:
                file.seek(start)
                left = stop - start
                while left and (piece := file.read(min(left, _PIECE))):
                    self.wfile.write(piece)
                    left -= len(piece)

    do_HEAD = do_GET

    def log_message(self, *_) -> None:
        """Say nothing: the parent reads what this process prints."""


def main(folder: str) -> None:
    """Run in the helper: listen, say the port, and end with the parent."""
    _Handler.folder = Path(folder).resolve()
    server = ThreadingTCPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    say({"port": server.server_address[1]})
    serve(lambda _: {})


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
