"""The device of Labs 3.5 and 4.2: a process on one core that answers many sources (`labkit.measure.instances`).

A picture counts from the moment at which it was due. What might not be in time any more is left out, as a camera's old
picture is worth nothing once the next is there: the core takes one that has time enough.
"""

from __future__ import annotations

import gc
import math
import os
import sys
import threading
from collections.abc import Callable, Sequence
from time import perf_counter, process_time, sleep

import numpy as np
import psutil

from labkit.measure.instances import BATCHES, SHARED, THREADS
from labkit.models import sound
from labkit.processes import end_with_parent, say, serve
from labkit.runtimes.onnx_session import Network, as_input
from labkit.specs.network import PICTURE

Answer = Callable[[np.ndarray], object]  # to what the sources of some numbers see or hear
_MANY, _RANDOM = 64, np.random.default_rng(0)
_PICTURES = _RANDOM.integers(0, 256, (_MANY, *PICTURE), np.uint8)  # what the sources see, in turn
_CLIPS = _RANDOM.standard_normal((_MANY, sound.CLIP), np.float32)  # and what they hear
_ENOUGH = 2  # times what the last answer took: the next one may take longer
_SAMPLE_S, _PICTURES_MOST = 5e-3, 10_000  # seconds of a sample when networks are timed, and the pictures in it


def in_batches(answer: Answer, moments: np.ndarray, deadline: float, most: int, begin: float) -> np.ndarray:
    """Answer all that wait, together, with one network.

    Args:
        answer: of the network that all sources share.
        moments: at which a picture of some source is due, in seconds from `begin`, rising.
        deadline: seconds that an answer may take.
        most: pictures in a batch.
        begin: by `perf_counter`.

    Returns:
        Seconds of each answer; infinite for a picture that was left out.
    """
    answers, taken, last = np.full(len(moments), math.inf), 0, 0.0
    while taken < len(moments):
        if (early := begin + moments[taken] - perf_counter()) > 0:
            sleep(early)
        now = perf_counter() - begin
        enough = min(_ENOUGH * last, deadline / 2)
        taken = max(taken, np.searchsorted(moments, now + enough - deadline))
        batch = slice(taken, min(np.searchsorted(moments, now, "right"), taken + most))
        if batch.start < batch.stop:
            answer(np.arange(batch.start, batch.stop))
            last = perf_counter() - begin - now
            answers[batch] = now + last - moments[batch]
            taken = batch.stop
    return answers


def one_by_one(networks: Sequence[Answer], sources: Sequence[int], moments: np.ndarray, deadline: float,
               begin: float) -> np.ndarray:
    """Answer one picture after the other, each with the network of its source.

    Args:
        networks: their answers: of one for each source, or of one for all.
        sources: whose picture is due at each of the moments.
        moments, deadline, begin: as in `in_batches`, and so is what is returned.
    """
    answers, last = np.full(len(moments), math.inf), 0.0
    for place, (source, moment) in enumerate(zip(sources, moments.tolist(), strict=True)):
        if (early := begin + moment - perf_counter()) > 0:
            sleep(early)
        now = perf_counter() - begin
        if now + min(_ENOUGH * last, deadline / 2) <= moment + deadline:
            networks[source % len(networks)](np.array([source]))
            last = perf_counter() - begin - now
            answers[place] = now + last - moment
    return answers


def in_threads(networks: Sequence[Answer], sources: np.ndarray, moments: np.ndarray, deadline: float,
               begin: float) -> np.ndarray:
    """Answer each source in a thread of its own, with a network of its own; the arguments are those of `one_by_one`."""
    answers = np.full(len(moments), math.inf)

    def work(source: int) -> None:
        own = sources == source
        answers[own] = one_by_one(networks, sources[own].tolist(), moments[own], deadline, begin)

    threads = [threading.Thread(target=work, args=(source,)) for source in np.unique(sources).tolist()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def _seeing(network: Network) -> Answer:
    return lambda numbers: network(as_input(_PICTURES[numbers % _MANY]))


def _hearing(network: Network) -> Answer:
    return lambda numbers: network(as_input(sound.pictures(_CLIPS[numbers % _MANY])))


class _Device:
    """Does what the parent orders, one order at a time."""

    def __init__(self):
        self._networks: list[Answer] = []

    def open(self, path: str, count: int, threads: int, hears: bool) -> dict:
        """Hold so many networks from a file, other than before; return the bytes of memory that this process has.

        And how many more it has with so many idle threads. What the networks hear is sound, made a picture first.
        """
        self._networks = [(_hearing if hears else _seeing)(Network(path)) for _ in range(count)]
        memory, idle = _memory(), threading.Event()
        waiting = [threading.Thread(target=idle.wait) for _ in range(threads)]
        for thread in waiting:
            thread.start()
        more = _memory() - memory
        idle.set()
        return {"memory": memory, "threads": more}

    def time(self, way: str, networks: int, batch: int) -> dict:
        """Return the seconds a picture where all are there from the start, and there is time enough."""
        count, seconds = max(networks, batch), 0.0
        while not seconds or (seconds < _SAMPLE_S and count < _PICTURES_MOST):
            count *= 2 if seconds else 1
            answers = self._answer(way, np.arange(count) % networks, np.zeros(count), math.inf, batch, perf_counter())
            seconds = answers[-1]
        return {"seconds": seconds / count}

    def serve(self, way: str, sources: list[int], moments: list[float], deadline: float, most: int,
              begin: float) -> dict:
        """Answer pictures; return the seconds of each, and of the processor in all."""
        used = process_time()
        gc.disable()
        answers = self._answer(way, np.array(sources), np.array(moments), deadline, most, begin)
        gc.enable()
        answers[np.isinf(answers)] = -1  # JSON has no infinity
        return {"answers": answers.tolist(), "used": process_time() - used}

    def _answer(self, way, sources, moments, deadline, most, begin) -> np.ndarray:
        if way == BATCHES:
            return in_batches(self._networks[0], moments, deadline, most, begin)
        if way == THREADS:
            return in_threads(self._networks, sources, moments, deadline, begin)
        networks = self._networks[:1] if way == SHARED else self._networks
        return one_by_one(networks, sources.tolist(), moments, deadline, begin)


def _memory() -> int:
    """Return the bytes that this process alone has."""
    gc.collect()
    return psutil.Process().memory_full_info().uss


def main() -> None:
    """Take one core, then obey."""
    orders = end_with_parent()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    device = _Device()
    say({})
    serve(lambda order: getattr(device, order.pop("do"))(**order), orders)


if __name__ == "__main__":
    sys.exit(main())
