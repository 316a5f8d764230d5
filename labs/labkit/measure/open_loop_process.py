"""The process of the load generator (`labkit.measure.open_loop`)."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import math
import selectors
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter, process_time

from labkit.measure.open_loop import ANSWER_S, COLUMNS, CONNECTING_S, LOST, OK, UNSENT, schedule
from labkit.processes import end_with_parent, say, serve
from labkit.serving.open_files import allow_connections
from labkit.specs.network import CLASS_NAMES

_CONNECTIONS = 900  # at once, at most: `select` takes 1,024 files
_KEPT = 16  # connections that stand before the first request of an open loop
_AHEAD_S = 0.05  # from the order to the first moment at which a request can be due
_STALE_S = 0.5  # an idle connection older than this is not used: the server may be about to close it
_OWN_LIMITS = (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL)  # no file or port is left to this side


@dataclass(slots=True)
class _Request:
    """A row of `labkit.measure.open_loop.Load`."""

    due: float
    sent: float = math.nan
    seconds: float = math.nan
    status: int = LOST
    right: bool = False
    batch: int = 0
    waited: float = math.nan
    computed: float = math.nan
    handed: float = math.nan


class _Run:
    """Sends requests over a pool of connections, and notes what becomes of them.

    Args:
        messages: the requests' bytes; they take turns.
        choices: the class that each should be answered with.
        ports: of the servers, which take turns.
        connections: open at once, at most.
    """

    def __init__(self, messages: Sequence[bytes], choices: Sequence[str], ports: Sequence[int], connections: int):
        self.loop, self.start = asyncio.get_running_loop(), 0.0
        self.idle: list[list[_Connection]] = [[] for _ in ports]
        self.requests: list[_Request] = []
        self.connected = self.unanswered = 0
        self.again: Callable[[], None] | None = None  # what a closed loop does after an answer
        self._messages, self._choices, self._ports, self._most = messages, choices, ports, connections
        self._all_answered, self._connecting = asyncio.Event(), set()

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return self.loop.time() - self.start

    async def connect(self, server: int) -> _Connection:
        """Open a connection."""
        self.connected += 1
        try:
            _, connection = await asyncio.wait_for(self.loop.create_connection(
                lambda: _Connection(self, server), "127.0.0.1", self._ports[server]), CONNECTING_S)
        except (OSError, TimeoutError):
            self.connected -= 1
            raise
        return connection

    def ask(self, due: float) -> None:
        """Send the next request; `due` in seconds since the start."""
        number, request = len(self.requests), _Request(due)
        self.requests.append(request)
        self.unanswered += 1
        server = number % len(self._ports)
        idle = self.idle[server]
        while idle and self.loop.time() > idle[0].since + _STALE_S:
            idle.pop(0).close()
        if idle:
            idle.pop().send(number, request)
        elif self.connected < self._most:
            task = self.loop.create_task(self._ask_over_new_connection(server, number, request))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)
        else:
            request.status = UNSENT
            self.done()

    async def _ask_over_new_connection(self, server: int, number: int, request: _Request) -> None:
        try:
            connection = await self.connect(server)
        except (OSError, TimeoutError) as trouble:
            request.status = UNSENT if getattr(trouble, "errno", None) in _OWN_LIMITS else LOST
            self.done()
        else:
            connection.send(number, request)

    def message(self, number: int) -> bytes:
        """Return the request with a number."""
        return self._messages[number % len(self._messages)]

    def note(self, request: _Request, number: int, status: int, body: bytes) -> None:
        """Note an answer."""
        request.seconds, request.status = self.now - request.due, status
        if status == OK:
            answer = json.loads(body)
            request.right = answer["class"] == self._choices[number % len(self._choices)]
            request.batch, request.waited = answer["batch"], answer["waited"]
            request.computed, request.handed = answer["computed"], answer["handed"]

    def done(self, connection: _Connection | None = None) -> None:
        """Take a connection back after an answer, or none where it is gone."""
        if connection is not None:
            connection.since = self.loop.time()
            self.idle[connection.server].append(connection)
        self.unanswered -= 1
        if self.again is not None:
            self.again()
        elif not self.unanswered:
            self._all_answered.set()

    async def rest(self) -> None:
        """Wait for the answers that are still to come; what has none by then is lost."""
        self.again = None
        self._all_answered.clear()
        if self.unanswered:
            try:
                await asyncio.wait_for(self._all_answered.wait(), ANSWER_S)
            except TimeoutError:
                return


class _Connection(asyncio.Protocol):
    """One connection, with one request at a time."""

    def __init__(self, run: _Run, server: int):
        self._run, self.server = run, server
        self._request: _Request | None = None
        self._number, self._buffer = 0, b""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport, self.since = transport, self._run.loop.time()

    def close(self) -> None:
        self._transport.close()

    def send(self, number: int, request: _Request) -> None:
        self._number, self._request = number, request
        request.sent = self._run.now - request.due
        self._transport.write(self._run.message(number))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, mark, body = self._buffer.partition(b"\r\n\r\n")
        if not mark or self._request is None:
            return
        size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(body) >= size:
            self._buffer = b""
            request, self._request = self._request, None
            self._run.note(request, self._number, int(head[9:12]), body)
            self._run.done(None if self._transport.is_closing() else self)

    def connection_lost(self, trouble: Exception | None) -> None:
        self._run.connected -= 1
        if self in self._run.idle[self.server]:
            self._run.idle[self.server].remove(self)
        if self._request is not None:
            self._request = None
            self._run.done()


async def _open(run: _Run, moments: Sequence[float]) -> None:
    for moment in moments:
        run.loop.call_at(run.start + moment, run.ask, moment)
    await asyncio.sleep(moments[-1] + _AHEAD_S)
    await run.rest()


async def _closed(run: _Run, clients: int, seconds: float) -> None:
    def again() -> None:
        if run.now < seconds:
            run.loop.call_soon(lambda: run.ask(run.now))

    run.again = again
    for _ in range(clients):
        run.ask(run.now)
    await asyncio.sleep(seconds)
    await run.rest()


async def _load(messages: Sequence[bytes], choices: Sequence[str], connections: int, order: dict) -> dict:
    clients = order.get("clients")
    if clients and clients > connections:
        raise ValueError(f"{clients:,} clients need as many connections; this process may have {connections:,} open at "
                         "once (ulimit -n).")
    run = _Run(messages, choices, order["ports"], connections)
    for server in range(len(order["ports"])):
        run.idle[server] = [await run.connect(server) for _ in range(clients or min(_KEPT, connections))]
    gc.collect()
    gc.disable()
    begin, own = perf_counter(), process_time()
    if clients:
        run.start = run.loop.time()
        await _closed(run, clients, order["seconds"])
    else:
        run.start = run.loop.time() + _AHEAD_S
        await _open(run, schedule(order["rate"], order["seconds"], order["seed"], order["even"]))
    busy = (process_time() - own) / (perf_counter() - begin)
    gc.enable()
    columns = {name: [getattr(request, name) for request in run.requests] for name in COLUMNS}
    return {"busy": busy, "connections": connections, **columns}


def _loop() -> asyncio.AbstractEventLoop:
    """Return a loop whose timers are exact to the microsecond: `epoll` counts in milliseconds, `select` does not."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


def main(path: str) -> None:
    """Load the pictures, then obey."""
    from safetensors.numpy import load_file

    kept = load_file(path)
    head = "POST /classify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/octet-stream\r\nContent-Length: "
    messages = [f"{head}{picture.nbytes}\r\n\r\n".encode() + picture.tobytes() for picture in kept["pictures"]]
    choices = [CLASS_NAMES[choice] for choice in kept["choices"]]
    connections = allow_connections(_CONNECTIONS)

    def obey(order: dict) -> dict:
        with asyncio.Runner(loop_factory=_loop) as runner:
            return runner.run(_load(messages, choices, connections, order))

    orders = end_with_parent()
    say({})
    serve(obey, orders)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
