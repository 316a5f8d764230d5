"""What a machine is good and bad at, from its own numbers: one paragraph, and its roof among those of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labkit import catalogue
from labkit.labs.common import memory_bandwidth, product_rates
from labkit.machine import Machine
from labkit.predict import links
from labkit.predict.roofline import ridge
from labkit.specs.calibration import best_rate
from labkit.units import quantity

OTHERS = ("Apple A18 Pro", "Raspberry Pi 5 8GB", "NVIDIA Jetson Orin NX 16GB", "Apple M4 Max", "NVIDIA RTX 4090",
          "NVIDIA H100 SXM", "NVIDIA B200 SXM")
_WORTH_IT, _HOPELESS = 1.3, 3.0  # formats faster than 32 bit, or slower, by such factors are named
_FLOAT = 4  # bytes of a 32-bit number
_READ, _SUM = 2**12, 2**20  # bytes of the cold read and of the all-reduce that the paragraph names


@dataclass(frozen=True)
class Roof:
    """A machine's roofline: its peak in FLOP/s, what kind of peak, and its memory bandwidth in bytes/s or None."""

    name: str
    rate: float
    bandwidth: float | None
    kind: str


def roofs(machine: Machine) -> list[Roof]:
    """Return this machine's roofs: in 32 bit, and in the fastest format where that is another."""
    rates = product_rates(machine)
    fastest = max(rates, key=rates.get)
    return [Roof(machine.name, rates[name], memory_bandwidth(machine), f"{name}, measured")
            for name in dict.fromkeys(("fp32", fastest))]


def others(names: Sequence[str] = OTHERS) -> list[Roof]:
    """Return the roofs of machines of the catalogue: their peaks in 16 bit if there are any, else in 32, else Linpack.

    Raises:
        ValueError: a name that the catalogue does not have, or a machine without any rate.
    """
    rows = catalogue.by_name("hardware")
    found = []
    for name in names:
        sheet, row = catalogue.machine(name), rows[name]
        kinds = {"bf16, peak": "bf16_flop_per_s", "fp16, peak": "fp16_flop_per_s", "fp32, peak": "fp32_flop_per_s",
                 "fp64, Linpack": "linpack_flop_per_s"}
        kind = next((kind for kind, column in kinds.items() if row[column]), None)
        if kind is None:
            raise ValueError(f"The catalogue has no rate of '{name}' that a roofline could be drawn from.")
        found.append(Roof(name, row[kinds[kind]], sheet.bandwidth, kind))
    return found


def paragraph(machine: Machine) -> str:
    """Say in one paragraph what a machine is good and bad at; needs what the probes of Lab 1.1 found."""
    parts = (_arithmetic, _formats, _caches, _storage, _processes)
    return " ".join(filter(None, (part(machine) for part in parts)))


def _arithmetic(machine) -> str:
    rate, bandwidth = product_rates(machine)["fp32"], memory_bandwidth(machine)
    h100 = catalogue.machine("NVIDIA H100 SXM")
    each, theirs = (_FLOAT * ridge(*pair) for pair in ((rate, bandwidth), (h100.flops, h100.bandwidth)))
    suits = "this machine better than its peak suggests" if each < theirs else "neither, and this machine less"
    return (f"This machine ({machine.name}) multiplies 32-bit matrices at {quantity(rate, 'FLOP/s')} and reads its "
            f"memory at {quantity(bandwidth, 'B/s')}. To stay busy it must do {each:.0f} operations with every number "
            f"that it fetches from there; an H100, by its data sheet, {theirs:.0f}. "
            f"So work that keeps fetching suits {suits}.")


def _formats(machine) -> str:
    rates = product_rates(machine)
    faster = [f"{name} ({rate / rates['fp32']:.1f} times as fast as 32 bit)" for name, rate in rates.items()
              if rate > _WORTH_IT * rates["fp32"]]
    slower = [f"{name} ({rates['fp32'] / rate:.0f} times as slow)" for name, rate in rates.items()
              if rate * _HOPELESS < rates["fp32"]]
    said = f"It is good at {_list(faster)}." if faster else "No format is much faster than 32 bit here."
    if slower:
        said += (f" It is bad at {_list(slower)}: there are no fast instructions for it, or the framework does not "
                 "use them.")
    return said


def _caches(machine) -> str:
    bandwidths = {size: size / seconds for size, seconds in machine.calibration("memory").curve("read")}
    slow = memory_bandwidth(machine)
    near = [size for size, bandwidth in bandwidths.items() if bandwidth > 2 * slow]
    if not near:
        return "Its caches are hardly faster than its memory."
    return (f"Its caches deliver up to {max(bandwidths.values()) / slow:.1f} times as fast as its memory, as long as "
            f"what it works on stays within about {quantity(max(near), 'B')}.")


def _storage(machine) -> str:
    cold, warm = machine.calibration("storage"), machine.calibration("page_cache")
    if reason := cold.reason("random") or warm.reason("random"):
        return f"Its storage could not be measured: {reason}"
    wait, from_cache = (links.seconds(calibration.curve("random"), _READ) for calibration in (cold, warm))
    flop = wait * product_rates(machine)["fp32"]
    return (f"A cold read of 4 KiB takes {quantity(wait, 's')}, {wait / from_cache:.0f} times as long as one from "
            f"memory: time for {quantity(flop, 'FLOP')}. In large pieces its storage delivers "
            f"{quantity(best_rate(cold.curve('random')), 'B/s')}.")


def _processes(machine) -> str:
    message, both = machine.calibration("loopback"), machine.calibration("all_reduce")
    said = []
    if not message.reason("message"):
        said.append(f"A message between two processes takes {quantity(links.latency(message.curve('message')), 's')} "
                    "however short it is.")
    if not (reason := both.reason("sum")):
        time = links.seconds(both.curve("sum"), _SUM)
        said.append(f"To add up the gradients of {_SUM // _FLOAT:,} parameters, two processes take "
                    f"{quantity(time, 's')}: shorter training steps would spend most of their time on that.")
    else:
        said.append(f"Two processes that train together could not be tried: {reason}")
    return " ".join(said)


def _list(items: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(items[:-1]), items[-1])))
