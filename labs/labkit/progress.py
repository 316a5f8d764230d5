"""How long work says how far it is, and how a reader stops it.

Work calls `report` now and then. Where somebody watches (the Explorer's *Measure this point* button), the
fraction reaches the screen, and a pressed *Cancel* surfaces as `Cancelled` at the next report. Where nobody
watches, `report` does nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event


class Cancelled(Exception):
    """The reader cancelled the work that was running."""


_watcher: ContextVar[tuple[Callable[[float, str], None], Event] | None] = ContextVar("watcher", default=None)


def report(fraction: float, text: str = "") -> None:
    """Say that `fraction` (0 to 1) of the work is done; raises `Cancelled` if the reader wants no more."""
    watcher = _watcher.get()
    if watcher is None:
        return
    show, cancelled = watcher
    if cancelled.is_set():
        raise Cancelled
    show(min(max(fraction, 0.0), 1.0), text)


@contextmanager
def watch(show: Callable[[float, str], None], cancelled: Event):
    """Send every `report` inside the block to `show`, until `cancelled` is set."""
    token = _watcher.set((show, cancelled))
    try:
        yield
    finally:
        _watcher.reset(token)
