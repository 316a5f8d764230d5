"""What is dear to start, processes above all, kept between the measurements of a lab and always ended.

`KEPT` is open from a lab's first cell to its last: what calibrates a lab and what measures in it share its processes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar

T = TypeVar("T")


class Session:
    """Keeps what is started until the outermost of its `with` blocks ends; `open` is an `Experiment`'s session."""

    def __init__(self):
        self._depth, self._stack, self._kept = 0, ExitStack(), {}

    @contextmanager
    def open(self) -> Iterator[None]:
        """Keep what is started until the outermost block ends, then end all of it."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self._kept.clear()
                self._stack.close()

    def start(self, key: Hashable, make: Callable[[], AbstractContextManager[T]]) -> T:
        """Return what is kept under a key, started now unless it is there.

        Args:
            key: names it within this session.
            make: returns the context in which it lives.

        Raises:
            RuntimeError: outside of a block, where nothing would end it.
        """
        if not self._depth:
            raise RuntimeError("Nothing can be started here: open the session first.")
        if key not in self._kept:
            own = self._stack.enter_context(ExitStack())
            self._kept[key] = own.enter_context(make()), own
        return self._kept[key][0]

    @contextmanager
    def held(self, key: Hashable, make: Callable[[], AbstractContextManager[T]]) -> Iterator[T]:
        """Open the session for a block and yield what `start` returns; after an error it is not used again."""
        with self.open():
            try:
                yield self.start(key, make)
            except BaseException:
                self.drop(key)
                raise

    def end(self, key: Hashable) -> None:
        """End what is kept under a key, if anything is: what comes next needs its memory."""
        if key in self._kept:
            self._kept.pop(key)[1].close()

    def drop(self, key: Hashable) -> None:
        """Let what failed not be used again: the next to ask for the key starts another."""
        self._kept.pop(key, None)


KEPT = Session()
