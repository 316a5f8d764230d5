"""What a web service says to clients that ask badly, slowly, or hang up: single requests over plain sockets."""

from __future__ import annotations

import socket
from contextlib import suppress
from time import monotonic, sleep

from labkit.runtimes.onnx_session import SIDE

PICTURE = bytes(3 * SIDE * SIDE)
_PATIENCE_S = 10.0
_PAUSE_S = 0.1  # between two bytes of a slow client
CUT_OFF = 0  # in place of a status: the service closed the connection without a word


def request(body: bytes = PICTURE, kind: str = "application/octet-stream", size: int | None = None) -> bytes:
    """Return a request to classify, with the length that it states, that of the body unless given."""
    length = len(body) if size is None else size
    return (f"POST /classify HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {length}\r\n\r\n").encode() + body


REQUESTS = {
    "a picture": request(),
    "half a picture": request(PICTURE[:1536]),
    "nothing": request(b""),
    "a picture too many": request(2 * PICTURE),
    "a gigabyte, announced": request(PICTURE, size=10**9),
    "a text": request(b"A cat, please.", "text/plain"),
    "no HTTP": b"\x00\xff" * 500 + b"\r\n\r\n",
    "an endless head": b"GET /" + b"a" * 200_000,
    "another page": b"GET /admin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
}


def ask(port: int, message: bytes) -> tuple[int, str]:
    """Send a message and return the status and the words of the answer."""
    with socket.create_connection(("127.0.0.1", port), _PATIENCE_S) as line:
        with suppress(OSError):  # the other side may close while we still send
            line.sendall(message)
        return _answer(line)


def dawdle(port: int, message: bytes) -> tuple[int, str, float]:
    """Send a message byte by byte, as slowly as `_PAUSE_S` says; also return the seconds until the service had enough.

    Raises:
        TimeoutError: it bore it for too long.
    """
    begin, place = monotonic(), 0
    with socket.create_connection(("127.0.0.1", port), _PATIENCE_S) as line:
        while monotonic() < begin + _PATIENCE_S:
            try:
                line.sendall(message[place:place + 1])
                place += 1
                line.settimeout(_PAUSE_S)
                line.recv(1, socket.MSG_PEEK)  # an answer, or the end
            except TimeoutError:
                continue
            except OSError:
                return CUT_OFF, "", monotonic() - begin
            line.settimeout(_PATIENCE_S)
            return *_answer(line), monotonic() - begin
    raise TimeoutError(f"The service listened to a slow client for {_PATIENCE_S:g} s.")


def hang_up(port: int, message: bytes) -> None:
    """Send a message and close the connection at once."""
    with socket.create_connection(("127.0.0.1", port), _PATIENCE_S) as line:
        line.sendall(message)
        sleep(0.001)


def _answer(line: socket.socket) -> tuple[int, str]:
    found = b""
    with suppress(ConnectionError):
        while some := line.recv(2**16):
            found += some
    head, _, body = found.partition(b"\r\n\r\n")
    return (int(head[9:12]) if head else CUT_OFF), body.decode(errors="replace")
