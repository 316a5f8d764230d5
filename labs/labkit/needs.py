"""What single sections of labs need, and whether this computer has it: a GPU, a second core, an optional package.

A lab names what it uses (`Lab.uses`). None of it keeps the lab from its last cell.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from labkit import cache, host


def missing(names: Iterable[str]) -> dict[str, str]:
    """Return what of some needs is not here, and why, with what mends it.

    Args:
        names: keys of `CHECKS`.

    Raises:
        ValueError: no such need.
    """
    found = {}
    for name in dict.fromkeys(names):
        if name not in CHECKS:
            raise ValueError(f"Nothing is known of the need '{name}'. There are {', '.join(CHECKS)}.")
        try:
            reason = CHECKS[name]()
        except Exception as trouble:  # a probe of the system ends nothing
            reason = f"It cannot be found out: {trouble}."
        if reason:
            found[name] = reason
    return found


def _two_cores() -> str:
    usable = host.cores()
    return "" if usable >= 2 else (f"Two workers at once need two cores; this process may use {usable:g}. "
                                   "labkit doctor says who limits it.")


def _gpu() -> str:
    from labkit import device

    return "" if device.best().type != "cpu" else ("PyTorch finds no GPU that works here. Colab lends one: Runtime, "
                                                   "Change runtime type.")


def _loadgen() -> str:
    from labkit.measure import loadgen

    return loadgen.missing()


def _compiler() -> str:
    from labkit.runtimes import compiled

    return _reason(compiled.compiler())


def _executorch() -> str:
    from labkit.runtimes import executorch

    return _reason(executorch.available())


def _energy() -> str:
    from labkit.measure import energy

    return "" if energy.gpu() else _reason(energy.processor())


def _memory_limit() -> str:
    from labkit.measure import limits

    return _reason(limits.backend())


def _link() -> str:
    from labkit.netem import emulator, link

    try:
        with link.emulated_link(backend="tunnel"):
            return ""
    except emulator.BackendUnavailable as refusal:
        return f"{refusal} A relay on 127.0.0.1 takes its place."


def _hosts() -> str:
    from labkit.netem import emulator, hosts

    try:
        with hosts.switch():
            return ""
    except emulator.BackendUnavailable as refusal:
        return f"{refusal} An emulation inside the training takes their place."


def _cold_reads() -> str:
    from labkit.measure.probes import storage

    place = cache.folder("samples")
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place) as folder:
        with Path(folder, "file").open("wb") as file:
            file.write(bytes(2**20))
            file.flush()
            os.fsync(file.fileno())
        try:
            storage.evict(Path(folder))
            return ""
        except storage.NoColdReads as trouble:
            return str(trouble)


def _formats() -> str:
    from labkit.loading import formats

    return " ".join(filter(None, map(formats.missing, formats.FORMATS)))


def _clean_data() -> str:
    from labkit.loading import validation

    return validation.missing()


def _amaranth() -> str:
    from labkit.fpga import toolchain

    return toolchain.missing(("amaranth",))


def _toolchain() -> str:
    from labkit.fpga import toolchain

    return toolchain.missing()


def _reason(outcome) -> str:
    return "" if outcome else outcome.reason


CHECKS: dict[str, Callable[[], str]] = {
    "a second core": _two_cores,
    "a GPU": _gpu,
    "LoadGen": _loadgen,
    "a C++ compiler": _compiler,
    "ExecuTorch": _executorch,
    "an energy counter": _energy,
    "a limit of memory": _memory_limit,
    "an emulated link": _link,
    "emulated hosts": _hosts,
    "cold reads": _cold_reads,
    "tar shards and Parquet": _formats,
    "pandera and cleanlab": _clean_data,
    "Amaranth": _amaranth,
    "tools that place circuits": _toolchain,
}
