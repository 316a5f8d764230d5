"""A load generator in a process of its own: requests that come when they come, whether the server keeps up or not.

*Open loop*: the moments of all requests are drawn before the first is sent, as those of a Poisson process, and an
answer counts from the moment when its request was due. A generator that waits for an answer before it asks again
(*closed loop*) leaves out what would have been asked meanwhile. Both are here, so that they can be set side by side.
Connections are kept alive, and as many are opened as are needed.
"""

from __future__ import annotations

import asyncio
import gc
import json
import math
import selectors
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

from labkit.inputs import above_zero
from labkit.processes import Helper, end_with_parent, say, serve

PATIENCE_S = 10.0  # for an answer, after which it counts as lost
OK, SHED, LOST = 200, 503, 0
_AHEAD_S = 0.05  # from the order to the first moment at which a request can be due
_LINES = 900  # connections at once, at most: `select` takes 1,024 files
_STARTING_S = 10.0
_STALE_S = 0.5  # an idle connection older than this is not used: the server may be about to close it
COLUMNS = ("due", "sent", "seconds", "status", "right", "batch", "waited", "computed", "handed")


def schedule(rate: float, seconds: float, seed: int = 0, even: bool = False) -> np.ndarray:
    """Return the moments of requests in seconds from the start, float64 (n,): those of a Poisson process.

    Args:
        rate: requests a second, on average.
        seconds: for how long.
        seed: of the draw.
        even: at equal distances instead.

    Raises:
        ValueError: a rate or a time that is not finite and above 0, or less than one request in all.
    """
    above_zero(rate=rate, seconds=seconds)
    count = round(rate * seconds)
    if count < 1:
        raise ValueError(f"{rate:g} requests a second make not one in {seconds:g} s: ask for more, or for longer.")
    if even:
        return np.arange(count) / rate
    return np.cumsum(np.random.default_rng(seed).exponential(1 / rate, count))


@dataclass(frozen=True)
class Load:
    """What became of some requests; the arrays have an entry for each, in the order in which they were due.

    Args:
        due: seconds from the start at which it was due.
        sent: seconds after that at which it was sent.
        seconds: from when it was due to its whole answer.
        status: of HTTP; `LOST` where no answer came.
        right: whether the answer named the class that it should.
        batch: how many pictures the server answered together with it, and what it says of its time in seconds:
        waited, computed, handed: in the queue, in the network, and passing the work to its thread and back.
        busy: the generator's own processor time, as a share of one core's.
    """

    due: np.ndarray
    sent: np.ndarray
    seconds: np.ndarray
    status: np.ndarray
    right: np.ndarray
    batch: np.ndarray
    waited: np.ndarray
    computed: np.ndarray
    handed: np.ndarray
    busy: float

    def count(self, status: int) -> int:
        """Return how many were answered with a status."""
        return int((self.status == status).sum())

    @property
    def answered(self) -> np.ndarray:
        """Seconds of the answers that were answers."""
        return self.seconds[self.status == OK]

    @property
    def rate(self) -> float:
        """Answers a second, from the first tenth of the time on, until the last request was due."""
        return float((self.status[self.late] == OK).sum() / (self.due[-1] - self.due[self.late][0]))

    @property
    def late(self) -> np.ndarray:
        """Which requests were due after the first tenth of the time, when the server had settled."""
        return self.due > self.due[-1] / 10

    @property
    def wrong(self) -> int:
        """How many answers named another class than they should."""
        return int((~self.right[self.status == OK]).sum())


class Generator:
    """A generator that has started.

    Args:
        helper: its process.
    """

    def __init__(self, helper: Helper):
        self._helper = helper

    def open(self, ports: int | Sequence[int], rate: float, seconds: float, seed: int = 0, even: bool = False,
             meanwhile: Callable[[], object] | None = None) -> Load:
        """Send requests at the moments of a `schedule`, whatever the answers do.

        Args:
            ports: of servers on 127.0.0.1 that take turns.
            rate, seconds, seed, even: as in `schedule`.
            meanwhile: is called while the requests run.

        Raises:
            ValueError: as `schedule`.
            HelperFailed: the generator failed, or found no server.
        """
        schedule(rate, seconds, seed, even)
        order = {"rate": rate, "seconds": seconds, "seed": seed, "even": even}
        return self._run(ports, order, seconds, meanwhile)

    def closed(self, ports: int | Sequence[int], clients: int, seconds: float,
               meanwhile: Callable[[], object] | None = None) -> Load:
        """Let some clients ask, each again as soon as it has its answer; times count from sending.

        Raises:
            ValueError: fewer than one client, or a time that is not finite and above 0.
            HelperFailed: as `open`.
        """
        if not isinstance(clients, int) or clients < 1 or not 0 < seconds < math.inf:
            raise ValueError(f"A closed loop needs a client and a time above 0, not {clients!r} and {seconds!r} s.")
        return self._run(ports, {"clients": clients, "seconds": seconds}, seconds, meanwhile)

    def _run(self, ports, order, seconds, meanwhile) -> Load:
        self._helper.tell({"ports": [ports] if isinstance(ports, int) else list(ports), **order})
        if meanwhile:
            meanwhile()
        found = self._helper.answer(seconds + PATIENCE_S + _STARTING_S)
        columns = {name: np.array(found[name], dtype=float) for name in COLUMNS}
        return Load(**{**columns, "status": columns["status"].astype(int), "right": columns["right"] > 0},
                    busy=found["busy"])


@contextmanager
def running(pictures: np.ndarray, choices: np.ndarray) -> Iterator[Generator]:
    """Run a generator for a `with` block.

    Args:
        pictures: bytes (n, 3, 32, 32); requests take them in turn.
        choices: (n,), the class that each should be answered with.

    Raises:
        HelperFailed: it did not start.
    """
    from safetensors.numpy import save_file

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "pictures.safetensors"
        save_file({"pictures": np.ascontiguousarray(pictures), "choices": np.asarray(choices, np.int64)}, path)
        with Helper("labkit.measure.open_loop", str(path)) as helper:
            helper.answer()
            yield Generator(helper)


# Inside the process


class _Run:
    """Sends requests over a pool of connections, and notes what becomes of them."""

    def __init__(self, messages: list[bytes], choices: list[str], ports: list[int]):
        self.loop, self.start = asyncio.get_running_loop(), 0.0
        self.idle: list[list[_Line]] = [[] for _ in ports]
        self.lines, self.rows, self.open = 0, [], 0
        self._messages, self._choices, self._ports = messages, choices, ports
        self._all_answered, self._dialling = asyncio.Event(), set()
        self.again: Callable[[], None] | None = None

    async def connect(self, server: int) -> _Line:
        """Open a connection."""
        self.lines += 1
        _, line = await asyncio.wait_for(
            self.loop.create_connection(lambda: _Line(self, server), "127.0.0.1", self._ports[server]), _STARTING_S)
        return line

    def ask(self, due: float) -> None:
        """Send the next request; `due` on the loop's clock."""
        number = len(self.rows)
        server = number % len(self._ports)
        row = [due - self.start, math.nan, math.nan, LOST, 0, 0, math.nan, math.nan, math.nan]
        self.rows.append(row)
        self.open += 1
        idle = self.idle[server]
        while idle and self.loop.time() > idle[0].since + _STALE_S:
            idle.pop(0).close()
        if idle:
            idle.pop().send(number, row)
        elif self.lines < _LINES:
            task = self.loop.create_task(self._over_new_line(server, number, row))
            self._dialling.add(task)
            task.add_done_callback(self._dialling.discard)
        else:
            self.done(None, row)  # there are no more connections: it is lost

    async def _over_new_line(self, server, number, row) -> None:
        try:
            line = await self.connect(server)
        except (OSError, TimeoutError):
            self.lines -= 1
            self.done(None, row)
        else:
            line.send(number, row)

    def message(self, number: int) -> bytes:
        """Return the request with a number."""
        return self._messages[number % len(self._messages)]

    def note(self, row: list, number: int, status: int, body: bytes) -> None:
        """Note an answer."""
        row[2], row[3] = self.loop.time() - self.start - row[0], status
        if status == OK:
            said = json.loads(body)
            row[4] = said["class"] == self._choices[number % len(self._choices)]
            row[5:] = [said[name] for name in COLUMNS[5:]]

    def done(self, line: _Line | None, row: list) -> None:
        """Take a connection back after an answer, or without one."""
        if line is not None:
            line.since = self.loop.time()
            self.idle[line.server].append(line)
        self.open -= 1
        if self.again is not None:
            self.again()
        elif not self.open:
            self._all_answered.set()

    async def rest(self) -> None:
        """Wait for the answers that are still to come."""
        self.again = None
        self._all_answered.clear()
        if self.open:
            await asyncio.wait_for(self._all_answered.wait(), PATIENCE_S)


class _Line(asyncio.Protocol):
    """One connection, with one request at a time."""

    def __init__(self, run: _Run, server: int):
        self._run, self.server = run, server
        self._row: list | None = None
        self._number, self._buffer = 0, b""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport, self.since = transport, self._run.loop.time()

    def close(self) -> None:
        self._transport.close()

    def send(self, number: int, row: list) -> None:
        self._number, self._row = number, row
        row[1] = self._run.loop.time() - self._run.start - row[0]
        self._transport.write(self._run.message(number))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, mark, body = self._buffer.partition(b"\r\n\r\n")
        if not mark or self._row is None:
            return
        size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(body) >= size:
            self._buffer = b""
            row, self._row = self._row, None
            self._run.note(row, self._number, int(head[9:12]), body)
            self._run.done(None if self._transport.is_closing() else self, row)

    def connection_lost(self, trouble: Exception | None) -> None:
        self._run.lines -= 1
        if self in self._run.idle[self.server]:
            self._run.idle[self.server].remove(self)
        if self._row is not None:
            row, self._row = self._row, None
            self._run.done(None, row)


async def _open(run: _Run, moments: np.ndarray) -> None:
    for moment in moments:
        run.loop.call_at(run.start + moment, run.ask, run.start + moment)
    await asyncio.sleep(moments[-1] + _AHEAD_S)
    await run.rest()


async def _closed(run: _Run, clients: int, seconds: float) -> None:
    def again() -> None:
        if run.loop.time() < run.start + seconds:
            run.loop.call_soon(lambda: run.ask(run.loop.time()))

    run.again = again
    for _ in range(clients):
        run.ask(run.loop.time())
    await asyncio.sleep(seconds)
    await run.rest()


async def _load(messages, choices, order) -> dict:
    run = _Run(messages, choices, order["ports"])
    for server in range(len(order["ports"])):
        run.idle[server] = [await run.connect(server) for _ in range(order.get("clients", 16))]
    gc.collect()
    gc.disable()
    run.start = run.loop.time() + _AHEAD_S
    begin, own = perf_counter(), process_time()
    try:
        if "clients" in order:
            run.start -= _AHEAD_S
            await _closed(run, order["clients"], order["seconds"])
        else:
            await _open(run, schedule(order["rate"], order["seconds"], order["seed"], order["even"]))
    except TimeoutError:
        pass  # what has no answer by now is lost
    busy = (process_time() - own) / (perf_counter() - begin)
    gc.enable()
    columns = zip(*run.rows, strict=True)
    return {"busy": busy, **{name: list(column) for name, column in zip(COLUMNS, columns, strict=True)}}


def _loop() -> asyncio.AbstractEventLoop:
    """Return a loop whose timers are exact to the microsecond: `epoll` counts in milliseconds, `select` does not."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


def main(path: str) -> None:
    """Run in the helper: load the pictures, then obey."""
    from safetensors.numpy import load_file

    from labkit.serving.app import CLASSES

    kept = load_file(path)
    head = "POST /classify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/octet-stream\r\nContent-Length: "
    messages = [f"{head}{picture.nbytes}\r\n\r\n".encode() + picture.tobytes() for picture in kept["pictures"]]
    choices = [CLASSES[choice] for choice in kept["choices"]]

    def obey(order: dict) -> dict:
        with asyncio.Runner(loop_factory=_loop) as runner:
            return runner.run(_load(messages, choices, order))

    orders = end_with_parent()
    say({})
    serve(obey, orders)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
