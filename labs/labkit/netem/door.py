"""Where processes hand each other open files: a socket in the file system, behind which a thread waits (Linux).

The address of such a socket has room for 107 bytes (unix(7)), and a folder may lie deeper than that. So it is reached
through the folder's own file descriptor.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def serve(place: str | Path, meet: Callable[[socket.socket], object]) -> None:
    """Let a thread meet one visitor after the other at a new door; it stays in the network that its creator is in.

    Args:
        place: of the door.
        meet: is given the visitor's socket, which is closed afterwards; an `OSError` concerns that visitor alone.
    """
    door = socket.socket(socket.AF_UNIX)
    with _reachable(place) as address:
        door.bind(address)
    door.listen()

    def receive():
        while True:
            visitor, _ = door.accept()
            with visitor:
                try:
                    meet(visitor)
                except OSError:
                    continue

    threading.Thread(target=receive, daemon=True).start()


@contextmanager
def visit(place: str | Path, limit: float) -> Iterator[socket.socket]:
    """Yield a socket to whoever serves the door; raises `OSError` where nobody does within `limit` seconds."""
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.settimeout(limit)
        with _reachable(place) as address:
            visitor.connect(address)
        yield visitor


@contextmanager
def _reachable(place: str | Path) -> Iterator[str]:
    folder = os.open(Path(place).parent, os.O_PATH)
    try:
        yield f"/proc/self/fd/{folder}/{Path(place).name}"
    finally:
        os.close(folder)
