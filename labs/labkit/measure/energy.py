"""Joules, where the machine counts them: the CPU's own counters (RAPL) and the GPU's (NVML).

RAPL is what Linux shows in `/sys/class/powercap` of Intel's and AMD's processors: microjoules of a whole processor,
which grow until they start again at zero. Reading them is often left to the administrator, because they tell what
others compute (CVE-2020-8694). Virtual machines have none. Apple's are for the administrator alone.

NVML counts the millijoules of a whole GPU since its driver was loaded, from the Volta generation on
(`nvmlDeviceGetTotalEnergyConsumption`). Its power reading is no substitute: on GPUs since Ampere it is an average over
the last second (docs.nvidia.com/deploy/nvml-api, `nvmlDeviceGetPowerUsage`).
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from labkit.experiment import Unavailable

POWERCAP = Path("/sys/class/powercap")
_WITHOUT = "A model stands in for a counter, below."


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

    by = "the CPU's own counter (RAPL)"

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
    """The counter of one NVIDIA GPU.

    Args:
        nvml: NVIDIA's bindings, the module `pynvml`.
        uuid: of the GPU, as NVML writes it: `"GPU-…"`.
    """

    by = "the GPU's own counter (NVML)"

    def __init__(self, nvml: ModuleType, uuid: str):
        self._nvml, self._uuid = nvml, uuid

    @contextmanager
    def watch(self) -> Iterator[Spent]:
        """Count inside the block; raises `pynvml.NVMLError` where the GPU does not count."""
        self._nvml.nvmlInit()
        try:
            gpu = self._nvml.nvmlDeviceGetHandleByUUID(self._uuid)
            spent, begin = Spent(), time.perf_counter()
            before = self._nvml.nvmlDeviceGetTotalEnergyConsumption(gpu)
            yield spent
            after = self._nvml.nvmlDeviceGetTotalEnergyConsumption(gpu)
            spent.joules, spent.seconds = 1e-3 * (after - before), time.perf_counter() - begin
        finally:
            self._nvml.nvmlShutdown()


def processor(root: Path = POWERCAP) -> Rapl | Unavailable:
    """Return the processor's counters, or why they cannot be read.

    Args:
        root: where Linux shows them.
    """
    if sys.platform == "darwin":
        return Unavailable(f"macOS tells what its CPU draws to the administrator alone. {_WITHOUT}")
    zones = sorted(zone for zone in root.glob("intel-rapl:*") if _package(zone))
    if not zones:
        return Unavailable("This machine shows no energy counter of its CPU: virtual machines have none, and "
                           f"only Linux shows them. {_WITHOUT}")
    try:
        counter = Rapl(zones)
        with counter.watch():
            pass
    except PermissionError:
        return Unavailable("The CPU counts its joules, but only the administrator may read them here: `sudo "
                           f"chmod a+r {root}/intel-rapl:*/energy_uj` lets you, until the next start. {_WITHOUT}")
    except (OSError, ValueError) as trouble:
        return Unavailable(f"The CPU's energy counter cannot be read ({trouble}). {_WITHOUT}")
    return counter


def _package(zone: Path) -> bool:
    """Whether these are the counters of a whole processor, not of a part of one or of the whole computer."""
    with suppress(OSError):
        return (zone / "name").read_text().startswith("package")
    return False


def gpu(nvml: ModuleType | None = None, uuid: str | None = None) -> Nvml | Unavailable:
    """Return the counter of a GPU, or why it cannot be read.

    Args:
        nvml: stands in for the module `pynvml`.
        uuid: of the GPU; that of the one on which PyTorch computes unless given.
    """
    if (uuid := uuid or _own_uuid()) is None:
        return Unavailable("There is no NVIDIA GPU here that PyTorch can use.")
    try:
        nvml = nvml or importlib.import_module("pynvml")
    except ImportError:
        return Unavailable("NVIDIA's bindings to its counters are missing: `pip install nvidia-ml-py` brings them.")
    counter = Nvml(nvml, uuid)
    try:
        with counter.watch():
            pass
    except nvml.NVMLError_NotSupported:
        return Unavailable("This GPU does not count its joules: NVIDIA's do from the Volta generation (2017) on, and "
                           "only whole ones, not slices of one.")
    except nvml.NVMLError as trouble:
        return Unavailable(f"The GPU's energy counter cannot be read ({trouble}).")
    return counter


def _own_uuid() -> str | None:
    """Return NVML's name of the GPU on which PyTorch computes, None where there is none of NVIDIA's."""
    import torch

    if not torch.cuda.is_available() or torch.version.cuda is None:
        return None
    return f"GPU-{torch.cuda.get_device_properties(torch.cuda.current_device()).uuid}"


def of_answers(call: Callable[[], object], counter: Rapl | Nvml, seconds: float = 1.0) -> Energy:
    """Count the joules of answers given one after the other, and those of an idle machine before.

    Raises:
        ValueError: seconds that are not from above 0 to 20.
        OSError, pynvml.NVMLError: the counter went away.
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
