"""How long two processes take to add up their gradients: an all-reduce, as in data-parallel training.

Each process starts with numbers of its own and ends with the sums of both. The library is the one that training uses
between processors: gloo, over TCP on the loopback interface.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from time import perf_counter

import psutil
import torch

from labkit.costs import Costs
from labkit.measure import helper
from labkit.measure.helper import Helper, HelperFailed
from labkit.measure.pace import Paced
from labkit.progress import report

SECONDS = 10  # about how long it takes
PROCESSES = 2
NAMES = ("sum",)
SIZES = (16, *(4**k for k in range(6, 13)))  # bytes: 16 B, and 4 KiB to 16 MiB
PACEMAKER = 4**8  # bytes of the all-reduce that tells how fast the machine runs at the moment
_BUDGET = 0.5
_BLOCK_S = 0.12  # seconds of all-reduces back to back in one sample
_FEWEST = 6  # all-reduces in a sample
_JOIN_S = 60  # seconds that the processes have to find each other; importing the framework takes most of it


def calibrate(device: torch.device) -> Costs:
    """Time all-reduces between two processes, one thread each: seconds against bytes.

    On one processor the two processes would only wait for each other's turn, so there it is missing.
    """
    from labkit.measure.device import cores

    if not torch.distributed.is_available():
        return Costs.unavailable(NAMES, "This PyTorch was built without torch.distributed.")
    if cores() < PROCESSES:
        return Costs.unavailable(NAMES, f"{PROCESSES} processes need as many processors, and this one may use "
                                        f"{cores():g}.")
    try:
        with session() as all_reduce:
            timed = Paced(partial(all_reduce, PACEMAKER), budget=_BUDGET)
            report(0, "Calibrating: all-reduce between two processes")
            return timed.costs({"sum": timed.curve({size: partial(all_reduce, size) for size in SIZES})})
    except (OSError, HelperFailed) as trouble:
        return Costs.unavailable(NAMES, f"The two processes could not work together: {trouble}")


@contextmanager
def session() -> Iterator[Callable[[int], float]]:
    """Start the processes and yield a function that all-reduces so many bytes and returns the seconds of one.

    It runs a block of them back to back and returns the fastest: what the exchange takes when the scheduler sets
    neither process aside. With as many processes as processors it often does, for some milliseconds; that is a cost of
    sharing, not of the exchange. The processes end with the `with` block.

    Raises:
        HelperFailed: they did not find each other, or one of them failed.
    """
    loopback = {"GLOO_SOCKET_IFNAME": _interface(), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        meeting = str(Path(folder) / "meeting")
        both = [stack.enter_context(Helper("labkit.measure.all_reduce", str(rank), meeting, environment=loopback))
                for rank in range(PROCESSES)]
        for process in both:
            process.answer(_JOIN_S, others=both)
        times: dict[int, int] = {}

        def all_reduce(size: int) -> float:
            for process in both:
                process.tell([size, times.setdefault(size, _FEWEST)])
            taken = [process.answer(others=both) for process in both]
            seconds = min(map(max, *taken))  # each is done when the later process is
            times[size] = min(max(_FEWEST, round(_BLOCK_S / seconds)), 1000)
            return seconds

        for size in SIZES[::3]:
            all_reduce(size)
        yield all_reduce


def _interface() -> str:
    """Return the name of the loopback interface, by which gloo finds its way."""
    for name, addresses in psutil.net_if_addrs().items():
        if any(a.family == socket.AF_INET and a.address == "127.0.0.1" for a in addresses):
            return name
    return "lo"


def take_part(rank: int, meeting: str) -> None:
    """Run in a helper: join the others, see that they add up, then all-reduce as asked, and tell the seconds."""
    import torch.distributed as group

    torch.set_num_threads(1)
    address = Path(meeting).as_uri() if os.name == "nt" else f"file://{meeting}"
    group.init_process_group("gloo", init_method=address, rank=rank, world_size=PROCESSES)
    mine = torch.full((4,), float(rank + 1))
    group.all_reduce(mine)
    right = PROCESSES * (PROCESSES + 1) / 2
    numbers = torch.zeros(SIZES[-1] // 4)

    def answer(message) -> list[float]:
        size, times = message
        part = numbers[: size // 4]
        group.barrier()
        taken = []
        for _ in range(times):
            begin = perf_counter()
            group.all_reduce(part)
            taken.append(perf_counter() - begin)
        return taken

    helper.say("ready" if (mine == right).all() else {"error": f"the sum is {mine.tolist()}, not {right:g} each"})
    helper.serve(answer)
    os._exit(0)  # the group's own threads would wait for a peer that has gone


if __name__ == "__main__":
    take_part(int(sys.argv[1]), sys.argv[2])
