"""An emulated link where Linux allows it: two networks in user space, and every packet between them passes this pump.

A helper process makes the two networks (`labkit.netem.namespaces`). Client and server keep running where they
are: they only get their sockets from here, and a socket belongs to the network that it was made in. So real TCP meets
delay, queue and loss. All of it ends with the helper.
"""

from __future__ import annotations

import shutil
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from labkit.netem import door, namespaces
from labkit.processes import say, serve

EDGE, CLOUD = "192.0.2.1", "192.0.2.2"  # addresses reserved for examples (RFC 5737)


def _hand_out(place: str, make: Callable[[], socket.socket]) -> None:
    """Give everybody who comes to a door a socket of the network that this thread is in now."""

    def meet(visitor):
        with make() as made:
            socket.send_fds(visitor, [b"s"], [made.fileno()])

    door.serve(place, meet)


def _usual(made: socket.socket) -> socket.socket:
    """Let a socket send as most do (CUBIC, RFC 9438), whatever this computer prefers, where it can."""
    with suppress(OSError):
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
    return made


def fetch(place: str, limit: float) -> socket.socket:
    """Return a socket from the door at `place`; raises `OSError` where none is to be had within `limit` seconds."""
    with door.visit(place, limit) as visitor:
        _, handles, _, _ = socket.recv_fds(visitor, 1, 1)
    if not handles:
        raise OSError("The tunnel gave no socket.")
    return socket.socket(fileno=handles[0])


def main(folder: str) -> None:
    """Run in the helper: make the networks, say that they are ready, then obey `{"link": …}` and `{"up": …}`.

    Sockets are to be had at the doors `edge` and `cloud` in `folder`.
    """
    try:
        namespaces.enter()
        near = namespaces.device(EDGE)
        _hand_out(f"{folder}/edge", lambda: _usual(socket.socket()))
        namespaces.enter_another()  # this thread goes on, the first door's stays
        far = namespaces.device(CLOUD)
        _hand_out(f"{folder}/cloud", lambda: _usual(socket.create_server((CLOUD, 0))))
    except OSError as trouble:
        say({"error": f"{trouble.strerror or trouble}"})
        return
    pump = namespaces.Pump()
    pump.join(EDGE, near)
    pump.join(CLOUD, far)
    threading.Thread(target=pump.run, daemon=True).start()
    say({})
    serve(pump.obey)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
