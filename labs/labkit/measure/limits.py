"""A process with one core and a hard memory limit, which the operating system enforces: it plays a small device.

The limit is the best that the machine allows, and everything says which it was:

1. a *control group* (cgroups(7), version 2 or 1) counts all memory that the process takes, and kills it beyond that;
2. an *address-space limit* (setrlimit(2), RLIMIT_AS) refuses memory beyond the limit, so that Python raises
   `MemoryError`. It counts what is reserved as well as what is used; what a process has reserved and not used once its
   libraries are loaded is therefore granted on top.

Both are Linux's; elsewhere there is none. The core is one processor of those that this process may use
(sched_setaffinity(2)). It is as fast as this machine's: a small device's is slower.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import ClassVar

from labkit import control_groups
from labkit.experiment import Unavailable
from labkit.processes import ONE_THREAD, Helper, HelperFailed, end_with_parent, say
from labkit.units import quantity

try:
    import resource
except ImportError:  # Windows
    resource = None

PATIENCE_S = 60  # for a process to finish: it is ended then
ADDRESS_SPACE = "an address-space limit (RLIMIT_AS)"
_PREFIX = "cluster-to-edge"
_LEAST = 2**20  # bytes: below this a limit is a slip of the pen
_number = count()

# Freed memory goes back to the system at once, as a small device needs it, and no library keeps threads in reserve.
ENVIRONMENT = {**ONE_THREAD, "MALLOC_MMAP_THRESHOLD_": "65536", "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass(frozen=True)
class Ended:
    """How a process in the sandbox ended.

    Args:
        how: `"finished"`, `"killed"` by the system, `"refused"` memory by it, `"stopped"` after `PATIENCE_S`, or
            `"failed"` for another reason.
        words: the same for a reader, with the limit and what enforced it.
        seconds: from its start to its end.
        peak: the most memory that it had, in bytes; None where nobody counted.
        result: what it reported when it finished.
    """

    how: str
    words: str
    seconds: float
    peak: int | None = None
    result: dict = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.how == "finished"


# Control groups


class Group:
    """A control group of its own for one process; removed at the end of a `with` block, and whatever is left in it.

    Args:
        parent: the group in which it is made.
        version: of the control groups, 1 or 2.
        memory: bytes that its processes may have together; None for no limit.

    Raises:
        OSError: the group or the limit cannot be set.
    """

    FILES: ClassVar[dict] = {
        1: ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.max_usage_in_bytes", "memory.oom_control"),
        2: ("memory.max", "memory.swap.max", "memory.peak", "memory.events"),
    }

    def __init__(self, parent: Path, version: int, memory: int | None = None):
        self.version = version
        self._limit, self._swap, self._peak, self._events = self.FILES[version]
        _sweep(parent)
        self.folder = parent / f"{_PREFIX}-{os.getpid()}-{next(_number)}"
        self.folder.mkdir()
        try:
            if not (self.folder / self._limit).exists():
                raise OSError(f"{self.folder} does not limit memory")
            if memory is not None:
                (self.folder / self._limit).write_text(str(memory))
                if (self.folder / self._swap).exists():  # no memory on the disk either: 1 counts both, 2 the disk alone
                    (self.folder / self._swap).write_text(str(memory if version == 1 else 0))
        except BaseException:
            self.remove()
            raise

    def __enter__(self) -> Group:
        return self

    def __exit__(self, *_) -> None:
        self.remove()

    @property
    def door(self) -> Path:
        """The file into which a process writes 0 to enter."""
        return self.folder / "cgroup.procs"

    def peak(self) -> int | None:
        """Return the most memory that the group had, in bytes; None where the system keeps no such count.

        Without what the system holds of files on its behalf: it would drop that for anybody who needs the memory.
        """
        try:
            most = int((self.folder / self._peak).read_text())
            kept = dict(line.split() for line in (self.folder / "memory.stat").read_text().splitlines())
            return most - int(kept["cache" if self.version == 1 else "file"])
        except (OSError, ValueError, KeyError):
            return None

    def kills(self) -> int:
        """Return how many of its processes the system has killed for want of memory."""
        with suppress(OSError):
            for line in (self.folder / self._events).read_text().splitlines():
                name, _, number = line.partition(" ")
                if name == "oom_kill":
                    return int(number)
        return 0

    def remove(self) -> None:
        """End what is left in the group, and remove it."""
        for _ in range(100):
            with suppress(OSError, ValueError):
                for process in self.door.read_text().split():
                    os.kill(int(process), signal.SIGKILL)
            try:
                self.folder.rmdir()
                return
            except FileNotFoundError:
                return
            except OSError:  # its process is not quite gone
                time.sleep(0.02)


def _sweep(parent: Path) -> None:
    """Remove groups whose maker was killed."""
    for folder in parent.glob(f"{_PREFIX}-*-*"):
        with suppress(OSError, ValueError):
            maker = int(folder.name.split("-")[-2])
            if not Path(f"/proc/{maker}").exists():
                folder.rmdir()


@cache
def _place() -> tuple[Path, int] | None:
    """Return where groups with a memory limit can be made and entered, and their version; None if nowhere."""
    for folder, version in control_groups.folders("memory"):
        with suppress(OSError), Group(folder, version, 2**28) as group:
            done = os.waitpid(_enter_and_leave(group.door), 0)[1]
            if done == 0:
                return folder, version
    return None


def _enter_and_leave(door: Path) -> int:
    code = "import sys; open(sys.argv[1], 'w').write('0')"
    return os.posix_spawn(sys.executable, [sys.executable, "-S", "-E", "-c", code, str(door)], {},
                          file_actions=[(os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)])


# Running


def backend() -> str | Unavailable:
    """Return what enforces the memory limit here, or why nothing can."""
    if sys.platform != "linux" or resource is None or not hasattr(os, "sched_setaffinity"):
        system = {"darwin": "macOS", "win32": "Windows"}.get(sys.platform, sys.platform)
        return Unavailable(f"{system} offers no control groups, and no address-space limit that holds: a small device "
                           "cannot be emulated here. In Colab, Binder or a container of Linux it can.")
    place = _place()
    return f"a control group (version {place[1]})" if place else ADDRESS_SPACE


def run(module: str, task: dict, *, memory: int | None = None, patience: float = PATIENCE_S) -> Ended | Unavailable:
    """Run a task in a process with one core and a memory limit, and return how it ended. The process is always ended.

    Args:
        module: of labkit, whose main program calls `obey`.
        task: what it is asked: `{"job": name, …}`.
        memory: bytes that the process may have; None for no limit.
        patience: seconds that it may take.

    Raises:
        ValueError: a limit that is no whole number of bytes from 1 MiB up, or a patience that is not above 0.
    """
    if memory is not None and (not isinstance(memory, int) or isinstance(memory, bool) or memory < _LEAST):
        raise ValueError(f"A memory limit is a whole number of bytes, 1 MiB (2**20) or more, not {memory!r}.")
    if not 0 < patience < float("inf"):
        raise ValueError(f"The patience must be a number of seconds above 0, not {patience}.")
    how = backend()
    if not how:
        return how
    order = {"module": module, "task": task, "patience": patience, "core": max(os.sched_getaffinity(0))}
    if how == ADDRESS_SPACE:
        return _run({**order, "space": memory}, memory, how, None)
    with Group(*_place(), memory) as group:
        return _run({**order, "door": str(group.door)}, memory, how, group)


def _run(order: dict, memory: int | None, how: str, group: Group | None) -> Ended:
    start, said, trouble = time.monotonic(), None, ""
    with _Sandboxed("labkit.measure.limits", json.dumps(order), environment=ENVIRONMENT) as sandboxed:
        try:
            said = sandboxed.answer(order["patience"] + 5)
        except HelperFailed as failed:
            trouble = str(failed)
        sandboxed.end()
        seconds, code = time.monotonic() - start, sandboxed.code
    # Both may count files that were in memory for a while; where the system dropped some, the lesser is nearer.
    peak = min(filter(None, (group and group.peak(), (said or {}).get("peak"))), default=None)
    limit = f"{quantity(memory, 'B')} ({how})" if memory else "no limit of memory"
    if said and "result" in said:
        return Ended("finished", f"It finished under {limit}.", seconds, peak, said["result"])
    if said and "refused" in said:
        return Ended("refused", f"The system refused it more memory than {limit}: "
                                f"{said['refused'].rstrip('.')}.", seconds, peak)
    if group and group.kills():
        return Ended("killed", f"The system killed it when it wanted more memory than {limit}.", seconds, peak)
    if code == -signal.SIGALRM or "silent" in trouble:
        return Ended("stopped", f"It had not finished after {order['patience']:g} s under {limit}, and was stopped.",
                     seconds, peak)
    if memory and not group and code in (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS):
        return Ended("refused", f"It fell over when the system refused it more memory than {limit} "
                                f"({signal.Signals(-code).name}).", seconds, peak)
    return Ended("failed", f"It failed, and not for want of memory. {trouble}", seconds, peak)


class _Sandboxed(Helper):
    @property
    def code(self) -> int | None:
        """The exit status; minus the signal's number where a signal ended it."""
        return self._process.poll()


# Inside


def obey(jobs: dict[str, tuple[Callable[[], object], Callable[..., dict]]]) -> None:
    """Run in the process in the sandbox: do the one task on the command line, report it, and end.

    Args:
        jobs: by name, a function that loads the libraries, and one that does the work and returns numbers by name.
    """
    order = json.loads(sys.argv[1])
    end_with_parent()
    load, work = jobs[order["task"].pop("job")]
    try:
        load()
        if order.get("space"):
            used, reserved = _memory("VmRSS") - _memory("RssFile"), _memory("VmSize")  # files can be dropped
            if used > order["space"]:
                raise MemoryError(f"its libraries alone have {quantity(used, 'B')}")
            resource.setrlimit(resource.RLIMIT_AS, (order["space"] + reserved - used,) * 2)
        result = work(**order["task"])
        say({"result": result, "peak": _memory("VmHWM") - _memory("RssFile")})
    except MemoryError as refusal:
        say({"refused": f"MemoryError, {refusal}" if str(refusal) else "MemoryError"})
    except Exception as trouble:
        say({"error": f"{type(trouble).__name__}: {trouble}"})
    os._exit(0)


def _memory(name: str) -> int:
    """Return a line of /proc/self/status in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    return 0


def _confine() -> None:
    """Enter the group and the core, and become the program that does the task: nothing of this one remains."""
    order = json.loads(sys.argv[1])
    if "door" in order:
        Path(order["door"]).write_text("0")
    os.sched_setaffinity(0, {order["core"]})
    signal.setitimer(signal.ITIMER_REAL, order["patience"])  # outlives the change of program, and ends it
    os.execv(sys.executable, [sys.executable, "-m", order["module"], sys.argv[1]])


if __name__ == "__main__":
    _confine()
