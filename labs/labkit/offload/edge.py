"""The edge device of Lab 4.4: it holds a small network, and asks the cloud where a plan says so.

Every wait has a limit. A cloud that is silent, late or talks nonsense never stops the device: a plan with a network of
its own falls back to it, another one raises `NoAnswer`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from socket import socket
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from labkit.models.networks.cats import CatNet
from labkit.offload import parts, wire
from labkit.offload.wire import BadAnswer, NoAnswer
from labkit.specs.network import payload

PATIENCE_S = 5.0  # for a cloud without which there is no answer
EDGE, CLOUD, FALLBACK = "the edge", "the cloud", "the edge, for want of an answer"
_PAUSE_S = 0.05  # between two attempts to reach the cloud again
_ATTEMPT_S = 0.3  # for an attempt to connect

Dial = Callable[[float], socket]


@dataclass(frozen=True)
class Answer:
    """What the device made of one picture.

    Args:
        choice: the class that was found most probable.
        by: who said so: `EDGE`, `CLOUD` or `FALLBACK`.
        seconds: from the picture to the answer.
        sent, received: bytes to and from the cloud, without the packets' headers.
    """

    choice: int
    by: str
    seconds: float
    sent: int = 0
    received: int = 0


class CloudConnection:
    """A connection to the cloud.

    Args:
        dial: returns a connected socket within so many seconds, or raises `OSError`.
        limit: seconds for the connection and a first echo.

    Raises:
        NoAnswer: there is no cloud at the other end, or none that answers.
    """

    def __init__(self, dial: Dial, limit: float = PATIENCE_S):
        self._number = 0
        try:
            self._socket = dial(limit)
        except OSError as trouble:
            raise NoAnswer(f"The cloud cannot be reached: {trouble}.") from trouble
        try:
            self.echo(0, limit)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> CloudConnection:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def echo(self, size: int, limit: float) -> float:
        """Send `size` bytes that the cloud only takes; return the seconds until it has answered."""
        begin = perf_counter()
        self._exchange(wire.ECHO, 0, bytes(size), limit)
        return perf_counter() - begin

    def ask(self, layers: int, width: int, payload: bytes, limit: float) -> np.ndarray:
        """Return the scores, float32, for what `layers` layers of a network of some width made of a picture.

        Raises:
            NoAnswer: none came within `limit` seconds, or the connection ended.
            BadAnswer: what came is no answer.
        """
        return self._exchange(layers, width, payload, limit)

    def _exchange(self, what, width, payload, limit) -> np.ndarray:
        self._number += 1
        until = perf_counter() + limit
        try:
            wire.send(self._socket, wire.head(what, width, self._number, len(payload)) + payload, until)
            kind, _, number, size = wire.read_head(self._socket, until)
            if kind == wire.REFUSAL:
                raise BadAnswer(f"The cloud refused: {wire.refusal(self._socket, size, until)}")
            if kind != wire.SCORES or number != self._number:
                raise BadAnswer(f"The cloud sent a message of kind {kind} for request {number}, not the scores for "
                                f"{self._number}.")
            if size != 4 * parts.SCORES:
                raise BadAnswer(f"The cloud announced {size:,} bytes; {parts.SCORES} scores take {4 * parts.SCORES}.")
            return wire.scores(wire.read(self._socket, size, until))
        except TimeoutError:
            raise NoAnswer(f"The cloud has not answered within {limit:g} s.") from None
        except OSError as trouble:
            raise NoAnswer(f"The connection to the cloud is lost: {trouble}.") from None

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


class Device:
    """Answers pictures, one at a time, for a `with` block.

    Args:
        small: the network that it holds itself; None if it has none.
        large: the network that the cloud holds too, for plans that run some of its layers here.
        dial: how the cloud is reached; None where nobody is asked.
        slower: how many times over it does all that it computes, to be as slow as a lesser device.

    Raises:
        ValueError: a factor that is no whole number from 1 up.
    """

    def __init__(self, small: CatNet | None, large: CatNet, dial: Dial | None = None, slower: int = 1):
        if isinstance(slower, bool) or not isinstance(slower, int) or slower < 1:
            raise ValueError(f"The device does its work a whole number of times, from 1 up, not {slower!r}.")
        self._small = parts.stages(small) if small else []
        self._large = parts.stages(large)
        self._width, self._slower, self._dial = large[0].out_channels, slower, dial
        self._line: CloudConnection | None = None
        self._seeking: _Seeking | None = None
        self._threads = 1

    def __enter__(self) -> Device:
        self._threads = torch.get_num_threads()
        torch.set_num_threads(1)
        return self

    def __exit__(self, *_) -> None:
        torch.set_num_threads(self._threads)
        self.close()

    def close(self) -> None:
        """Hang up, and stop seeking the cloud."""
        for thing in (self._seeking, self._line):
            if thing:
                thing.close()
        self._seeking = self._line = None

    @property
    def connected(self) -> bool:
        """Whether the cloud answered when it was last asked."""
        return self._line is not None

    def alone(self, picture: Tensor) -> Answer:
        """Answer a byte picture (3, 32, 32) with the small network."""
        begin = perf_counter()
        scores = self._compute(self._small, picture[None])
        return Answer(int(scores.argmax()), EDGE, perf_counter() - begin)

    def split(self, picture: Tensor, layers: int, limit: float = PATIENCE_S) -> Answer:
        """Answer with the large network, whose first `layers` layers run here and the others in the cloud.

        With 0 layers the picture itself is sent, with all four nothing is.

        Raises:
            NoAnswer: the cloud did not answer within `limit` seconds; the next picture tries again.
        """
        begin = perf_counter()
        data = self._compute(self._large[:layers], picture[None]) if layers else picture[None]
        if layers == parts.LAYERS:
            return Answer(int(data.argmax()), EDGE, perf_counter() - begin)
        return self._asked(layers, data, limit, begin)

    def hybrid(self, picture: Tensor, confidence: float, deadline: float) -> Answer:
        """Answer with the small network where it is sure, else ask the cloud, as long as that keeps the deadline.

        Once the cloud is late, the device goes on alone and seeks it in the background; a cloud that answers within
        the deadline is asked again.

        Args:
            picture: bytes (3, 32, 32).
            confidence: the probability from which the small network's answer stands.
            deadline: seconds from the picture to the answer.
        """
        begin = perf_counter()
        shares = self._compute(self._small, picture[None]).softmax(1)[0]
        own = int(shares.argmax())
        if float(shares[own]) >= confidence:
            return Answer(own, EDGE, perf_counter() - begin)
        if not self._reachable(deadline):
            return Answer(own, FALLBACK, perf_counter() - begin)
        try:
            return self._asked(0, picture[None], deadline - (perf_counter() - begin), begin)
        except NoAnswer:
            return Answer(own, FALLBACK, perf_counter() - begin, sent=wire.HEAD.size + payload(self._width, 0))

    def _compute(self, stages, data: Tensor) -> Tensor:
        with torch.inference_mode():
            for _ in range(self._slower):
                result = parts.run(stages, data)
        return result

    def _asked(self, layers, data, limit, begin) -> Answer:
        payload = parts.pack(data[0])
        try:
            if self._line is None:
                self._line = CloudConnection(self._dial, limit)
            scores = self._line.ask(layers, self._width, payload, limit)
        except NoAnswer:
            if self._line:
                self._line.close()
            self._line = None
            raise
        return Answer(int(scores.argmax()), CLOUD, perf_counter() - begin, wire.HEAD.size + len(payload),
                      wire.HEAD.size + 4 * parts.SCORES)

    def _reachable(self, deadline: float) -> bool:
        """Take over a line that was found in the background; else see to it that one is sought."""
        if self._line is not None:
            return True
        if self._dial is None:
            return False
        if self._seeking is None:
            self._seeking = _Seeking(self._dial, deadline)
        self._line = self._seeking.found()
        if self._line:
            self._seeking = None
        return self._line is not None

    def seek(self, deadline: float) -> bool:
        """Reach the cloud now, if it answers an echo within the deadline; return whether it did."""
        with suppress(NoAnswer):
            self._line = self._line or _prompt(self._dial, deadline)
        return self._line is not None


def _prompt(dial: Dial, deadline: float) -> CloudConnection:
    """Return a line to a cloud that answers within the deadline; raises `NoAnswer` where there is none."""
    line = CloudConnection(dial, max(_ATTEMPT_S, 2 * deadline))
    try:
        line.echo(0, deadline)
    except NoAnswer:
        line.close()
        raise
    return line


class _Seeking:
    """Tries to reach the cloud, in a thread of its own, until it has or is closed."""

    def __init__(self, dial: Dial, deadline: float):
        self._dial, self._deadline = dial, deadline
        self._stop, self._found = threading.Event(), None
        self._thread = threading.Thread(target=self._seek, daemon=True)
        self._thread.start()

    def found(self) -> CloudConnection | None:
        """Return the line once there is one; it is the caller's then."""
        if self._thread.is_alive():
            return None
        line, self._found = self._found, None
        return line

    def close(self) -> None:
        self._stop.set()
        self._thread.join(max(_ATTEMPT_S, 2 * self._deadline) + 1)
        if self._found:
            self._found.close()

    def _seek(self) -> None:
        while not self._stop.is_set():
            try:
                self._found = _prompt(self._dial, self._deadline)
                return
            except NoAnswer:
                self._stop.wait(_PAUSE_S)
