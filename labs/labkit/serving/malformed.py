"""What a web service says to clients that ask badly, slowly, or hang up: single requests over plain sockets."""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from time import monotonic, sleep

from labkit.specs import network

SIZE = prod(network.PICTURE)  # bytes
PICTURE = bytes(SIZE)
_TIMEOUT_S = 10.0
_PAUSE_S = 0.1  # between two bytes of a slow client
CUT_OFF, SILENT = 0, -1  # in place of a status: the service closed the connection without a word, or did nothing
_WORDS = {CUT_OFF: "cut off", SILENT: "no answer"}


@dataclass(frozen=True)
class Reply:
    """What a client heard.

    Args:
        status: of HTTP, `CUT_OFF` or `SILENT`.
        text: the body.
        seconds: from the first byte sent until the service had closed the connection.
    """

    status: int
    text: str
    seconds: float

    def __str__(self) -> str:
        return f"{_WORDS.get(self.status, self.status)}: {self.text}".removesuffix(": ")


def request(body: bytes = PICTURE, kind: str = "application/octet-stream", size: int | None = None) -> bytes:
    """Return a request to classify, with the length that it states, that of the body unless given."""
    length = len(body) if size is None else size
    return (f"POST /classify HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {length}\r\n\r\n").encode() + body


WELL_FORMED = {
    "a picture": request(),
    "its type in capitals": request(kind="Application/Octet-Stream"),
    "its type with a charset": request(kind="application/octet-stream ; charset=binary"),
}
MALFORMED = {
    "half a picture": request(PICTURE[:SIZE // 2]),
    "nothing": request(b""),
    "a picture too many": request(2 * PICTURE),
    "a gigabyte, announced": request(PICTURE, size=10**9),
    "a text": request(b"A cat, please.", "text/plain"),
    "no HTTP": b"\x00\xff" * 500 + b"\r\n\r\n",
    "an endless head": b"GET /" + b"a" * 200_000,
    "another page": b"GET /admin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
}


def send(port: int, message: bytes, half_close: bool = False) -> Reply:
    """Send a message and return what the service says.

    Args:
        port: of the service on 127.0.0.1.
        message: the bytes.
        half_close: whether the client says at once that it will send no more, and goes on listening.
    """
    begin = monotonic()
    try:
        with socket.create_connection(("127.0.0.1", port), _TIMEOUT_S) as connection:
            with suppress(OSError):  # the other side may close while we still send
                connection.sendall(message)
                if half_close:
                    connection.shutdown(socket.SHUT_WR)
            return _reply(connection, begin)
    except TimeoutError:
        return Reply(SILENT, "", monotonic() - begin)


def send_slowly(port: int, message: bytes) -> Reply:
    """Send a message byte by byte, as slowly as `_PAUSE_S` says, until the service has had enough, or we have."""
    begin, place = monotonic(), 0
    with socket.create_connection(("127.0.0.1", port), _TIMEOUT_S) as connection:
        while monotonic() < begin + _TIMEOUT_S:
            try:
                connection.sendall(message[place:place + 1])
                place += 1
                connection.settimeout(_PAUSE_S)
                connection.recv(1, socket.MSG_PEEK)  # an answer, or the end
            except TimeoutError:
                continue
            except OSError:
                return Reply(CUT_OFF, "", monotonic() - begin)
            connection.settimeout(_TIMEOUT_S)
            return _reply(connection, begin)
    return Reply(SILENT, "", monotonic() - begin)


def send_half_a_body(port: int) -> Reply:
    """Send all of a request but the end of its picture, and wait."""
    return send(port, request(PICTURE[:SIZE // 2], size=SIZE))


def hang_up(port: int, message: bytes) -> None:
    """Send a message and close the connection at once."""
    with socket.create_connection(("127.0.0.1", port), _TIMEOUT_S) as connection:
        connection.sendall(message)
        sleep(0.001)


def _reply(connection: socket.socket, begin: float) -> Reply:
    received = b""
    with suppress(ConnectionError):
        while some := connection.recv(2**16):
            received += some
    head, _, body = received.partition(b"\r\n\r\n")
    status = int(head[9:12]) if head else CUT_OFF
    return Reply(status, body.decode(errors="replace"), monotonic() - begin)
