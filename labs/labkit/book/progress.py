"""What the terminal shows while the labs of the book run: which, how far, how long still, and its surprises."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from threading import Event, Thread
from time import monotonic

from labkit import effort
from labkit.book.runs import Run
from labkit.labs.lab import Lab

# What a lab promises, and some seconds for its page.
_EXPECTED_S = {effort.QUICK: 35, effort.USUAL: 100, effort.LONG: 300}


class Progress:
    """One lab's line, renewed every second on a terminal, for a `with` block while the lab runs."""

    def __init__(self, lab: Lab, place: str, left_s: float, each_s: float):
        self._lab, self._place, self._left, self._each = lab, place, left_s, each_s
        self._cells = (0, 1)
        self._end = Event()
        self._thread = Thread(target=self._renew, daemon=True)
        self._begin = monotonic()

    @classmethod
    def over(cls, labs: Sequence[Lab], level: str) -> Iterator[tuple[Lab, Progress]]:
        """Yield every lab with its line; how long the rest takes is told from those that are done."""
        begin, each = monotonic(), float(_EXPECTED_S[level])
        for number, lab in enumerate(labs):
            yield lab, cls(lab, f"{number + 1} of {len(labs)}", each * (len(labs) - number - 1), each)
            each = (monotonic() - begin) / (number + 1)

    def __enter__(self) -> Progress:
        if sys.stdout.isatty():
            self._thread.start()
        else:
            print(self.line(), flush=True)
        return self

    def __exit__(self, *_) -> None:
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()
            print("\r\x1b[K", end="", flush=True)

    def tell(self, done: int, of: int) -> None:
        """Say how many of the lab's code cells are done."""
        self._cells = (done, of)

    def line(self) -> str:
        """Return how things stand now."""
        seconds, (done, of) = monotonic() - self._begin, self._cells
        left = max(self._each - seconds, self._each * (1 - done / of) / 2) + self._left
        return (f"Lab {self._place}: {self._lab.number} {self._lab.title}, cell {min(done + 1, of)} of {of}, "
                f"{seconds:.0f} s so far; all in about {_rounded(left)}")

    def done(self, run: Run) -> None:
        """Print how the lab went."""
        said = f"Lab {self._place}: {self._lab.number} {self._lab.title}, {run.seconds:.0f} s"
        if run.broken:
            said += f"; broke off in code cell {run.broken.cell}: {run.broken.summary}"
        count = len(run.surprises)
        said += f"; {count} {'surprise' if count == 1 else 'surprises'}" if count else "; all as expected"
        print("\n".join([said, *(f"    Otherwise: {surprise.statement}" for surprise in run.surprises)]), flush=True)

    def _renew(self) -> None:
        while not self._end.wait(1):
            print(f"\r\x1b[K{self.line()}", end="", flush=True)


def _rounded(seconds: float) -> str:
    return f"{max(round(seconds / 60), 1)} min" if seconds > 50 else "a minute"
