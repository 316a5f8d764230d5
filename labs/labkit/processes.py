"""Another process of the course, which a measurement starts, talks to and always ends.

The helper runs one module of labkit and exchanges lines of JSON with it over pipes. When its parent is gone its input
closes, and it ends by itself: after the message that it is at (`serve`), or at once (`end_with_parent`).
"""

from __future__ import annotations

import gc
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic

ONE_THREAD = dict.fromkeys(  # the environment in which NumPy's libraries start no further threads
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1")
PATIENCE = 30  # seconds that a helper may take for an answer
_GLANCE = 0.2  # seconds after which one who waits looks whether the others are still there


class HelperFailed(RuntimeError):
    """A helper process ended, was silent for too long, or reported an error; the message says which."""


class Helper:
    """A running module, for a `with` block: at its end, and on every error, the process is ended.

    Args:
        module: what to run, as in `python -m`.
        arguments: for its command line.
        environment: variables to set besides this process's own.
        within: a command that starts the one that follows it, elsewhere.

    Raises:
        HelperFailed: the system lets no further process start.
    """

    def __init__(self, module: str, *arguments: str, environment: dict[str, str] | None = None,
                 within: Iterable[str] = ()):
        place = str(Path(__file__).parents[1])
        path = os.pathsep.join(filter(None, (place, os.environ.get("PYTHONPATH"))))
        self.module = module
        try:
            self._process = subprocess.Popen(
                [*within, sys.executable, "-m", module, *arguments],
                env={**os.environ, **(environment or {}), "PYTHONPATH": path},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8")
        except OSError as refusal:
            raise HelperFailed(f"This machine lets no further process start ({refusal.strerror or refusal}): end other "
                               "programs and notebooks, or ask whoever runs it to allow more (ulimit -u).") from refusal
        self._lines: queue.Queue[str] = queue.Queue()
        self._said: list[str] = []
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._listen, self._keep_errors)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Helper:
        return self

    def __exit__(self, *_) -> None:
        self.end()

    def tell(self, message: object) -> None:
        """Send a message without waiting for an answer; raises `HelperFailed` where nobody listens."""
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except (OSError, ValueError) as error:
            raise HelperFailed(self._why("it ended")) from error

    def answer(self, patience: float = PATIENCE, others: Iterable[Helper] = ()) -> object:
        """Wait for the next message.

        Args:
            patience: seconds of silence to bear.
            others: helpers without whom this one cannot answer.

        Raises:
            HelperFailed: it said nothing for too long, reported an error, or ended; or one of the others ended.
        """
        end = monotonic() + patience
        while (found := self.heard(max(min(_GLANCE, end - monotonic()), 0))) is None:
            if monotonic() >= end:
                raise HelperFailed(self._why(f"it was silent for {patience:g} s"))
            for other in others:
                if other._process.poll() is not None:
                    raise HelperFailed(other._why("it ended"))
        return found[0]

    def heard(self, seconds: float) -> tuple[object] | None:
        """Return the next message, alone in a tuple, or None if there is none within some seconds.

        Raises:
            HelperFailed: it reported an error, or ended.
        """
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            return None
        if not line:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1)  # its output ends a moment before it does
            raise HelperFailed(self._why("it ended"))
        try:
            message = json.loads(line)
        except ValueError:
            raise HelperFailed(self._why(f"it said {line.strip()!r}")) from None
        if isinstance(message, dict) and "error" in message:
            raise HelperFailed(message["error"])
        return (message,)

    @property
    def id(self) -> int:
        """The number of its process."""
        return self._process.pid

    @property
    def killed(self) -> int | None:
        """The number of the signal that ended it, or None."""
        code = self._process.poll()
        return -code if code is not None and code < 0 else None

    def end(self) -> None:
        """End the process, by its closed input or, a second later, by force."""
        with suppress(OSError):  # it is gone already
            self._process.stdin.close()
        try:
            self._process.wait(1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for thread in self._threads:
            thread.join(1)
        self._process.stdout.close()
        self._process.stderr.close()

    def _listen(self) -> None:
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def _keep_errors(self) -> None:
        for line in self._process.stderr:
            self._said = [*self._said[-20:], line.strip()]

    def _why(self, what: str) -> str:
        if self._process.poll() is not None:
            self._threads[1].join(1)  # until all that it said is there
        last = f" Its last words: {self._said[-1]}" if self._said else ""
        return f"The helper process {self.module} did not answer: {what}.{last}"


def serve(answer: Callable[[object], object], lines: Iterable[str] | None = None) -> None:
    """Run in the helper: answer each message of the parent until it closes the line.

    What `answer` returns is sent, unless it is None; an exception is sent as an error and ends nothing. The lines are
    those of the standard input, unless somebody else reads that.
    """
    for line in sys.stdin if lines is None else lines:
        try:
            reply = answer(json.loads(line))
        except Exception as trouble:
            reply = {"error": f"{type(trouble).__name__}: {trouble}"}
        if reply is not None:
            say(reply)


def end_with_parent(clean_up: Callable[[], object] | None = None) -> Iterator[str]:
    """Let this process end, whatever it is doing, as soon as its parent is gone or closes the line.

    Args:
        clean_up: what to do before.

    Returns:
        The lines that the parent sends, for whoever answers them; for `serve` too.
    """
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listen():
        for line in sys.stdin:
            lines.put(line)
        if clean_up:
            clean_up()
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    return iter(lines.get, None)


def collect_seldom() -> None:
    """Look for garbage less often in this process, which is about to import the framework.

    That makes half a million objects which all stay; to look through them again and again takes an eighth of its time.
    """
    gc.set_threshold(50_000)


def say(message: object) -> None:
    """Send the parent a message that it did not ask for."""
    print(json.dumps(message), flush=True)
