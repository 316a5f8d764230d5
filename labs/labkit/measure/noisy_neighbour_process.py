"""A process of `labkit.measure.noisy_neighbour`: it does one of several kinds of work, in small units, when told to."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter, process_time, sleep

import numpy as np

from labkit.measure.noisy_neighbour import DISK, LARGE, MEMORY, NETWORK, PROCESSOR, READING, SMALL, processors
from labkit.processes import collect_seldom, end_with_parent, say, serve

SIDE = 256  # of the matrices that the processor multiplies
STREAM, CHUNK = 2**27, 2**21  # bytes that are read and written in turn, far beyond the caches, and in one unit
READ = 2**20  # bytes that one read takes from the disk
MESSAGE = 2**20  # bytes that one message sends
SMALL_JOB = dict(network="cats", width=32, batch=32)  # what it touches fits the caches
LARGE_JOB = dict(network="dense", width=2048, depth=1, batch=4)  # weights, gradients and moments of 64 MiB
INPUT = 2**23  # bytes that a step of the reading job takes from the disk
_LONGER_S = 0.02  # seconds for which everybody goes on after a block, whose ends are not at one moment
_BURST_S = 5e-3  # seconds by which a process that is to rest may be ahead of its share
_stack, _files = ExitStack(), []
_everywhere = processors()
_works: dict[str, Callable[[], object]] = {}


def _processor(_) -> Callable[[], object]:
    numbers = np.random.default_rng(0).random((SIDE, SIDE), np.float32)
    result = np.empty_like(numbers)
    return lambda: np.matmul(numbers, numbers, out=result)


def _memory(_) -> Callable[[], object]:
    chunks = np.ones(STREAM // 4, np.float32).reshape(-1, CHUNK // 4)
    place = 0

    def unit():
        nonlocal place
        place = (place + 1) % len(chunks)
        np.multiply(chunks[place], 1.0, out=chunks[place])

    return unit


def _disk(file: str, size: int = READ) -> Callable[[], object]:
    from labkit.measure.probes import storage

    _files.append(Path(file))
    read = _stack.enter_context(storage.reader(Path(file), "cold"))

    def unit():
        for _ in range(size // READ):
            read(READ, "random")

    return unit


def _network(_) -> Callable[[], object]:
    """Send to a thread of this process over TCP on 127.0.0.1."""
    import socket
    import threading

    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = socket.create_connection(server.getsockname())
        receiver, _ = server.accept()
    message, buffer = bytes(MESSAGE), bytearray(MESSAGE)

    def receive():
        while receiver.recv_into(buffer):
            pass

    threading.Thread(target=receive, daemon=True).start()
    return lambda: sender.sendall(message)


def _training(job: dict) -> Callable[[], object]:
    import torch

    from labkit import device as devices
    from labkit.distributed.job import Job
    from labkit.models import training

    devices.settle()
    torch.set_num_threads(1)
    work = Job(**job)
    network = work.build()
    adam, (inputs, labels) = training.optimiser(network), work.inputs(0)
    return lambda: training.step(network, adam, inputs, labels)


def _reading(file: str) -> Callable[[], object]:
    step, read = _training(SMALL_JOB), _disk(file, INPUT)

    def unit():
        read()
        step()

    return unit


_MAKE = {PROCESSOR: _processor, MEMORY: _memory, DISK: _disk, NETWORK: _network, READING: _reading,
         SMALL: lambda _: _training(SMALL_JOB), LARGE: lambda _: _training(LARGE_JOB)}


def obey(order: dict) -> dict:
    """Get ready for a kind of work, or do it and return how much of it a second, and the processor's time a second."""
    if work := order.get("prepare"):
        _works[work] = _MAKE[work](order["file"])
        for _ in range(3):
            _works[work]()
        return {"ready": work}
    _bind(order["cores"])
    unit = _works[order["work"]]
    clock = perf_counter if order["work"] == DISK else process_time  # a disk that reads leaves the processor alone
    return _run(unit, order["share"], clock, order["begin"], order["seconds"], order["settle"])


def _run(unit: Callable[[], object], share: float, clock: Callable[[], float], begin: float, seconds: float,
         settle: float) -> dict:
    sleep(max(begin - perf_counter(), 0.0))
    start, stop, end = (begin + more for more in (settle, settle + seconds, settle + seconds + _LONGER_S))
    units, marks, used = 0, [], clock()
    while (now := perf_counter()) < end or len(marks) < 2:
        if len(marks) < 2 and now >= (start, stop)[len(marks)]:
            marks.append((now, units, process_time()))
        unit()
        units += 1
        ahead = (clock() - used) / share - (perf_counter() - begin) if share < 1 else 0.0
        if ahead > _BURST_S:
            sleep(ahead)
    (first, before, spent), (last, after, spent_then) = marks
    return {"rate": (after - before) / (last - first), "cores": (spent_then - spent) / (last - first)}


def _bind(cores: list[int]) -> None:
    """Let all threads of this process run on some processors alone; on none given, on all."""
    if hasattr(os, "sched_setaffinity"):
        for thread in os.listdir("/proc/self/task"):
            os.sched_setaffinity(int(thread), cores or _everywhere)


if __name__ == "__main__":
    collect_seldom()
    orders = end_with_parent(lambda: [file.unlink(missing_ok=True) for file in _files])
    say("ready")
    serve(obey, orders)
