"""How long a message takes from one process to another over TCP, without leaving the computer.

It is the network without the wire: what the operating system and its sockets cost. A real link adds to both numbers.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

import torch

from labkit import clock
from labkit.costs import Costs
from labkit.measure.helper import Helper, HelperFailed, say
from labkit.measure.pace import Paced
from labkit.progress import report

SECONDS = 4  # about how long it takes
NAMES = ("message",)
SIZES = tuple(4**k for k in range(14))  # bytes: 1 B to 64 MiB
CHUNK = 2**20  # bytes that one call sends or receives at most
PACEMAKER = 4**8  # bytes of the message that tells how fast the machine runs at the moment
_BUDGET = 0.15
_PATIENCE_S = 20
_HEAD = struct.Struct("!Q")


def calibrate(device: torch.device) -> Costs:
    """Time messages that are sent, received whole, and acknowledged by one byte: seconds against bytes.

    Every other size of `SIZES` is measured; those between are left for a prediction. Where no connection can be had
    it is missing.
    """
    try:
        with session() as message:
            timed, curve = Paced(lambda: message(PACEMAKER), budget=_BUDGET), []
            for done, size in enumerate(SIZES[::2]):
                report(done / len(SIZES[::2]), "Calibrating: messages over loopback TCP")
                curve.append([size, timed(lambda size=size: message(size))])
            return timed.costs({"message": curve})
    except (OSError, HelperFailed) as trouble:
        return Costs.unavailable(NAMES, f"Two processes cannot talk over the loopback interface ({trouble}). A "
                                        "firewall or a sandbox may forbid it.")


@contextmanager
def session() -> Iterator[Callable[[int], float]]:
    """Start a receiver on 127.0.0.1 and yield a function that sends it so many bytes and returns the seconds taken.

    Of several messages it returns the fastest: what the exchange takes when the scheduler lets both processes run. The
    receiver ends with the `with` block.

    Raises:
        OSError, HelperFailed: no connection.
    """
    data = memoryview(bytearray(SIZES[-1]))
    with Helper("labkit.measure.loopback") as receiver:
        with socket.create_connection(("127.0.0.1", receiver.answer()), timeout=_PATIENCE_S) as line:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def message(size: int) -> float:
                begin = perf_counter()
                line.sendall(_HEAD.pack(size))
                for start in range(0, size, CHUNK):
                    line.sendall(data[start:min(start + CHUNK, size)])
                if not line.recv(1):
                    raise HelperFailed("The receiver closed the connection in the middle of a message.")
                return perf_counter() - begin

            for size in SIZES[::4]:  # the first messages find the connection cold
                message(size)
            yield lambda size: clock.fastest(lambda: message(size))()


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
