"""The computer that this process runs on: its processor, how much of it the process may use, and who says so.

Nothing here raises: what the system does not tell is left out, so that no calibration ends by a probe of the system.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from labkit import control_groups
from labkit.units import quantity

try:
    import resource
except ImportError:  # Windows
    resource = None

CPUINFO, BOARD = Path("/proc/cpuinfo"), Path("/proc/device-tree/model")
SUPPLIES = Path("/sys/class/power_supply")
# What the C libraries under PyTorch and NumPy read when they are loaded (OpenMP 5.2, 21; GOMP, KMP: GCC's, Intel's).
BINDING = ("OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY")
COUNTING = ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "MKL_NUM_THREADS")
# Lines of /proc/cpuinfo that tell kinds of processors apart, and others that start like them and change.
_KIND = ("vendor_id", "cpu", "model", "stepping", "CPU ", "uarch", "isa")
_CHANGING = ("cpu MHz", "cpu cores", "cpuid level")
_UNBOUND = ("false", "none", "disabled", "")
_FEW_FILES = 1024  # what Linux gives a process unless told otherwise
_PATIENCE_S = 30  # for the name of the processor, which takes a second


@dataclass(frozen=True)
class Limit:
    """Something that keeps this process from using all of its computer.

    Args:
        words: a sentence: what is limited, to how much, and who did it.
        mend: what to do about it, a sentence.
    """

    words: str
    mend: str


def processors() -> int:
    """Return how many processors the system shows, hyper-threads among them."""
    return os.cpu_count() or 1


def bound() -> int:
    """Return on how many of them this process may run."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else processors()


def cores() -> float:
    """Return how many processors' time this process can have at once, in a container perhaps fewer than it sees.

    The least of the processors, those that the process may run on, and the quotas of the control groups around it.
    """
    quota = control_groups.cores()
    return min(float(bound()), quota.amount if quota else math.inf)


def container_memory() -> int | None:
    """Return the bytes of memory that the control groups around this process allow, or None where none limits it."""
    limit = control_groups.memory()
    return int(limit.amount) if limit and limit.amount < psutil.virtual_memory().total else None


def on_battery() -> bool:
    """Return whether the computer runs on its own battery: a mouse's, which Linux lists among them, is none."""
    if sys.platform != "linux":
        try:
            battery = psutil.sensors_battery()
        except Exception:  # no such probe here, or one that stumbles over what the system says
            return False
        return battery is not None and battery.power_plugged is False
    supplies = [_supply(folder) for folder in (SUPPLIES.iterdir() if SUPPLIES.is_dir() else ())]
    if any(supply["type"] == "Mains" and supply["online"] == "1" for supply in supplies):
        return False
    return any(supply["type"] == "Battery" and supply["scope"] != "Device" and supply["status"] == "Discharging"
               for supply in supplies)


def _supply(folder: Path) -> dict[str, str]:
    """Return what Linux says of a supply of power (Documentation/ABI/testing/sysfs-class-power); "" for nothing."""
    said = dict.fromkeys(("type", "scope", "status", "online"), "")
    for name in said:
        with suppress(OSError, ValueError):
            said[name] = (folder / name).read_text().strip()
    return said


@cache
def processor() -> str:
    """Return what the processor calls itself.

    On a PC with Linux the system says it at once; elsewhere, on an Arm board for one, py-cpuinfo finds it in a second.
    A board's own name stands before its processor's.
    """
    with suppress(OSError, ValueError, StopIteration):
        lines = CPUINFO.read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    board = ""
    with suppress(OSError, ValueError):
        board = BOARD.read_text().strip("\0 \n")
    return ", ".join(filter(None, (board, _brand())))


def _brand() -> str:
    try:
        answer = subprocess.run([sys.executable, "-m", "cpuinfo", "--json"], capture_output=True, text=True,
                                stdin=subprocess.DEVNULL, timeout=_PATIENCE_S, check=True)
        return json.loads(answer.stdout)["brand_raw"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return platform.processor() or platform.machine() or "an unknown CPU"


def fingerprint() -> str:
    """Return a text that differs between kinds of processors, found without the second that a name can take."""
    said = [platform.machine(), platform.processor()]
    with suppress(OSError, ValueError):
        said += sorted({line for line in CPUINFO.read_text().splitlines() if line.startswith(_KIND)
                        and not line.startswith(_CHANGING)})
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:16]


def limits() -> tuple[Limit, ...]:
    """Return what limits this process, who set it and how to mend it; nothing on a computer that is free to use."""
    return (*processor_limits(), *_variables(), *_memory_limits(), *_file_limits())


def processor_limits() -> Iterator[Limit]:
    """Yield what keeps this process from running on all processors at once."""
    usable, elsewhere = bound(), _bound_elsewhere()
    by = [name for name in BINDING if os.environ.get(name, "").lower() not in _UNBOUND]
    if by and usable < elsewhere:
        names = " and ".join(f"{name}={os.environ[name]}" for name in by)
        without = " ".join(f"-u {name}" for name in by)
        yield Limit(f"{names} in the environment binds this process to {usable} of {elsewhere} cores.",
                    f"Start Jupyter without it: env {without} jupyter lab.")
    elif usable < processors():
        yield Limit(f"This process may run on {usable} of {processors()} cores: taskset, a cpuset or a "
                    "scheduler chose them.", "Ask the scheduler for more, or start Jupyter without taskset.")
    quota = control_groups.cores()
    if quota and quota.amount < bound():
        yield Limit(f"The control group {quota.folder} allows the time of {quantity(quota.amount, 'cores')}.",
                    "Whoever starts the container, the hub or the job sets it (docker --cpus, a Slurm or Kubernetes "
                    "limit): ask there for more.")


def _bound_elsewhere() -> int:
    """Return on how many processors the freest thread of this process may run.

    OpenMP's libraries bind the thread that loads them; those that were there before keep what the process had.
    """
    most = bound()
    with suppress(OSError, ValueError, AttributeError):
        for thread in os.listdir("/proc/self/task"):
            with suppress(OSError):
                most = max(most, len(os.sched_getaffinity(int(thread))))
        most = max(most, len(os.sched_getaffinity(os.getppid())))
    return most


def _variables() -> Iterator[Limit]:
    enough = max(1, math.floor(cores()))
    for name in COUNTING:
        count = os.environ.get(name, "").split(",")[0].strip()
        if count.isdigit() and 0 < int(count) < enough:
            yield Limit(f"{name}={os.environ[name]} in the environment lets the framework use {count} of {enough} "
                        "cores.", f"Start Jupyter without it: env -u {name} jupyter lab.")


def _memory_limits() -> Iterator[Limit]:
    limit, total = control_groups.memory(), psutil.virtual_memory().total
    if limit and limit.amount < total:
        yield Limit(f"The control group {limit.folder} allows {quantity(limit.amount, 'B')} of "
                    f"{quantity(total, 'B')} of memory.",
                    "Whoever starts the container, the hub or the job sets it: ask there for more.")
    if resource and 0 < (space := resource.getrlimit(resource.RLIMIT_AS)[0]) < total:
        yield Limit(f"The shell's limit of address space is {quantity(space, 'B')}.",
                    "Start Jupyter from a shell with ulimit -v unlimited.")


def _file_limits() -> Iterator[Limit]:
    if resource and 0 < (files := resource.getrlimit(resource.RLIMIT_NOFILE)[0]) < _FEW_FILES:
        yield Limit(f"This process may open {files} files and connections at once.",
                    f"Start Jupyter from a shell with ulimit -n {_FEW_FILES}.")
