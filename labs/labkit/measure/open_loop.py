"""A load generator in a process of its own: requests that come when they come, whether the server keeps up or not.

*Open loop*: the moments of all requests are drawn before the first is sent, as those of a Poisson process, and an
answer counts from the moment when its request was due. A generator that waits for an answer before it asks again
(*closed loop*) leaves out what would have been asked meanwhile. Both are here, so that they can be set side by side.
Connections are kept alive, and as many are opened as are needed. The process is `labkit.measure.open_loop_process`.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labkit.inputs import above_zero
from labkit.processes import Helper
from labkit.serving.server import STARTING_S

ANSWER_S = 10.0  # for an answer, after which it counts as lost
CONNECTING_S = 10.0  # for a connection
OK, SHED, LOST, UNSENT = 200, 503, 0, -1
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
        status: of HTTP; `LOST` where no answer came, `UNSENT` where the generator itself had no connection left.
        right: whether the answer named the class that it should.
        batch: how many pictures the server answered together with it, and what it says of its time in seconds:
        waited, computed, handed: in the queue, in the network, and passing the work to its thread and back.
        busy: the generator's own processor time, as a share of one core's.
        connections: how many the generator may have open at once here.
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
    connections: int

    def count(self, status: int) -> int:
        """Return how many were answered with a status."""
        return int((self.status == status).sum())

    @property
    def answered(self) -> np.ndarray:
        """Seconds of the answers that were answers."""
        return self.seconds[self.status == OK]

    @property
    def rate(self) -> float:
        """Answers a second, after the first tenth of the time, until the last request was due; NaN for one request."""
        seconds = 0.9 * self.due[-1]
        return float((self.status[self.warm] == OK).sum() / seconds) if seconds > 0 else math.nan

    @property
    def warm(self) -> np.ndarray:
        """Which requests were due after the first tenth of the time, when the server had settled."""
        return self.due > self.due[-1] / 10

    @property
    def wrong(self) -> int:
        """How many answers named another class than they should."""
        return int((~self.right[self.status == OK]).sum())

    @property
    def note(self) -> str:
        """A sentence for the reader where the generator could not send all that it should, else nothing."""
        if not (unsent := self.count(UNSENT)):
            return ""
        return (f"{unsent:,} requests were not sent: this process may have {self.connections:,} connections open at "
                "once (ulimit -n), and all of them waited for answers. That is the client's limit, not the server's.")


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
        reply = self._helper.answer(seconds + ANSWER_S + CONNECTING_S)
        columns = {name: np.array(reply[name], dtype=float) for name in COLUMNS}
        return Load(**{**columns, "status": columns["status"].astype(int), "right": columns["right"] > 0},
                    busy=reply["busy"], connections=reply["connections"])


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
        with Helper("labkit.measure.open_loop_process", str(path)) as helper:
            helper.answer(STARTING_S)
            yield Generator(helper)
