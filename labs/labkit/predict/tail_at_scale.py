"""Who waits for the slowest: how rare slow answers must be when one request needs the answers of many servers."""

from __future__ import annotations

import math


def slow_share(each: float, servers: int, copies: int = 1) -> float:
    """Return the share of requests that wait for at least one slow server.

    A request is done when all its servers have answered (Dean and Barroso 2013, doi:10.1145/2408776.2408794). Where a
    question is sent in copies, the first answer counts. That one answer is slow tells nothing of another.

    Args:
        each: the share of a server's answers that are slow, from 0 to 1.
        servers: how many must answer, from 1 up.
        copies: how many servers are asked the same question, the first answer counting, from 1 up.

    Raises:
        ValueError: a share outside 0 to 1, no server or no copy.
    """
    _check(each, servers, copies)
    if each == 1:
        return 1.0
    return -math.expm1(servers * math.log1p(-(each**copies)))


def allowed(share: float, servers: int) -> float:
    """Return the share of each server's answers that may be slow if `share` of all requests may; arguments as above."""
    _check(share, servers, 1)
    if share == 1:
        return 1.0
    return -math.expm1(math.log1p(-share) / servers)


def _check(share: float, servers: int, copies: int) -> None:
    if not 0 <= share <= 1:
        raise ValueError(f"A share lies between 0 and 1, so not {share!r}.")
    if servers < 1 or copies < 1:
        raise ValueError(f"A request needs one server and one copy or more, not {servers} and {copies}.")
