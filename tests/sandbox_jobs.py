"""Jobs for the tests of `labkit.measure.limits`: small ones, which load nothing."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from labkit.measure import limits


def cores() -> dict:
    return {"cores": len(os.sched_getaffinity(0)), "threads": int(os.environ["OMP_NUM_THREADS"])}


def take(size: int) -> dict:
    """Take memory and use it."""
    taken = bytearray(size)
    taken[::4096] = b"x" * len(taken[::4096])
    return {"taken": len(taken)}


def wait(seconds: float) -> dict:
    if "CONFINED_PID" in os.environ:
        Path(os.environ["CONFINED_PID"]).write_text(str(os.getpid()))
    time.sleep(seconds)
    return {}


def fail(how: str) -> dict:
    if how == "exception":
        raise ZeroDivisionError("nothing divided by nothing")
    if how == "signal":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "exit":
        os._exit(3)
    print("not JSON", flush=True)
    return {}


if __name__ == "__main__":
    limits.obey({job.__name__: (lambda: None, job) for job in (cores, take, wait, fail)})
