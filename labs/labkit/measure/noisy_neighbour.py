"""Busy neighbours: other processes that compute all the time, as other people's jobs do on a shared machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from time import perf_counter

from labkit.processes import ONE_THREAD, Helper, end_with_parent, say

LIFETIME_S = 120  # seconds after which a neighbour leaves by itself, whatever happens
_SIDE = 256  # of the matrices that it multiplies


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Let `count` neighbours compute inside the block, one thread each; all are ended with it, whatever happens.

    Raises:
        ValueError: no neighbour.
        HelperFailed: one could not start.
    """
    if not isinstance(count, int) or count < 1:
        raise ValueError(f"A whole number of neighbours from 1 up can be busy, not {count!r}.")
    with ExitStack() as stack:
        neighbours = [stack.enter_context(Helper(__name__, environment=ONE_THREAD)) for _ in range(count)]
        for neighbour in neighbours:
            neighbour.answer()
        yield


def _compute() -> None:
    """Run in the neighbour: multiply until the parent closes the line."""
    import numpy as np

    end_with_parent()
    numbers, end = np.random.default_rng(0).random((_SIDE, _SIDE), np.float32), perf_counter() + LIFETIME_S
    say("busy")
    while perf_counter() < end:
        numbers @ numbers


if __name__ == "__main__":
    _compute()
