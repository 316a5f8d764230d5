"""The machine that predictions are made for: this one, calibrated, or one from the catalogue.

A calibrated profile holds what the probes measured. It is kept in the cache folder, each part as soon as it is
measured. Measured again is what is older than `FRESH_DAYS`, what was measured with less effort than is asked now, and
what was disturbed, once the machine is quiet; all of it when the machine or the framework has changed, or when the file
is damaged. Only one process calibrates at a time.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from types import ModuleType

from filelock import FileLock, Timeout

from labkit import cache, effort
from labkit.data import data_folder, package_folder
from labkit.progress import Cancelled
from labkit.specs.calibration import CONTENDED, DRIFTED, Calibration
from labkit.timing.clock import Contention
from labkit.timing.drift import share
from labkit.units import quantity

PROFILE_VERSION = 10  # raise it when a probe changes: older profiles are then measured again
FRESH_DAYS = 30
COURSE = data_folder() / "measured" / "machine.json"  # the profile of the machine of `data/measured`
_LOOK_S = 0.3  # seconds in which it is seen whether the machine is quiet
_TRIES = 3  # times that a part is measured, where it was disturbed each time
_PATIENCE = 180  # seconds to wait for another process that calibrates; a calibration takes a minute at most


class DamagedProfile(ValueError):
    """A machine profile that cannot be used; the message says why."""


@dataclass(frozen=True)
class Machine:
    """What a prediction needs to know of a machine.

    Args:
        name: what the processor or GPU calls itself.
        device: `"cpu"`, `"cuda"` or `"mps"`; `"catalogue"` for a machine known from its datasheet alone.
        memory: bytes that a program may use; None where a datasheet is silent.
        flops: peak rate in FLOP/s for 32-bit floats, from a datasheet; None for a calibrated machine.
        bandwidth: peak memory bandwidth in bytes/s, from a datasheet; None for a calibrated machine.
        formats: peak rates in FLOP/s (OP/s for int8) by number format, from a datasheet: `labkit.catalogue.FORMATS`.
        calibrations: what each of `labkit.measure.probes` found, by its name; empty for a datasheet.
        identity: what must be the same for the profile to hold: processor, cores, threads, system, framework.
        source: where the figures come from.
    """

    name: str
    device: str
    memory: float | None
    flops: float | None = None
    bandwidth: float | None = None
    formats: dict[str, float] = field(default_factory=dict)
    calibrations: dict[str, Calibration] = field(default_factory=dict)
    identity: dict = field(default_factory=dict)
    source: str = "measured on this machine"

    def __str__(self) -> str:
        if not self.calibrated:
            return f"{self.name}, from its data sheet"
        return f"{self.name}, {quantity(self.memory, 'B')}, calibrated on {self.date[:10]}. {self.note}".rstrip()

    @property
    def calibrated(self) -> bool:
        """Whether any figure was measured here, not printed in a datasheet."""
        return bool(self.calibrations)

    @property
    def date(self) -> str:
        """When it was calibrated last, ISO 8601; empty for a datasheet."""
        return max((calibration.date for calibration in self.calibrations.values()), default="")

    def calibration(self, probe: str) -> Calibration:
        """Return what a probe found; raises `ValueError` where it has not been asked."""
        if probe not in self.calibrations:
            raise ValueError(f"This needs what '{probe}' measures, which the profile of {self.name} lacks: "
                             f"labkit.machine.this('{probe}') measures it on the machine that you sit at.")
        return self.calibrations[probe]

    @property
    def note(self) -> str:
        """What a reader must know of the profile, or nothing."""
        return _note(self.calibrations)


def _note(calibrations: dict[str, Calibration]) -> str:
    """Say which probes were disturbed, by what, and how to measure them again."""
    said = []
    if busy := {name: found.contention for name, found in calibrations.items() if found.contention > CONTENDED}:
        said.append(f"Other programs used up to {max(busy.values()):.0%} of the CPU during the calibration: "
                    "close them.")
    if drifts := {name: found.drift for name, found in calibrations.items() if found.drift > DRIFTED}:
        battery = any(calibrations[name].battery for name in drifts)
        cause = "it ran on its battery: plug it in" if battery else "its clock or a neighbour changed it"
        said.append(f"The machine's speed changed by a factor of up to {max(drifts.values()):.2g} meanwhile ({cause}).")
    if not said:
        return ""
    names = ", ".join(repr(name) for name in calibrations if name in busy or name in drifts)
    return f"{' '.join(said)} Expect larger errors, or measure again: labkit.machine.this({names}, again=True)."


_known: Machine | None = None  # this machine, once this process has found it
_tried: set[str] = set()  # the disturbed parts that this process has measured again


def this(*probes: str, again: bool = False) -> Machine:
    """Return this machine with what some probes find on it: from the cache where that holds, else measured.

    Args:
        probes: modules of `labkit.measure.probes`, `"operators"` for one.
        again: measure these even if their costs are kept.

    A folder that cannot be written costs nothing but the next calibration: the profile is then kept in memory.

    Raises:
        ValueError: no such probe.
    """
    global _known
    modules = {name: _probe(name) for name in probes}
    if again or _known is None or any(_lacks(_known, name) for name in modules) or _again(_known, modules):
        _known = _find(modules, again)
    return _known


def _lacks(machine: Machine, name: str) -> bool:
    """Return whether a probe has not been asked, or with less effort than holds now."""
    known = machine.calibrations.get(name)
    return known is None or not effort.at_least(known.effort, effort.current())


def _again(machine: Machine, names: Iterable[str]) -> list[str]:
    """Return which parts were disturbed and are worth measuring again: the machine is quiet now."""
    parts = {name: machine.calibrations[name] for name in names if name in machine.calibrations}
    disturbed = [name for name, part in parts.items() if part.disturbed and part.tries < _TRIES and name not in _tried]
    return disturbed if disturbed and _quiet() else []


def _quiet() -> bool:
    """Return whether other programs leave the processors alone at the moment."""
    others = Contention()
    time.sleep(_LOOK_S)
    return others.share() <= CONTENDED


def _probe(name: str) -> ModuleType:
    if isinstance(name, str) and name.isidentifier():
        try:
            module = import_module(f"labkit.measure.probes.{name}")
            if hasattr(module, "calibrate"):
                return module
        except ModuleNotFoundError as missing:
            if missing.name != f"labkit.measure.probes.{name}":
                raise
    raise ValueError(f"There is no probe '{name}'. There are {', '.join(_probes())}.")


def _probes() -> list[str]:
    folder = package_folder() / "measure" / "probes"
    return sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")


def _find(modules: dict[str, ModuleType], again: bool) -> Machine:
    identity = _identity()
    path = cache.folder("machines") / f"{_digest(identity)}-v{PROFILE_VERSION}.json"
    with ExitStack() as stack:
        found = _found(path, identity)
        disturbed = _again(found, modules)
        if not (again or disturbed or any(_lacks(found, name) for name in modules)):
            return found
        _wait_for_others(path, stack)
        found = _found(path, identity)  # another process may just have measured some
        _tried.update(disturbed)
        return _calibrate(path, found, {name: module for name, module in modules.items()
                                        if again or _lacks(found, name) or name in disturbed})


def _found(path: Path, identity: dict) -> Machine:
    """Return what holds of this machine: what is kept at `path`, and what only this process knows."""
    from labkit import device as devices

    known = _known if _known is not None and _known.identity == identity else None
    kept = _kept(path, identity) or known
    if kept is None:
        device = devices.best()
        kept = Machine(devices.name(device), device.type, devices.memory(device), identity=identity)
    known = known or kept
    both = [*kept.calibrations.items(), *known.calibrations.items()]
    newest_last = sorted(both, key=lambda item: _moment(item[1].date))
    return replace(kept, calibrations=dict(newest_last))


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
    fresh = {name: calibration for name, calibration in machine.calibrations.items() if _fresh(calibration.date)}
    return replace(machine, calibrations=fresh)


def _fresh(date: str) -> bool:
    return timedelta(0) <= datetime.now(UTC) - _moment(date) <= timedelta(days=FRESH_DAYS)


def _moment(date: str) -> datetime:
    return datetime.fromisoformat(date).astimezone(UTC)


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


def _calibrate(path: Path, kept: Machine, modules: dict[str, ModuleType]) -> Machine:
    from labkit import device as devices

    if not modules:
        return kept
    device = devices.best()
    names = ", ".join(name.replace("_", "-") for name in modules)
    seconds = math.ceil(share() * sum(module.SECONDS for module in modules.values()))
    print(f"Calibrating {kept.name}: {names} (about {seconds} s; kept for {FRESH_DAYS} days) …")
    found, unkept, machine = {}, None, kept
    for name, module in modules.items():
        found[name] = _measured(name, module, device, kept.calibrations.get(name))
        machine = replace(machine, calibrations={**machine.calibrations, name: found[name]})
        try:
            save(machine, path)
        except OSError as trouble:
            unkept = trouble
    if note := _note(found):
        warnings.warn(note, stacklevel=2)
    if unkept:
        warnings.warn(f"The profile cannot be kept in {path.parent.name}/ ({unkept.strerror}): it holds until this "
                      "notebook ends. Set CLUSTER_TO_EDGE_CACHE to a folder that can be written.", stacklevel=2)
    return machine


def _measured(name: str, module: ModuleType, device, before: Calibration | None) -> Calibration:
    """Return what a probe measures; where it fails for whatever reason, what it found before or on another machine."""
    try:
        found = replace(module.calibrate(device), effort=effort.current())
    except Cancelled:
        raise
    except Exception as trouble:
        reason = f"{type(trouble).__name__}: {trouble}".strip().rstrip(":")
        if before is not None:
            warnings.warn(f"The probe '{name}' failed ({reason}). What it found earlier holds on.", stacklevel=2)
            return before
        lender = load(COURSE)
        warnings.warn(f"The probe '{name}' failed ({reason}). In this session its predictions are those for another "
                      f"machine, {lender.name}: expect them to be far off.", stacklevel=2)
        return replace(lender.calibrations[name], lent=True, effort=effort.current())
    if not (found.disturbed and before is not None and before.disturbed):
        return found
    usable = [found, before] if effort.at_least(before.effort, found.effort) else [found]
    return replace(min(usable, key=lambda part: part.widening), tries=before.tries + 1)


def save(machine: Machine, path: Path) -> None:
    """Write a profile, whole or not at all; raises `OSError` when the folder cannot be written or is full."""
    cache.write_atomically(path, json.dumps(as_json(machine)).encode())


def as_json(machine: Machine) -> dict:
    """Return a profile's content for a JSON file, without what another machine lent."""
    return {"profile_version": PROFILE_VERSION, **vars(machine),
            "calibrations": {name: part.as_json() for name, part in machine.calibrations.items() if not part.lent}}


def load(path: Path) -> Machine:
    """Read a profile.

    Raises:
        FileNotFoundError: there is none.
        DamagedProfile: it is not one, is of another version, or holds numbers that no machine has.
    """
    content = path.read_bytes()
    with _damage():
        machine = from_json(json.loads(content))
        for name, calibration in machine.calibrations.items():
            calibration.check(_probe(name).KEYS)
    return machine


def from_json(content: dict) -> Machine:
    """Return what `as_json` gave; raises `DamagedProfile` as `load` does, but knows not which curves belong there."""
    with _damage():
        content = dict(content)
        if content.pop("profile_version") != PROFILE_VERSION:
            raise DamagedProfile("it was written by another version of labkit")
        parts = content["calibrations"].items()
        machine = Machine(**{**content, "calibrations": {name: Calibration.from_json(part) for name, part in parts}})
        if not (isinstance(machine.memory, (int, float)) and 0 < machine.memory < math.inf):
            raise DamagedProfile("it holds a memory that no machine can have")
        for calibration in machine.calibrations.values():
            calibration.check(calibration.curves.keys() | calibration.missing.keys())
    return machine


@contextmanager
def _damage() -> Iterator[None]:
    """Call whatever goes wrong inside what it is: a damaged profile."""
    try:
        yield
    except DamagedProfile:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as trouble:
        raise DamagedProfile(f"it is damaged ({type(trouble).__name__})") from trouble


def digest(machine: Machine) -> str:
    """Return a short name of what must be the same for a profile to hold."""
    return _digest(machine.identity)


def _identity() -> dict:
    import torch

    from labkit import device as devices

    devices.settle()
    device = devices.best()
    return {
        "processor": devices.fingerprint(device),
        "device": device.type,
        "cores": devices.cores(),
        "threads": torch.get_num_threads(),
        "container": devices.container_memory(),
        "torch": torch.__version__,
    }


def _digest(identity: dict) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
