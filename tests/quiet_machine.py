"""Tests of statements about times: those that hold on a quiet machine run after the others, one at a time."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest

TRIES = 3


def with_tries(test: Callable) -> Callable:
    """Give a test that compares times some tries: it must hold once, since neighbours may disturb the others.

    That is enough for what differs by much more than a neighbour takes away.
    """

    @functools.wraps(test)
    def again(*arguments, **named):
        for left in reversed(range(TRIES)):
            try:
                return test(*arguments, **named)
            except AssertionError:
                if not left:
                    raise

    return again


def quiet_machine(test: Callable) -> Callable:
    """Let a test that compares times run alone (`make process`), with some tries."""
    return pytest.mark.quiet_machine(with_tries(test))
