"""A web service that tells cats from cars and bicycles, and the queue that makes batches of what waits.

Everything that decides on its behaviour under load stands on this page.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from numbers import Integral, Real
from time import perf_counter

import numpy as np
from fastapi import FastAPI, HTTPException, Request

from labkit.runtimes.onnx_session import SIDE, as_input

CLASSES = ("cat", "car", "bicycle")  # in the order of the scores; held to `labkit.models.datasets.cats` by a test
SIZE = 3 * SIDE * SIDE  # bytes of a picture: red, green and blue, each row by row
PATIENCE_S = 5.0  # for the rest of a request
RETRY_S = 1  # when a client that was turned away may ask again

Network = Callable[[np.ndarray], np.ndarray]  # float pictures (n, 3, 32, 32) in, scores (n, 3) out


class Full(Exception):
    """The queue has no room for another picture."""


@dataclass
class Ticket:
    """A picture that waits, since when, and the answer that somebody waits for."""

    picture: bytes
    answer: asyncio.Future
    since: float = field(default_factory=perf_counter)


class Batcher:
    """Answers pictures in batches; a thread of its own runs the network.

    Args:
        network: what answers.
        limit: pictures in a batch, at most.
        window: seconds that a batch waits for more pictures after its first one came; 0 takes what is there.
        room: pictures that may wait, at most.

    Raises:
        ValueError: a limit or a room below 1, or a window that is no number from 0 up.
    """

    def __init__(self, network: Network, limit: int = 4, window: float = 0.0, room: int = 64):
        self._network, self._waiting, self._came = network, deque(), asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "network")
        self.settle(limit, window, room)

    def settle(self, limit: int, window: float, room: int) -> None:
        """Change the settings; the arguments are those of the class."""
        if not all(isinstance(n, Integral) and not isinstance(n, bool) and n >= 1 for n in (limit, room)):
            raise ValueError(f"Batch and queue hold whole numbers of pictures from 1 up, not {limit!r}, {room!r}.")
        if not isinstance(window, Real) or not 0 <= window < math.inf:
            raise ValueError(f"The window is a number of seconds from 0 up, not {window!r}.")
        self.limit, self.window, self.room = limit, window, room

    @property
    def waiting(self) -> int:
        """How many pictures wait."""
        return len(self._waiting)

    async def ask(self, picture: bytes) -> dict:
        """Wait in the queue and return the answer; raises `Full` at once where there is no room."""
        if len(self._waiting) >= self.room:
            raise Full
        ticket = Ticket(picture, asyncio.get_running_loop().create_future())
        self._waiting.append(ticket)
        self._came.set()
        return await ticket.answer

    async def run(self) -> None:
        """Answer batch after batch, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._next()
            begin = perf_counter()
            try:
                scores, computed = await loop.run_in_executor(self._thread, self._compute, batch)
            except Exception as trouble:  # whatever the network raised: these pictures have no answer, others may
                for ticket in batch:
                    ticket.answer.set_exception(trouble)
                continue
            took = perf_counter() - begin
            for ticket, row in zip(batch, scores.tolist(), strict=True):
                ticket.answer.set_result({
                    "class": CLASSES[int(np.argmax(row))], "scores": row, "batch": len(batch),
                    "waited": begin - ticket.since, "computed": computed, "handed": took - computed})

    async def _next(self) -> list[Ticket]:
        """Wait for a picture, and with a window for more; return a batch of those that have waited longest."""
        while not self._waiting:
            self._came.clear()
            await self._came.wait()
        until = self._waiting[0].since + self.window
        while len(self._waiting) < self.limit and (left := until - perf_counter()) > 0:
            self._came.clear()
            try:
                await asyncio.wait_for(self._came.wait(), left)
            except TimeoutError:
                break
        return [self._waiting.popleft() for _ in range(min(self.limit, len(self._waiting)))]

    def _compute(self, batch: list[Ticket]) -> tuple[np.ndarray, float]:
        begin = perf_counter()
        pictures = np.frombuffer(b"".join(ticket.picture for ticket in batch), np.uint8)
        scores = self._network(as_input(pictures.reshape(-1, 3, SIDE, SIDE)))
        return scores, perf_counter() - begin


def create(load: Callable[[], Network], patience: float = PATIENCE_S, **settings) -> FastAPI:
    """Return the web service.

    Args:
        load: opens the network when the service starts.
        patience: seconds that a client may take to send a picture.
        settings: of the `Batcher`.
    """

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        app.state.batcher = Batcher(load(), **settings)
        running = asyncio.create_task(app.state.batcher.run())
        yield
        running.cancel()

    app = FastAPI(title="Cats", lifespan=life, openapi_url=None)

    @app.post("/classify")
    async def classify(request: Request) -> dict:
        picture = await _picture(request, patience)
        try:
            return await request.app.state.batcher.ask(picture)
        except Full:
            raise HTTPException(503, "The queue is full.", {"Retry-After": str(RETRY_S)}) from None

    @app.get("/health")
    async def health(request: Request) -> dict:
        batcher = request.app.state.batcher
        return {"status": "ready", "waiting": batcher.waiting, "room": batcher.room}

    return app


async def _picture(request: Request, patience: float) -> bytes:
    """Read a picture of exactly `SIZE` bytes, and not a byte more than that into memory."""
    close = {"Connection": "close"}  # what the client still sends is not read
    wants = f"Send a picture as {SIZE:,} bytes: 3 x {SIDE} x {SIDE} numbers from 0 to 255, as application/octet-stream."
    if request.headers.get("content-type", "").partition(";")[0] != "application/octet-stream":
        raise HTTPException(415, wants, close)
    found = bytearray()
    try:
        async with asyncio.timeout(patience):
            async for some in request.stream():
                found += some[:SIZE + 1]
                if len(found) > SIZE or int(request.headers.get("content-length", 0)) > SIZE:
                    raise HTTPException(413, f"That is too much. {wants}", close)
    except TimeoutError:
        raise HTTPException(408, f"The picture did not arrive within {patience:g} s.", close) from None
    if len(found) != SIZE:
        raise HTTPException(422, f"{len(found):,} bytes came. {wants}")
    return bytes(found)
