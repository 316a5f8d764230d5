"""An emulated link everywhere: a relay on 127.0.0.1 that passes the bytes of a connection on, late and slowly.

It runs as a helper process between client and server. Both of them talk TCP to the relay, without loss; so a lost
packet is emulated as the wait that it would cause.
"""

from __future__ import annotations

import select
import socket
import sys
import threading
from contextlib import suppress
from time import perf_counter, sleep

from labkit.netem.direction import Direction, Wire
from labkit.processes import say, serve
from labkit.specs.link import LinkSpec

_GLANCE_S = 0.01  # how soon a change of the link is noticed while nothing moves
_PIECE = 2**16  # bytes read at once, more than most messages have
_MOST = 2**22  # bytes on their way in one direction: more has to wait at the sender
_CONNECTING_S = 2.0


class Relay:
    """Passes connections on from a port of its own.

    Args:
        spec: what the link is.
    """

    def __init__(self, spec: LinkSpec):
        self.spec, self.target, self.up = spec, None, True
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._ways: list[_Way] = []
        self._wires = (Wire(), Wire())  # all connections share them
        self._seed = 0

    def run(self) -> None:
        """Pass on what comes, for ever. While the link is down, nothing is accepted, read or passed on."""
        while True:
            if not self.up:
                sleep(_GLANCE_S)
                continue
            dues = [way.line.due - perf_counter() for way in self._ways if way.line.due is not None]
            wait = min([_GLANCE_S, *(max(due, 0.0) for due in dues)])
            sources = [way.source for way in self._ways if not way.ended and way.line.bytes < _MOST]
            ready = select.select([self._listener, *sources], [], [], wait)[0]
            if self._listener in ready:
                self._accept()
            for way in list(self._ways):
                way.line.spec = self.spec
                if way.source in ready:
                    way.read(perf_counter())
                if not way.deliver(perf_counter()):
                    self._drop(way)

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        try:
            far = socket.create_connection(self.target, timeout=_CONNECTING_S)
        except (OSError, TypeError):  # no server there, or none yet
            near.close()
            return
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.settimeout(_CONNECTING_S)
        for source, sink, wire in ((near, far, self._wires[0]), (far, near, self._wires[1])):
            self._seed += 1
            self._ways.append(_Way(source, sink, Direction(self.spec, self._seed, wire)))

    def _drop(self, way: _Way) -> None:
        ends = {way.source, way.sink}
        self._ways = [other for other in self._ways if other.source not in ends]
        for end in ends:
            end.close()


class _Way:
    """One direction of one connection."""

    def __init__(self, source: socket.socket, sink: socket.socket, line: Direction):
        self.source, self.sink, self.line, self.ended = source, sink, line, False

    def read(self, now: float) -> None:
        piece = b""
        with suppress(OSError):
            piece = self.source.recv(_PIECE)
        if piece:
            self.line.stream(now, piece)
        else:
            self.ended = True
            self.line.end()

    def deliver(self, now: float) -> bool:
        """Pass on what has arrived; False once the connection is over."""
        while (piece := self.line.arrived(now)) is not None:
            if not piece:
                return False
            try:
                self.sink.sendall(piece)
            except OSError:
                return False
        return True


def main() -> None:
    """Run in the helper: say the port, then obey `{"link": …}`, `{"target": port}` and `{"up": …}`."""
    relay = Relay(LinkSpec())

    def obey(order):
        if "link" in order:
            relay.spec = LinkSpec(*order["link"])
        if "target" in order:
            relay.target = ("127.0.0.1", order["target"])
        relay.up = order.get("up", relay.up)
        return {}

    threading.Thread(target=relay.run, daemon=True).start()
    say({"port": relay.port})
    serve(obey)


if __name__ == "__main__":
    sys.exit(main())
