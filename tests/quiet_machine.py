"""Tests of statements that hold on a quiet machine: `make process` runs them after the others, one at a time."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest

TRIES = 3


def quiet_machine(test: Callable) -> Callable:
    """Give a test that compares times some tries: it must hold once, since neighbours may disturb the others."""

    @pytest.mark.quiet_machine
    @functools.wraps(test)
    def tried(*arguments, **named):
        for left in reversed(range(TRIES)):
            try:
                return test(*arguments, **named)
            except AssertionError:
                if not left:
                    raise

    return tried
