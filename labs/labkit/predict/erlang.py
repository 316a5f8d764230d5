"""Random arrivals at several servers: who waits, and for how long (Erlang 1917; Little 1961, doi:10.1287/opre.9.3.383).

Requests arrive at random moments, at the same mean rate; each takes a random time, often short and sometimes long
(exponential); the first server that is free takes the one that has waited longest. Times are in units of the mean
service time.
"""

from __future__ import annotations

import math


def waits(servers: int, busy: float) -> float:
    """Return the share of requests that find all servers busy (Erlang's formula C).

    Args:
        servers: from 1 up.
        busy: the share of their time that the servers work: at 1 and above, the queue grows without end.

    Raises:
        ValueError: no server, or a share that is negative or not a number.
    """
    if servers < 1 or not busy >= 0:
        raise ValueError(f"A queue needs one server or more, busy for 0 or more of the time, not {servers}, {busy!r}.")
    if busy >= 1:
        return 1.0
    load, blocked = servers * busy, 1.0
    for k in range(1, servers + 1):
        blocked = load * blocked / (k + load * blocked)
    return blocked / (1 - busy * (1 - blocked))


def mean_wait(servers: int, busy: float) -> float:
    """Return the mean wait before service, infinite where the queue grows without end; arguments as above."""
    queue = waits(servers, busy)
    return math.inf if busy >= 1 else queue / (servers * (1 - busy))


def late(servers: int, busy: float, patience: float) -> float:
    """Return the share of requests that wait for longer than `patience` before service; other arguments as above."""
    if not patience >= 0:
        raise ValueError(f"Patience is 0 or more, not {patience!r}.")
    queue = waits(servers, busy)
    return 1.0 if busy >= 1 else queue * math.exp(-servers * (1 - busy) * patience)


def longest(servers: int, busy: float, share: float) -> float:
    """Return the wait that `share` of the requests do not exceed, infinite at overload; other arguments as above."""
    if not 0 <= share < 1:
        raise ValueError(f"A share of requests lies from 0 to below 1, not {share!r}.")
    queue = waits(servers, busy)
    if busy >= 1:
        return math.inf
    return max(math.log(queue / (1 - share)), 0.0) / (servers * (1 - busy)) if queue else 0.0


def inside(rate: float, seconds: float) -> float:
    """Return how many are inside on average, if `rate` a second arrive and each stays for `seconds` (Little's law)."""
    if not (0 <= rate < math.inf and 0 <= seconds < math.inf):
        raise ValueError(f"A rate and a time are finite and 0 or more, not {rate!r} and {seconds!r}.")
    return rate * seconds
