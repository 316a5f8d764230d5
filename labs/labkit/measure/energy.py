"""Joules, where the machine counts them: the processor's own counters (RAPL) and the GPU's (NVML).

RAPL is what Linux shows in `/sys/class/powercap` of Intel's and AMD's processors: microjoules of a whole processor,
which grow until they start again at zero. Reading them is often left to the administrator, because they tell what
others compute (CVE-2020-8694). Virtual machines have none. Apple's are for the administrator alone.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from labkit.experiment import Unavailable

POWERCAP = Path("/sys/class/powercap")
_WITHOUT = "A model stands in for a counter, below."
SMI = ("nvidia-smi", "--query-gpu=power.draw", "--format=csv,noheader,nounits", "--id=0", "--loop-ms=100")
_FIRST_S = 5.0  # seconds to wait for the GPU's first figure


@dataclass
class Spent:
    """What was spent in a `with` block: `joules`, in `seconds`, from its end on."""

    joules: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class Energy:
    """What answers took.

    Args:
        answers: how many there were.
        busy: joules and seconds of all of them.
        idle: joules and seconds of a pause before.
        by: who counted.
    """

    answers: int
    busy: Spent
    idle: Spent
    by: str

    @property
    def each(self) -> float:
        """Joules of an answer: all that was counted, whoever used it."""
        return self.busy.joules / self.answers

    @property
    def above_idle(self) -> float:
        """Joules of an answer, less what the idle machine takes in the same time; 0 where that is more."""
        idle = self.idle.joules / self.idle.seconds * self.busy.seconds
        return max(self.busy.joules - idle, 0.0) / self.answers


class Rapl:
    """The counters of all processors of this machine.

    Args:
        zones: the folders of the processors' counters.
    """

    by = "the processor's own counter (RAPL)"

    def __init__(self, zones: Sequence[Path]):
        self._zones = tuple(zones)
        self._ranges = [int((zone / "max_energy_range_uj").read_text()) for zone in self._zones]

    def _read(self) -> list[int]:
        return [int((zone / "energy_uj").read_text()) for zone in self._zones]

    @contextmanager
    def watch(self) -> Iterator[Spent]:
        """Count inside the block, for less than a minute: a counter that starts anew twice would go unnoticed."""
        spent, begin, before = Spent(), time.perf_counter(), self._read()
        yield spent
        after, spent.seconds = self._read(), time.perf_counter() - begin
        spent.joules = 1e-6 * sum(since(*pair) for pair in zip(before, after, self._ranges, strict=True))


def since(before: int, after: int, largest: int) -> int:
    """Return how far a counter went that may have passed its largest value once and started again at zero."""
    return after - before if after >= before else after + largest + 1 - before


class Nvml:
    """The power that the first GPU reports, ten times a second, through `nvidia-smi`.

    Args:
        command: what prints a figure in watts on a line, again and again, until it is ended.
    """

    by = "the GPU's own sensor (NVML)"

    def __init__(self, command: Sequence[str] = SMI):
        self._command = tuple(command)

    @contextmanager
    def watch(self) -> Iterator[Spent]:
        """Take the mean power inside the block, times its seconds; raises `OSError` where no figure comes."""
        spent, watts, first = Spent(), [], threading.Event()
        process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

        def listen():
            for line in process.stdout:
                with suppress(ValueError):
                    watts.append(float(line))
                    first.set()
            first.set()  # it ended

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        try:
            if not first.wait(_FIRST_S) or not watts:
                raise OSError(f"{self._command[0]} reports no power of this GPU.")
            begin, known = time.perf_counter(), len(watts)
            yield spent
            spent.seconds = time.perf_counter() - begin
            here = watts[known:] or watts[-1:]
            spent.joules = sum(here) / len(here) * spent.seconds
        finally:
            process.kill()
            process.wait()
            thread.join(1)
            process.stdout.close()


def processor(root: Path = POWERCAP) -> Rapl | Unavailable:
    """Return the processor's counters, or why they cannot be read.

    Args:
        root: where Linux shows them.
    """
    if sys.platform == "darwin":
        return Unavailable(f"macOS tells what its processor draws to the administrator alone. {_WITHOUT}")
    zones = sorted(zone for zone in root.glob("intel-rapl:*") if _package(zone))
    if not zones:
        return Unavailable("This machine shows no energy counter of its processor: virtual machines have none, and "
                           f"only Linux shows them. {_WITHOUT}")
    try:
        counter = Rapl(zones)
        with counter.watch():
            pass
    except PermissionError:
        return Unavailable("The processor counts its joules, but only the administrator may read them here: `sudo "
                           f"chmod a+r {root}/intel-rapl:*/energy_uj` lets you, until the next start. {_WITHOUT}")
    except (OSError, ValueError) as trouble:
        return Unavailable(f"The processor's energy counter cannot be read ({trouble}). {_WITHOUT}")
    return counter


def _package(zone: Path) -> bool:
    """Whether these are the counters of a whole processor, not of a part of one or of the whole computer."""
    with suppress(OSError):
        return (zone / "name").read_text().startswith("package")
    return False


def gpu(command: Sequence[str] = SMI) -> Nvml | Unavailable:
    """Return the GPU's sensor, or why it cannot be read."""
    sensor = Nvml(command)
    try:
        with sensor.watch():
            pass
    except OSError:
        return Unavailable("There is no NVIDIA GPU here that reports its power.")
    return sensor


def of_answers(call: Callable[[], object], counter: Rapl | Nvml, seconds: float = 1.0) -> Energy:
    """Count the joules of answers given one after the other, and those of an idle machine before.

    Raises:
        ValueError: seconds that are not from above 0 to 20.
        OSError: the counter went away.
    """
    if not 0 < seconds <= 20:
        raise ValueError(f"Joules are counted for more than 0 and up to 20 seconds, not for {seconds!r}.")
    with counter.watch() as idle:
        time.sleep(seconds)
    answers = 0
    with counter.watch() as busy:
        end = time.perf_counter() + seconds
        while not answers or time.perf_counter() < end:
            call()
            answers += 1
    return Energy(answers, busy, idle, counter.by)
