"""The process in which a student's cells run: `python -m labkit.grading.sandbox`, the task as JSON on its input."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from numbers import Integral, Real
from pathlib import Path

_NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.bind", "socket.sendto")
_PROCESSES = ("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn",
              "os.startfile", "os.kill", "signal.pthread_kill")
_FILES = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod",
          "os.chown", "shutil.rmtree", "shutil.move")


class Refused(PermissionError):
    """Something that a cell may not do."""


class TooLong(BaseException):
    """A cell has had its time; no `except Exception` of a student's stops it."""


class _Flood(io.TextIOBase):
    """Takes what a cell prints, and no more than a limit of it."""

    def __init__(self, limit: int):
        self._limit, self.left = limit, limit

    def begin(self) -> None:
        """Start anew, for another cell."""
        self.left = self._limit

    def write(self, text: str) -> int:
        self.left -= len(text)
        if self.left < 0:
            raise Refused(f"it printed more than {self._limit:,} characters")
        return len(text)


def main() -> None:
    """Run the cells of the task and tell, a line of JSON each, what they did."""
    task = json.load(sys.stdin)
    tell = _teller()
    _limit(task["memory"], task["file"])
    _guard(Path.cwd().resolve())
    out = _Flood(task["output"])
    sys.stdout = sys.stderr = out
    variables, failed = {"__name__": "__main__", "display": lambda *shown, **options: None}, []
    for place, source in task["cells"]:
        tell(begin=place)
        out.begin()
        if error := _run(source, variables, task["cell_s"]):
            failed.append((place, source, error))
        tell(values=_plain(variables, task["names"]))
    for place, source, error in failed:
        if isinstance(error, NameError):  # the cells may only have changed their order
            tell(begin=place)
            out.begin()
            error = _run(source, variables, task["cell_s"])
            if error is None:
                tell(trouble=[f"Code cell {place} needed one below it, and was run again at the end."])
        if error is not None:
            tell(trouble=[f"Code cell {place}: {_words(error)}."])
    tell(values=_plain(variables, task["names"]))
    tell(end=True)


def _teller() -> Callable[..., None]:
    """Return a function that writes to what standard output was; what a cell writes there goes nowhere."""
    told = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)

    def tell(**message) -> None:
        told.write(json.dumps(message) + "\n")
        told.flush()

    return tell


def _limit(memory: int, file: int) -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows has none of them, a Mac not all
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (file, file))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a file too large is an error of the cell


def _guard(folder: Path) -> None:
    """Refuse the network, other processes, and files outside a folder, for as long as this process lives."""

    def inside(path: object) -> bool:
        return isinstance(path, int) or path in (os.devnull, None) or Path(
            os.fsdecode(path)).resolve().is_relative_to(folder)

    def hook(event: str, arguments: tuple) -> None:
        if event in _NETWORK:
            raise Refused("it asked for the network")
        if event in _PROCESSES:
            raise Refused("it started or ended a process")
        if event in _FILES and not all(map(inside, filter(_is_path, arguments))):
            raise Refused("it changed a file outside its folder")
        if event == "open":
            path, mode, flags = arguments
            writes = any(letter in (mode or "") for letter in "wax+") or (
                (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
            if writes and not inside(path):
                raise Refused("it wrote a file outside its folder")

    sys.dont_write_bytecode = True
    sys.addaudithook(hook)


def _is_path(argument: object) -> bool:
    return isinstance(argument, (str, bytes, os.PathLike))


def _run(source: str, variables: dict, seconds: float) -> BaseException | None:
    """Run one cell; return what ended it, if anything did."""
    try:
        with _alarm(seconds):
            exec(compile(source, "<cell>", "exec"), variables)
    except BaseException as error:  # SystemExit too: a cell that leaves does not take the others with it
        return error
    return None


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    if not hasattr(signal, "setitimer"):  # Windows: the limit for all cells holds
        yield
        return

    def ring(number, frame):
        raise TooLong

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _words(error: BaseException) -> str:
    if isinstance(error, TooLong):
        return "it had not ended after its time and was stopped"
    if isinstance(error, SystemExit):
        return "it called exit(); the cells below it were run all the same"
    if isinstance(error, Refused):
        return str(error)
    if isinstance(error, MemoryError):
        return "it asked for more memory than there is for it"
    return f"{type(error).__name__}: {str(error)[:200]}".rstrip(". ")


def _plain(variables: dict, names: list[str]) -> dict:
    return {name: _value(variables[name]) for name in names if name in variables}


def _value(value: object, depth: int = 3) -> object:
    """Return a value as JSON can hold it; what is neither number, text nor a short list of them, as its type's name."""
    if value is None or isinstance(value, (bool, str)):
        return value if not isinstance(value, str) else value[:20_000]
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, (list, tuple)) and len(value) <= 100 and depth:
        return [_value(item, depth - 1) for item in value]
    return {"type": type(value).__name__}


if __name__ == "__main__":
    main()
