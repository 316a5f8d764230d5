"""How long a message takes from one process to another over TCP, without leaving the computer.

It is the network without the wire: what the operating system and its sockets cost. A real link adds to both numbers.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

from labkit.processes import Helper, HelperFailed, say
from labkit.progress import report
from labkit.specs.calibration import Calibration
from labkit.timing import clock
from labkit.timing.drift import DriftCorrected, thinned

if TYPE_CHECKING:  # the process that receives starts at once without it
    import torch

SECONDS = 9  # about how long it takes
KEYS = (("message",),)
SIZES = tuple(4**k for k in range(14))  # bytes: 1 B to 64 MiB
CHUNK = 2**20  # bytes that one call sends or receives at most
REFERENCE = 4**8  # bytes of the message that tells how fast the machine runs at the moment
_BUDGET = 0.2
_BLOCK_S = 0.08  # seconds of messages in one sample
_PATIENCE_S = 20
_HEAD = struct.Struct("!Q")


def calibrate(device: torch.device) -> Calibration:
    """Time messages that are sent, received whole, and acknowledged by one byte.

    Returns:
        `("message",)`: seconds of one message; the work is bytes. Where no connection can be had it is missing.
    """
    try:
        with session() as message:
            timed = DriftCorrected(partial(message, REFERENCE), budget=_BUDGET, seconds=SECONDS)
            report(0, "Calibrating: messages over loopback TCP")
            return timed.calibration({("message",): timed.curve(thinned(SIZES), lambda size: partial(message, size))})
    except (OSError, HelperFailed) as trouble:
        return Calibration.unavailable(KEYS, f"Two processes cannot talk over the loopback interface ({trouble}). A "
                                        "firewall or a sandbox may forbid it.")


@contextmanager
def session() -> Iterator[Callable[[int], float]]:
    """Start a receiver and yield a function that sends it so many bytes and returns the seconds taken.

    Of the messages that fit in `_BLOCK_S` it returns the fastest: what the exchange takes when the scheduler lets both
    processes run.

    Raises:
        OSError, HelperFailed: no connection.
    """
    with connection() as message:
        yield lambda size: clock.fastest(partial(message, size), block=_BLOCK_S)()


@contextmanager
def connection() -> Iterator[Callable[[int], float]]:
    """Start a receiver on 127.0.0.1 and yield a function that sends it one message and returns the seconds taken.

    A message may have any size: it is one chunk again and again, so that sending it reads no memory beyond the caches.
    The receiver ends with the `with` block.

    Raises:
        OSError, HelperFailed: no connection.
    """
    chunk = memoryview(bytearray(CHUNK))
    with (Helper("labkit.measure.probes.loopback") as receiver,
          socket.create_connection(("127.0.0.1", receiver.answer()), timeout=_PATIENCE_S) as line):
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def message(size: int) -> float:
            begin = perf_counter()
            line.sendall(_HEAD.pack(size))
            for start in range(0, size, CHUNK):
                line.sendall(chunk[:size - start])
            if not line.recv(1):
                raise HelperFailed("The receiver closed the connection in the middle of a message.")
            return perf_counter() - begin

        for size in SIZES[::4]:  # the first messages find the connection cold
            message(size)
        yield message


def receive() -> None:
    """Run in the helper: take messages from one sender until it closes the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(_PATIENCE_S)
        say(server.getsockname()[1])
        line, _ = server.accept()
    with line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        buffer = memoryview(bytearray(CHUNK))
        while head := line.recv(_HEAD.size, socket.MSG_WAITALL):
            left = _HEAD.unpack(head)[0]
            while left:
                got = line.recv_into(buffer, min(left, CHUNK))
                if not got:
                    return
                left -= got
            line.sendall(b"k")


if __name__ == "__main__":
    sys.exit(receive())
