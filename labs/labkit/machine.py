"""The machine that predictions are made for: this one, calibrated, or one from the catalogue.

A calibrated profile is kept in the cache folder for `FRESH_DAYS` and measured again when it is older, when the
machine or the framework has changed, or when the file is damaged. Only one process calibrates at a time.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import itertools
import json
import math
import warnings
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache as remembered
from pathlib import Path

from filelock import FileLock, Timeout

from labkit import cache
from labkit.clock import CONTENDED
from labkit.predict.network import layers

PROFILE_VERSION = 1  # raise it when the probes change: older profiles are then measured again
FRESH_DAYS = 30
_PATIENCE = 180  # seconds to wait for another process that calibrates; a calibration takes about 20


class DamagedProfile(ValueError):
    """A machine profile that cannot be used; the message says why."""


@dataclass(frozen=True)
class Machine:
    """What a prediction needs to know of a machine.

    Args:
        name: what the processor or GPU calls itself.
        device: `"cpu"`, `"cuda"` or `"mps"`; `"catalogue"` for a machine known from its datasheet alone.
        memory: bytes that a program may use.
        flops: peak rate in FLOP/s for 32-bit floats, from a datasheet; None for a calibrated machine.
        bandwidth: peak memory bandwidth in bytes/s, from a datasheet; None for a calibrated machine.
        operators: seconds of single operations (`labkit.measure.operators.probe`); empty for a datasheet.
        date: when it was calibrated, ISO 8601.
        identity: what must be the same for the profile to hold: processor, cores, threads, system, framework.
        source: where the figures come from.
    """

    name: str
    device: str
    memory: float
    flops: float | None = None
    bandwidth: float | None = None
    operators: dict = field(default_factory=dict)
    date: str = ""
    identity: dict = field(default_factory=dict)
    source: str = "measured on this machine"

    @property
    def calibrated(self) -> bool:
        """Whether the figures were measured here, not printed in a datasheet."""
        return bool(self.operators)

    @property
    def note(self) -> str:
        """What a reader must know of the profile, or nothing."""
        share = self.operators.get("contention", 0)
        if share > CONTENDED:
            return (f"Other programs used {share:.0%} of the processor during the calibration: expect larger errors, "
                    "or close them and run labkit.machine.this(again=True).")
        return ""


_known: Machine | None = None  # this machine, once this process has found it


def this(again: bool = False) -> Machine:
    """Return this machine, calibrated: from the cache where its profile holds, else measured (about 20 s).

    Args:
        again: measure even if a profile is kept.

    A folder that cannot be written costs nothing but the next calibration: the profile is then kept in memory.
    """
    global _known
    if again or _known is None:
        _known = _find(again)
    return _known


def _find(again: bool) -> Machine:
    identity = _identity()
    path = cache.folder("machines") / f"{_digest(identity)}-v{PROFILE_VERSION}.json"
    with ExitStack() as stack:
        kept = None if again else _kept(path, identity)
        if kept is None:
            _wait_for_others(path, stack)
            kept = None if again else _kept(path, identity)  # another process may just have measured it
        return kept or _calibrate(path, identity)


def _kept(path: Path, identity: dict) -> Machine | None:
    """Return the profile at `path` if it can be used; a damaged or foreign one is set aside, not deleted."""
    try:
        machine = load(path)
        if machine.identity != identity:
            raise DamagedProfile("it belongs to another machine")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, DamagedProfile) as trouble:
        aside = path.with_suffix(".unusable.json")
        try:
            path.replace(aside)
            place = f"is set aside as {aside.name}"
        except OSError:  # a read-only folder
            place = "stays where it is"
        warnings.warn(f"The kept profile of this machine cannot be used: {trouble}. It {place}, and the machine is "
                      "measured again.", stacklevel=2)
        return None
    age = datetime.now(UTC) - datetime.fromisoformat(machine.date).astimezone(UTC)
    return machine if timedelta(0) <= age <= timedelta(days=FRESH_DAYS) else None


def _wait_for_others(path: Path, stack: ExitStack) -> None:
    """Hold the lock for calibrating until `stack` closes; go on without it where none can be had."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_suffix(".lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print("Another notebook is calibrating this machine. Waiting for it, so that neither disturbs the other …")
            lock.acquire(timeout=_PATIENCE)
        stack.callback(lock.release)
    except Timeout:
        warnings.warn(f"Another process has been calibrating for over {_PATIENCE} s; not waiting any longer. "
                      "The two may disturb each other.", stacklevel=2)
    except (OSError, NotImplementedError):
        pass  # nowhere to put a lock: the warning comes when the profile cannot be kept


def _calibrate(path: Path, identity: dict) -> Machine:
    from labkit.measure import device as devices
    from labkit.measure import operators

    device = devices.best()
    print(f"Calibrating {identity['name']} (about 20 s; kept for {FRESH_DAYS} days) …")
    machine = Machine(
        name=identity["name"],
        device=device.type,
        memory=devices.memory(device),
        operators=operators.probe(device),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        identity=identity,
    )
    if machine.note:
        warnings.warn(machine.note, stacklevel=2)
    try:
        save(machine, path)
    except OSError as trouble:
        warnings.warn(f"The profile cannot be kept in {path.parent.name}/ ({trouble.strerror}): it holds until this "
                      "notebook ends. Set CLUSTER_TO_EDGE_CACHE to a folder that can be written.", stacklevel=2)
    return machine


def save(machine: Machine, path: Path) -> None:
    """Write a profile, whole or not at all; raises `OSError` when the folder cannot be written or is full."""
    content = {"profile_version": PROFILE_VERSION, **asdict(machine)}
    cache.write_atomically(path, json.dumps(content, indent=1).encode())


def load(path: Path) -> Machine:
    """Read a profile.

    Raises:
        FileNotFoundError: there is none.
        DamagedProfile: it is not one, is of another version, or holds numbers that no machine has.
    """
    try:
        content = json.loads(path.read_bytes())
        if content.pop("profile_version") != PROFILE_VERSION:
            raise DamagedProfile("it was written by another version of labkit")
        machine = Machine(**content)
        _check(machine)
        datetime.fromisoformat(machine.date).astimezone(UTC)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as trouble:
        if isinstance(trouble, DamagedProfile):
            raise
        raise DamagedProfile(f"it is damaged ({type(trouble).__name__})") from trouble
    return machine


def _check(machine: Machine) -> None:
    operators = machine.operators
    kinds = [*operators["infer"].values(), *operators["train"].values()]
    curves = [operators["optimiser"], *(curve for channels in kinds for curve in channels.values())]
    if not all([*kinds, *curves]) or operators["infer"].keys() != operators["train"].keys():
        raise DamagedProfile("it lacks operations")
    numbers = [machine.memory, operators["pace"], *(int(count) for channels in kinds for count in channels)]
    numbers += [n for curve in curves for work, seconds in curve for n in (work, seconds)]
    if not all(isinstance(n, (int, float)) and math.isfinite(n) and n > 0 for n in numbers):
        raise DamagedProfile("it holds times that no machine can have")
    if any(a[0] >= b[0] for curve in curves for a, b in itertools.pairwise(curve)):
        raise DamagedProfile("its points are out of order")
    if not {layer.kind for layer in layers(width=16)} <= operators["infer"].keys():
        raise DamagedProfile("it lacks operations")
    if not 0 <= operators["contention"] <= 1:
        raise DamagedProfile("it holds a share above 1 or below 0")


def _identity() -> dict:
    import torch

    from labkit.measure import device as devices

    device = devices.best()
    return {
        "name": devices.name(device),
        "device": device.type,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def _digest(identity: dict) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def named(name: str) -> Machine:
    """Return a machine of the catalogue (`data/hardware.csv`) by its datasheet.

    Raises:
        ValueError: no such machine; the message names the nearest ones.
    """
    machines = catalogue()
    if name in machines:
        return machines[name]
    words = name.casefold().split()
    near = [known for known in machines if all(word in known.casefold() for word in words)][:3]
    near = near or difflib.get_close_matches(name, machines, n=3, cutoff=0.3) or list(machines)[:3]
    raise ValueError(f"The catalogue has no machine '{name}'. Did you mean {' or '.join(repr(n) for n in near)}? "
                     "labkit.machine.catalogue() lists all.")


@remembered
def catalogue() -> dict[str, Machine]:
    """Return every machine of the catalogue by name."""
    with (data_folder() / "hardware.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["name"]: Machine(
                name=row["name"],
                device="catalogue",
                memory=float(row["memory_bytes"]),
                flops=float(row["fp32_tflops"]) * 1e12,
                bandwidth=float(row["memory_bw_GBps"]) * 1e9,
                source=row["source"],
            )
            for row in csv.DictReader(file)
        }


def data_folder() -> Path:
    """Return the folder of the course's data: beside labs/ in a checkout, inside the package once installed."""
    inside = Path(__file__).parent / "data"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "data"
