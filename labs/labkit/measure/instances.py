"""Many sources for one core: pictures that come when they come, each with a deadline, answered by real processes.

The device is a process on one core (`labkit.measure.instances_process`), or a process for each source, all on the same
core. Where the system binds no process to a core, each takes what it gets.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import perf_counter

import numpy as np

from labkit.experiment import Unavailable
from labkit.inputs import above_zero, whole
from labkit.processes import ONE_THREAD, Helper, HelperFailed

BATCHES, SHARED, OWN, THREADS, PROCESSES = WAYS = (
    "one network, in batches", "one network, one by one", "a network each", "a thread each", "a process each")
STARTING_S, ANSWER_S = 30, 30  # for a process to start, and to answer after its last picture
SMALL, LARGE, FEW = 8, 64, 16  # channels of the networks of which so many are weighed
_OPENING_S = 0.2  # that a network may take to open
# glibc gives freed memory back to the system or keeps it, as its heap happens to lie: a batch then takes twice as long
# or not. Here the processes keep it (mallopt(3); 32 MiB is the most that the first takes). Other systems ignore both.
_KEPT = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**28)}
_AHEAD_S = 0.05  # from the order to the first moment at which a picture can be due
_QUEUE = 0.8  # of what the deadline allows: pictures that wait when a run begins


@dataclass(frozen=True)
class Schedule:
    """Which source has a picture when.

    Args:
        sources: of each picture, int (n,).
        moments: in seconds from the start, float64 (n,), rising.
        queued: how many of them wait at the start, so that an overload shows at once; they do not count.
    """

    sources: np.ndarray
    moments: np.ndarray
    queued: int = 0


def schedule(sources: int, period: float, seconds: float, *, together: bool = False, active: float = 1.0,
             stay: float = 0.5, deadline: float = 0.0, seed: int = 0) -> Schedule:
    """Return when some sources have pictures.

    Args:
        sources: how many.
        period: seconds between two pictures of a source.
        seconds: for how long.
        together: all at the same moments, instead of each at its own.
        active: the share of its time in which a source has pictures at all; it changes at random moments.
        stay: seconds that it stays active each time.
        deadline: seconds: so many pictures wait at the start that the last of them takes most of it.
        seed: of the draw.

    Raises:
        ValueError: no source, or a number that is not finite and above 0, or a share of its time above 1.
    """
    whole(sources=sources)
    above_zero(period=period, seconds=seconds, stay=stay)
    above_zero(active=active, most=1)
    random = np.random.default_rng(seed)
    first = np.zeros(sources) if together else random.uniform(0, period, sources)
    moments = (first[:, None] + np.arange(0, seconds, period)).ravel()
    names = np.repeat(np.arange(sources), len(moments) // sources)
    if active < 1:
        phase = random.uniform(0, stay / active, sources)[names]
        awake = (moments + phase) % (stay / active) < stay
        names, moments = names[awake], moments[awake]
    order = np.argsort(moments, kind="stable")
    queued = 0 if together else round(_QUEUE * deadline * sources * active / period)
    return Schedule(np.concatenate([np.arange(queued) % sources, names[order]]),
                    np.concatenate([np.zeros(queued), moments[order]]), queued)


class Device:
    """One or more processes on one core that answer pictures, for a `with` block.

    Args:
        processes: how many.
    """

    def __init__(self, processes: int = 1):
        self._helpers: list[Helper] = []
        try:
            for _ in range(processes):
                self._helpers.append(Helper("labkit.measure.instances_process",
                                            environment={**ONE_THREAD, **_KEPT}))
            for helper in self._helpers:
                helper.answer(STARTING_S)
        except BaseException:
            self.end()
            raise

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_) -> None:
        self.end()

    def end(self) -> None:
        """End all processes."""
        for helper in self._helpers:
            helper.end()

    def open(self, path: str | Path, networks: int = 1, threads: int = 0, *, hears: bool = False) -> tuple[int, int]:
        """Let each process hold so many networks from a file, other than before; those that hear get clips of sound.

        Returns:
            The bytes of memory that the processes have for themselves, and that so many idle threads in each add.
        """
        order = {"do": "open", "path": str(path), "count": networks, "threads": threads, "hears": hears}
        for helper in self._helpers:
            helper.tell(order)
        replies = [helper.answer(ANSWER_S + _OPENING_S * networks) for helper in self._helpers]
        return sum(reply["memory"] for reply in replies), sum(reply["threads"] for reply in replies)

    def seconds(self, way: str, networks: int = 1, batch: int = 1) -> float:
        """Return the seconds a picture where all are there from the start, in the first process.

        Args:
            way: one of `WAYS`, but not `PROCESSES`.
            networks: that take turns.
            batch: pictures in a batch.
        """
        self._helpers[0].tell({"do": "time", "way": way, "networks": networks, "batch": batch})
        return self._helpers[0].answer(ANSWER_S)["seconds"]

    def serve(self, way: str, plan: Schedule, deadline: float, most: int = 1) -> tuple[np.ndarray, float]:
        """Answer pictures when they come.

        Args:
            way: one of `WAYS`; several processes share the sources.
            plan: which and when.
            deadline: seconds that an answer may take.
            most: pictures in a batch.

        Returns:
            Seconds of each answer that counts, infinite for what was left out; and the processor's seconds a picture.

        Raises:
            HelperFailed: a process ended, or did not answer.
        """
        count, begin = len(self._helpers), perf_counter() + _AHEAD_S + 2e-7 * len(plan.moments)
        shares = [plan.sources % count == number for number in range(count)]
        for helper, share in zip(self._helpers, shares, strict=True):
            helper.tell({"do": "serve", "way": way, "sources": plan.sources[share].tolist(), "deadline": deadline,
                         "moments": plan.moments[share].tolist(), "most": most, "begin": begin})
        answers, used = np.empty(len(plan.moments)), 0.0
        for helper, share in zip(self._helpers, shares, strict=True):
            reply = helper.answer(plan.moments[-1] + ANSWER_S)
            answers[share] = reply["answers"]
            used += reply["used"]
        answers[answers < 0] = np.inf
        return answers[plan.queued:], used / max(int(np.isfinite(answers).sum()), 1)


@dataclass(frozen=True)
class Footprint:
    """Bytes of memory: of a process with the runtime, of a thread, and of networks by their width."""

    process: float
    thread: float
    networks: dict[int, float]


@cache
def footprint() -> Footprint | Unavailable:
    """Return what `FEW` networks of two widths and as many threads take, or why that cannot be said."""
    from labkit.measure.probes import sessions

    networks = {}
    try:
        for width in (LARGE, SMALL):
            with tempfile.TemporaryDirectory() as folder, Device() as device:
                path = sessions.file("fp32", width, folder)
                first, _ = device.open(path)
                more, threads = device.open(path, 1 + FEW, FEW)
                networks[width] = max(more - first, 1) / FEW
        with tempfile.TemporaryDirectory() as folder, Device(2) as pair:  # that share what all processes share
            process = pair.open(sessions.file("fp32", SMALL, folder))[0] / 2 - networks[SMALL]
    except (HelperFailed, OSError) as trouble:
        return Unavailable(f"No instance could be weighed: {trouble}")
    return Footprint(process, max(threads, 0) / FEW, networks)
