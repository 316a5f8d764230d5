"""Where a data set lies: a folder of this machine, or a store that is asked over HTTP.

Both answer the same calls, so that a format is written and read in one way.
"""

from __future__ import annotations

import http.client
import io
import os
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import numpy as np

PATIENCE_S = 20.0  # for an answer of the store


class Folder:
    """A folder of this machine."""

    def __init__(self, path: Path | str):
        self.path = Path(path)

    def whole(self, name: str) -> bytes:
        """Return the content of a file."""
        return (self.path / name).read_bytes()

    def stream(self, name: str) -> BinaryIO:
        """Return a file that is read from its beginning to its end."""
        return (self.path / name).open("rb")

    seekable = stream

    def array(self, name: str, kind: np.dtype, start: int, stop: int) -> np.ndarray:
        """Return some records of a file, mapped into memory."""
        return np.memmap(self.path / name, kind, "r")[start:stop]


class Store:
    """A server on 127.0.0.1, over one connection that is kept: each call is a request, and waits for its answer.

    Args:
        port: where the server, or the link in front of it, listens.
        folder: what comes before every name.
    """

    def __init__(self, port: int, folder: str):
        self.folder = quote(folder)
        self._port, self._line, self._answer, self._process = port, None, None, 0
        self.requests = 0

    def __getstate__(self) -> dict:
        return {**vars(self), "_line": None, "_answer": None}

    def _ask(self, name: str, span: str = "", method: str = "GET") -> http.client.HTTPResponse:
        if self._line is None or self._process != os.getpid() or self._answer.length:
            # A worker has a connection of its own, and one on which an answer was not read to its end is given up.
            self._line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
            self._process = os.getpid()
        self.requests += 1
        self._line.request(method, f"/{self.folder}/{name}", headers={"Range": f"bytes={span}"} if span else {})
        answer = self._answer = self._line.getresponse()
        if answer.status not in (200, 206):
            answer.read()
            raise FileNotFoundError(f"The store has no '{name}': it answered {answer.status} {answer.reason}.")
        return answer

    def whole(self, name: str) -> bytes:
        """Return the content of an object; raises `FileNotFoundError` where there is none."""
        return self._ask(name).read()

    def stream(self, name: str) -> BinaryIO:
        """Return an object that is read as it arrives, to its end, before anything else is asked for."""
        return self._ask(name)

    def span(self, name: str, start: int, stop: int) -> bytes:
        """Return the bytes of an object from `start` up to `stop`."""
        return self._ask(name, f"{start}-{stop - 1}").read()

    def seekable(self, name: str) -> BinaryIO:
        """Return an object of which each read is a request for a range of bytes."""
        return _Ranges(self, name)

    def array(self, name: str, kind: np.dtype, start: int, stop: int) -> np.ndarray:
        """Return some records of an object, by a request for their bytes."""
        return np.frombuffer(self.span(name, start * kind.itemsize, stop * kind.itemsize), kind)

    def size(self, name: str) -> int:
        """Return the bytes of an object."""
        answer = self._ask(name, method="HEAD")
        answer.read()
        return int(answer.headers["Content-Length"])


class _Ranges(io.RawIOBase):
    """An object of a store as a file."""

    def __init__(self, store: Store, name: str):
        self._store, self._name, self._at, self._size = store, name, 0, store.size(name)

    def readable(self) -> bool:
        return True

    seekable = readable

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer) -> int:
        stop = min(self._at + len(buffer), self._size)
        content = self._store.span(self._name, self._at, stop) if stop > self._at else b""
        buffer[:len(content)] = content
        self._at += len(content)
        return len(content)
