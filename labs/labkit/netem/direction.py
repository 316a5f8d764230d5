"""One direction of an emulated link: everything that passes waits its turn, then travels.

The link sends one thing after the other at its rate, so that it is busy until some moment; what was sent arrives
half a round trip later, in the order in which it was sent.
"""

from __future__ import annotations

import random
from collections import deque

from labkit.specs.link import LinkSpec, on_the_wire, packets


class Wire:
    """Until when a link is busy in one direction: for all connections that share it."""

    free = 0.0


class Direction:
    """What waits to arrive at one end of the link.

    Args:
        spec: what the link is; set it anew at any time, for what comes after.
        seed: of the losses.
        wire: that other connections send over too; one of its own unless given.
    """

    def __init__(self, spec: LinkSpec, seed: int = 0, wire: Wire | None = None):
        self.spec, self.wire = spec, wire or Wire()
        self.bytes = 0
        self._free = self._last = 0.0
        self._queue: deque[tuple[float, bytes]] = deque()
        self._random = random.Random(seed)

    def packet(self, now: float, packet: bytes) -> None:
        """Send a packet with its headers, or lose it."""
        self._send(now, len(packet))
        if self._random.random() >= self.spec.loss:
            self._put(packet)

    def stream(self, now: float, piece: bytes) -> None:
        """Send a piece of a stream that may not lose anything: each lost packet holds up all that follows.

        The piece stands for a message (`LinkSpec.stall`); a packet that is sent again may be lost again.
        """
        self._send(now, on_the_wire(len(piece)))
        if self.spec.loss:
            for behind in range(packets(len(piece))):
                while self._random.random() < self.spec.loss:
                    self._free += self.spec.stall(behind)
        self._put(piece)

    def end(self) -> None:
        """Say that the stream ends here, with an empty piece."""
        self._put(b"")

    def _send(self, now: float, size: int) -> None:
        """Keep the wire busy for some bytes; a loss before holds up this connection alone."""
        busy = size / self.spec.rate
        self.wire.free = max(now, self.wire.free) + busy
        self._free = max(now, self._free) + busy
        self._free = max(self._free, self.wire.free)

    def _put(self, content: bytes) -> None:
        self._last = max(self._free + self.spec.round_trip / 2, self._last)
        self._queue.append((self._last, content))
        self.bytes += len(content)

    @property
    def due(self) -> float | None:
        """When the next thing arrives, on the clock that `now` is read from; None if nothing is on its way."""
        return self._queue[0][0] if self._queue else None

    def arrived(self, now: float) -> bytes | None:
        """Return what has arrived, one thing at a time, or None."""
        if not self._queue or self._queue[0][0] > now:
            return None
        content = self._queue.popleft()[1]
        self.bytes -= len(content)
        return content
