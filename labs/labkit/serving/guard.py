"""Cuts off clients that do not finish what they began to ask, and sends answers at once.

Uvicorn closes a connection that is silent between two requests, but waits for ever for the rest of a request's head: a
few hundred slow clients, a byte every minute, would hold every connection that a server can have.

An answer's head and body are written one after the other. Left to itself, TCP holds the second back until the first
is confirmed, and the other side takes its time to confirm (Nagle's algorithm, RFC 896, and delayed acknowledgements):
40 ms for every answer. asyncio turns that off only for sockets that name their protocol, and a listening socket does
not.
"""

from __future__ import annotations

import asyncio
import socket

from uvicorn.protocols.http.h11_impl import H11Protocol


class ImpatientProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it; a head must be whole `patience` seconds after its first byte was due."""

    patience = 5.0
    _limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begin to wait for a head."""
        super().connection_made(transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        if self._limit is None and not self._asked:
            self._await_head()
        super().data_received(data)
        if self._asked:
            self._stop()

    def connection_lost(self, trouble: Exception | None) -> None:
        """Forget the connection."""
        self._stop()
        super().connection_lost(trouble)

    @property
    def _asked(self) -> bool:
        """Whether a whole head is there that has no answer yet: the service now limits the time of its body."""
        return self.cycle is not None and not self.cycle.response_complete

    def _await_head(self) -> None:
        self._limit = self.loop.call_later(self.patience, self.transport.abort)

    def _stop(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
