"""The time of an all-reduce between two worker processes, beside a loop that anybody would write."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import pytest
from ports import free_port

from labkit.distributed.pool import room, worker_pool
from labkit.distributed.rendezvous import INTERFACE, interface_with

PLAIN = Path(__file__).parents[1] / "field" / "all_reduce.py"


@contextmanager
def plain_loop():
    """Yield a function that runs the plain loop in two processes and returns the seconds of one all-reduce."""
    environment = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()),
                   INTERFACE: interface_with("127.0.0.1"), "OMP_NUM_THREADS": "1",
                   "USE_LIBUV": str(int(os.name != "nt"))}
    ranks = [subprocess.Popen([sys.executable, PLAIN], text=True, env={**environment, "RANK": str(rank)},
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) for rank in range(2)]

    def block(size, times):
        for process in ranks:
            process.stdin.write(f"{size} {times}\n")
            process.stdin.flush()
        return max(float(process.stdout.readline()) for process in ranks)

    try:
        yield block
    finally:
        for process in ranks:
            process.kill()
            process.communicate()


@pytest.mark.skipif(not room(2), reason="needs two processors and torch.distributed")
def test_a_worker_pools_all_reduce_takes_as_long_as_a_plain_loops():
    """Blocks in turn, and their medians; wide, and tried again, for a noisy machine. On a quiet one it is near 1."""
    with worker_pool(2) as pair, plain_loop() as loop:

        def ratio(size, times):
            blocks = [(sum(pair.all_reduce(size, times)) / times, loop(size, times)) for _ in range(7)]
            ours, theirs = (median(column) for column in zip(*blocks, strict=True))
            return ours / theirs

        for size, times in ((2**16, 60), (2**22, 10)):
            assert any(0.6 < ratio(size, times) < 1.6 for _ in range(4))
