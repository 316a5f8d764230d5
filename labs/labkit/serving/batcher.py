"""The queue that makes batches of what waits. Everything that decides on a service's behaviour under load stands here.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from numbers import Integral, Real
from time import perf_counter

import numpy as np

from labkit.runtimes.onnx_session import as_input
from labkit.specs.network import CLASS_NAMES, PICTURE

Network = Callable[[np.ndarray], np.ndarray]  # float pictures (n, 3, 32, 32) in, scores (n, 3) out


class QueueFull(Exception):
    """The queue has no room for another picture."""


class Stopped(RuntimeError):
    """Nobody answers what waits in the queue."""


@dataclass
class Pending:
    """A picture that waits, since when, and the answer that somebody waits for."""

    picture: bytes
    answer: asyncio.Future
    since: float = field(default_factory=perf_counter)


class Batcher:
    """Answers pictures in batches; a thread of its own runs the network.

    Args:
        network: what answers.
        max_batch: pictures in a batch, at most.
        window: seconds that a batch waits for more pictures after its first one came; 0 takes what is there.
        max_queue: pictures that may wait, at most.

    Raises:
        ValueError: a batch or a queue below 1, or a window that is no number from 0 up.
    """

    def __init__(self, network: Network, max_batch: int = 4, window: float = 0.0, max_queue: int = 64):
        self._network, self._queue, self._arrived = network, deque(), asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "network")
        self._task: asyncio.Task | None = None
        self.configure(max_batch, window, max_queue)

    def configure(self, max_batch: int, window: float, max_queue: int) -> None:
        """Change the settings; the arguments are those of the class."""
        if not all(isinstance(n, Integral) and not isinstance(n, bool) and n >= 1 for n in (max_batch, max_queue)):
            raise ValueError(f"Batch and queue hold whole numbers of pictures from 1 up, not {max_batch!r}, "
                             f"{max_queue!r}.")
        if not isinstance(window, Real) or not 0 <= window < math.inf:
            raise ValueError(f"The window is a number of seconds from 0 up, not {window!r}.")
        self.max_batch, self.window, self.max_queue = max_batch, window, max_queue

    async def __aenter__(self) -> Batcher:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        self._thread.shutdown(wait=False)

    @property
    def running(self) -> bool:
        """Whether what waits will be answered."""
        return self._task is not None and not self._task.done()

    @property
    def waiting(self) -> int:
        """How many pictures wait."""
        return len(self._queue)

    async def ask(self, picture: bytes) -> dict:
        """Wait in the queue and return the answer.

        Raises:
            QueueFull: there is no room; said at once.
            Stopped: the queue is not running, or ended meanwhile.
        """
        if not self.running:
            raise Stopped
        if len(self._queue) >= self.max_queue:
            raise QueueFull
        pending = Pending(picture, asyncio.get_running_loop().create_future())
        self._queue.append(pending)
        self._arrived.set()
        return await pending.answer

    async def _run(self) -> None:
        """Answer batch after batch, for ever; at the end nobody is left waiting."""
        batch: list[Pending] = []
        try:
            while True:
                batch = await self._next()
                try:
                    await self._answer(batch)
                except Exception as trouble:  # whatever the network raised: this batch has no answer, the next may
                    _fail(batch, trouble)
        finally:
            _fail([*batch, *self._queue], Stopped())

    async def _next(self) -> list[Pending]:
        """Wait for a picture, and with a window for more; return a batch of those that have waited longest."""
        while not self._queue:
            self._arrived.clear()
            await self._arrived.wait()
        until = self._queue[0].since + self.window
        while len(self._queue) < self.max_batch and (left := until - perf_counter()) > 0:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), left)
            except TimeoutError:
                break
        return [self._queue.popleft() for _ in range(min(self.max_batch, len(self._queue)))]

    async def _answer(self, batch: list[Pending]) -> None:
        """Let the thread compute a batch, and hand out the answers to those who still wait for them."""
        begin = perf_counter()
        scores, computed = await asyncio.get_running_loop().run_in_executor(self._thread, self._compute, batch)
        handed = perf_counter() - begin - computed
        for pending, row in zip(batch, scores.tolist(), strict=True):
            if not pending.answer.done():  # who was cancelled meanwhile waits no longer
                pending.answer.set_result({
                    "class": CLASS_NAMES[int(np.argmax(row))], "scores": row, "batch": len(batch),
                    "waited": begin - pending.since, "computed": computed, "handed": handed})

    def _compute(self, batch: list[Pending]) -> tuple[np.ndarray, float]:
        begin = perf_counter()
        pictures = np.frombuffer(b"".join(pending.picture for pending in batch), np.uint8)
        scores = self._network(as_input(pictures.reshape(-1, *PICTURE)))
        return scores, perf_counter() - begin


def _fail(batch: list[Pending], trouble: Exception) -> None:
    for pending in batch:
        if not pending.answer.done():
            pending.answer.set_exception(trouble)
