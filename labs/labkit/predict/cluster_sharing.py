"""What it costs and what it brings when jobs share a cluster: waits, free nodes, and the load that a wait allows."""

from __future__ import annotations

import math

from labkit.inputs import above_zero
from labkit.predict import erlang


def stay(servers: int, busy: float, longer: float = 1.0) -> dict[str, float]:
    """Return the parts of the mean time from asking to the end of a job, in units of a job that runs undisturbed.

    Jobs come at random moments to `servers` places, each of which runs one job at a time (Erlang's formula C).

    Args:
        servers: places, from 1 up.
        busy: the share of their time for which undisturbed jobs would keep the places busy, from 0 up.
        longer: how many times as long a job runs because of its neighbours, from 1 up.

    Returns:
        Parts, of which the wait is infinite if the places cannot do what is asked of them.

    Raises:
        ValueError: no place, or a number that is out of its range.
    """
    if not 1 <= longer < math.inf:
        raise ValueError(f"A job runs 1 time as long or longer, not {longer!r}.")
    return {"waiting": longer * erlang.mean_wait(servers, longer * busy), "running": longer}


def highest_load(servers: int, wait: float) -> float:
    """Return the share of their time that places may be busy for if jobs wait `wait` of their own length on average.

    Args:
        servers: from 1 up.
        wait: in units of the mean time of a job, above 0.

    Raises:
        ValueError: no place, or a wait that is not above 0.
    """
    above_zero(wait=wait)
    low, high = 0.0, 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if erlang.mean_wait(servers, middle) < wait else (low, middle)
    return low


def free_nodes(nodes: int, each: int, busy: int) -> float:
    """Return how many nodes are free of jobs on average, if `busy` small jobs have been put anywhere.

    Each small job takes one accelerator, and every accelerator is as likely as any other to have one.

    Args:
        nodes: from 1 up.
        each: accelerators of a node, from 1 up.
        busy: accelerators in use, from 0 to all.

    Raises:
        ValueError: a number that is out of its range.
    """
    total = nodes * each
    if not (nodes >= 1 and each >= 1 and 0 <= busy <= total):
        raise ValueError(f"{nodes!r} nodes of {each!r} accelerators cannot have {busy!r} in use.")
    free = total - busy
    return nodes * math.prod(max(free - k, 0) / (total - k) for k in range(each))
