"""What edge and cloud say to each other: a head of fixed size, then raw numbers.

A request is a head and what the network is to go on from: a picture's bytes, or 32-bit floats behind some layer. An
answer is a head and the scores, or a refusal in words. Every size is known before anything is read, so that nothing is
allocated on another's word, and nothing that arrives is ever executed. Numbers are little-endian.
"""

from __future__ import annotations

import socket
import struct
from time import perf_counter

import numpy as np

HEAD = struct.Struct("<4sBBHII")  # mark, version, what, width of the network, number of the request, bytes that follow
MARK, VERSION = b"C2Ed", 1
ECHO, SCORES, REFUSAL = 200, 201, 202  # other values of `what`: the layers that the edge has run, 0 for the picture
ANSWER = HEAD.size + 4 * 3  # bytes of an answer: a score for each class
LONGEST_ECHO = 2**20  # bytes
_LONGEST_REFUSAL = 500


class NoAnswer(RuntimeError):
    """The cloud did not answer in time, or not at all; the message says how."""


class BadAnswer(NoAnswer):
    """What came is no answer of this course's cloud; the message says why."""


def head(what: int, width: int, number: int, size: int) -> bytes:
    """Return the head of a message."""
    return HEAD.pack(MARK, VERSION, what, width, number, size)


def read_head(line: socket.socket, until: float) -> tuple[int, int, int, int]:
    """Return what, width, number and bytes of the next message.

    Raises:
        BadAnswer: what came is no such head.
        OSError: the connection ended (`ConnectionError`) or it took too long (`TimeoutError`).
    """
    mark, version, *rest = HEAD.unpack(read(line, HEAD.size, until))
    if mark != MARK:
        raise BadAnswer(f"The other side speaks something else: its message begins with {mark!r}.")
    if version != VERSION:
        raise BadAnswer(f"The other side speaks version {version} of the course's protocol, this one {VERSION}.")
    return tuple(rest)


def read(line: socket.socket, size: int, until: float) -> bytes:
    """Return exactly `size` bytes that arrive before `until` on the clock of `perf_counter`; raises as `read_head`."""
    buffer = bytearray(size)
    read_into(line, memoryview(buffer), until)
    return bytes(buffer)


def read_into(line: socket.socket, buffer: memoryview, until: float) -> None:
    """Fill a buffer with what arrives, as `read` does."""
    got = 0
    while got < len(buffer):
        line.settimeout(_left(until))
        count = line.recv_into(buffer[got:])
        if not count:
            raise ConnectionError("the other side closed the connection")
        got += count


def send(line: socket.socket, message: bytes, until: float) -> None:
    """Send a message, or fail as `read` does."""
    line.settimeout(_left(until))
    line.sendall(message)


def _left(until: float) -> float:
    left = until - perf_counter()
    if left <= 0:
        raise TimeoutError("it took too long")
    return left


def numbers(values: np.ndarray) -> bytes:
    """Return 32-bit floats as bytes."""
    return np.ascontiguousarray(values, "<f4").tobytes()


def scores(payload: bytes) -> np.ndarray:
    """Return scores, float32, from bytes; raises `BadAnswer` where one is not finite."""
    found = np.frombuffer(payload, "<f4").astype(np.float32)
    if not np.isfinite(found).all():
        raise BadAnswer(f"The cloud's scores are not finite: {found.tolist()}.")
    return found


def refusal(line: socket.socket, size: int, until: float) -> str:
    """Return the words of a refusal whose head has been read."""
    if size > _LONGEST_REFUSAL:
        raise BadAnswer(f"The cloud refuses in {size} bytes, which is too long to be one.")
    return read(line, size, until).decode(errors="replace")


def refuse(line: socket.socket, number: int, words: str, until: float) -> None:
    """Send a refusal."""
    text = words.encode()[:_LONGEST_REFUSAL]
    send(line, head(REFUSAL, 0, number, len(text)) + text, until)
