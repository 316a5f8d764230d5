"""Runs labs on a machine that is made to behave like another, each from its first cell to its last.

    python tools/zoo.py VARIANT|all [LAB ...] [--effort quick] [--record]

Prints a line a lab: seconds, surprises, what was not tested, and the first cell that failed. The exit status is 1 where
a lab does not reach its last cell. `--record` keeps the lines in data/measured/zoo.csv, which the book shows.
A variant that cannot be made here is skipped with the reason: control groups need the administrator.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from labkit import cache, control_groups, expectation, host
from labkit.data import read_csv
from labkit.labs.lab import Lab, labs
from labkit.timing.clock import Contention

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "data" / "measured" / "zoo.csv"
CELL_S = 420  # seconds that a cell may take: a lab takes three minutes on a slow machine, and something hangs beyond
SLOWER = 10  # how many times slower the slow machine is
FILES = 256  # open files where they are few
MEMORY = 2**31  # bytes where memory is small


BREAK = """
from labkit import machine
def fail(device):
    raise RuntimeError("the zoo made it fail")
for name in machine._probes():
    machine._probe(name).calibrate = fail
"""  # a cell before a lab's first


class Impossible(Exception):
    """A variant that cannot be made on this machine; the message says why."""


@dataclass
class Start:
    """How a variant starts a lab: variables (None takes one away), a shell before its process, and a cell."""

    environment: dict[str, str | None]
    shell: str = ""
    cell: str = ""


@contextmanager
def group(controller: str, files: dict[int, dict[str, str]]) -> Iterator[str]:
    """Make a control group; yields the shell's line that enters it.

    Args:
        controller: `"cpu"` or `"memory"`.
        files: by version of the control groups, what to write into which of its files.
    """
    reason = "there are no control groups"
    for parent, version in control_groups.folders(controller):
        folder = parent / f"zoo-{os.getpid()}"
        try:
            folder.mkdir()
        except OSError as trouble:
            reason = f"no control group can be made: {trouble.strerror}"
            continue
        try:
            for name, content in files[version].items():
                with (folder / name).open("r+") as file:  # the system made it, where the folder is a group
                    file.write(content)
        except OSError as trouble:
            reason = f"the group takes no limit: {trouble.strerror}"
            _remove(folder)
            continue
        try:
            yield f"echo $$ > {shlex.quote(str(folder / 'cgroup.procs'))}"
        finally:
            _remove(folder)
        return
    raise Impossible(reason)


def _remove(folder: Path) -> None:
    """End what is left in a group, and remove it."""
    members = folder / "cgroup.procs"
    for _ in range(100):
        try:
            for process in members.read_text().split() if members.exists() else ():
                with suppress(ProcessLookupError):
                    os.kill(int(process), 9)
            folder.rmdir()
            return
        except OSError:  # its processes are not quite gone
            time.sleep(0.05)


def _quota(stack: ExitStack, cores: float) -> Start:
    period = 100_000
    files = {2: {"cpu.max": f"{cores * period:.0f} {period}"},
             1: {"cpu.cfs_period_us": str(period), "cpu.cfs_quota_us": f"{cores * period:.0f}"}}
    return Start({}, stack.enter_context(group("cpu", files)))


def one_core(stack: ExitStack) -> Start:
    """One core, by taskset."""
    if not shutil.which("taskset"):
        raise Impossible("there is no taskset")
    return Start({}, "taskset -cp 0 $$ > /dev/null")


def half_core(stack: ExitStack) -> Start:
    """Half a core, by a control group's quota."""
    return _quota(stack, 0.5)


def slow(stack: ExitStack) -> Start:
    """A machine ten times slower: a quota of a tenth of what this one has."""
    return _quota(stack, host.cores() / SLOWER)


def small_memory(stack: ExitStack) -> Start:
    """2 GiB of memory, by a control group."""
    files = {2: {"memory.max": str(MEMORY)}, 1: {"memory.limit_in_bytes": str(MEMORY)}}
    return Start({}, stack.enter_context(group("memory", files)))


def no_vector(stack: ExitStack) -> Start:
    """No vector instructions beyond SSE 4."""
    return Start({"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"})


def busy(stack: ExitStack) -> Start:
    """A busy neighbour on every core."""
    for _ in range(host.processors()):
        neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        stack.callback(neighbour.wait)
        stack.callback(neighbour.kill)
    return Start({})


def omp1(stack: ExitStack) -> Start:
    """OMP_NUM_THREADS=1 in the environment."""
    return Start({"OMP_NUM_THREADS": "1"})


def bind(stack: ExitStack) -> Start:
    """OMP_PROC_BIND=true in the environment."""
    return Start({"OMP_PROC_BIND": "true"})


def no_net(stack: ExitStack) -> Start:
    """No network but this computer's own addresses."""
    if not all(map(shutil.which, ("unshare", "ip"))) or subprocess.run(["unshare", "-n", "true"]).returncode:
        raise Impossible("unshare makes no network here")
    return Start({}, 'if [ -z "$ZOO_ALONE" ]; then export ZOO_ALONE=1; exec unshare -n "$0" -c "$ZOO" sh "$@"; fi; '
                     "ip link set lo up")


def few_files(stack: ExitStack) -> Start:
    """256 open files."""
    return Start({}, f"ulimit -n {FILES}")


def no_home(stack: ExitStack) -> Start:
    """No home and no user name."""
    return Start({"HOME": "/dev/null/home", "USER": None, "LOGNAME": None, "CLUSTER_TO_EDGE_CACHE": None})


def read_only_home(stack: ExitStack) -> Start:
    """A home that cannot be written: /proc, where nobody can make a folder."""
    return Start({"HOME": "/proc/sys", "CLUSTER_TO_EDGE_CACHE": None})


def no_probe(stack: ExitStack) -> Start:
    """Every probe that calibrates the machine fails."""
    return Start({}, cell=BREAK)


def plain(stack: ExitStack) -> Start:
    """This machine as it is."""
    return Start({})


VARIANTS: dict[str, Callable[[ExitStack], Start]] = {each.__name__: each for each in (
    plain, one_core, half_core, slow, no_vector, busy, omp1, bind, small_memory, no_net, few_files, no_home,
    read_only_home, no_probe)}


@dataclass(frozen=True)
class Line:
    """How a lab went on a variant: what is kept in the record.

    `others` is the share of the processors' time in % that other programs used meanwhile, neighbours of the variant
    among them; it is empty where nobody looked.
    """

    machine: str
    date: str
    variant: str
    effort: str
    lab: str
    seconds: int
    held: int
    surprises: str
    untested: int
    failed: str
    others: str

    def __str__(self) -> str:
        said = f"surprises: {self.surprises}" if self.surprises else "no surprise"
        end = f"FAILED in {self.failed}" if self.failed else "ok"
        end += f", others used {self.others} %"
        return f"{self.variant:<15}{self.lab:<5}{self.seconds:>5} s  {self.held} held, {said}, {self.untested} " \
               f"not tested  {end}"


def run(path: Path) -> tuple[float, list[dict], str]:
    """Run a notebook in this process's kernel; return seconds, its findings, and where and how it failed, or ""."""
    notebook, begin = nbformat.read(path, 4), time.monotonic()
    if before := os.environ.get("ZOO_CELL"):
        notebook.cells.insert(0, nbformat.v4.new_code_cell(before))
    client = NotebookClient(notebook, timeout=CELL_S, kernel_name="python3",
                            resources={"metadata": {"path": str(path.parent)}})
    failed = ""
    try:
        client.execute()
    except CellExecutionError as trouble:
        failed = f"{trouble.ename}: {trouble.evalue}"
    except (CellTimeoutError, DeadKernelError) as trouble:
        failed = f"{type(trouble).__name__}: {str(trouble).splitlines()[0]}"
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    findings = [output.data[expectation.MIME] for cell in cells for output in cell.outputs
                if expectation.MIME in output.get("data", {})]
    if failed:
        done = sum(cell.execution_count is not None for cell in cells)
        failed = f"code cell {done} of {len(cells)}: {' '.join(failed.split())[:300]}"
    return time.monotonic() - begin, findings, failed


def on(variant: str, chosen: list[Lab], effort: str) -> Iterator[Line]:
    """Run labs on a variant, with a cache of its own; yields a line as each ends. Raises `Impossible`."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="zoo-", ignore_cleanup_errors=True))
        start = VARIANTS[variant](stack)
        inside = f"{start.shell or ':'}; exec \"$@\""
        changes = {"CLUSTER_TO_EDGE_CACHE": folder, "CLUSTER_TO_EDGE_EFFORT": effort, "ZOO": inside,
                   "ZOO_CELL": start.cell, **start.environment}
        environment = {name: value for name, value in {**os.environ, **changes}.items() if value is not None}
        for lab in chosen:
            answer = Path(folder) / "answer.csv"
            command = ["sh", "-c", inside, "sh", sys.executable, __file__, "--inside", lab.number, str(answer)]
            others = Contention()
            ended = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True,
                                   stdin=subprocess.DEVNULL)
            now = datetime.now(UTC).date().isoformat()
            if answer.exists():
                seconds, held, surprises, untested, failed = next(csv.reader(answer.read_text("utf-8").splitlines()))
                answer.unlink()
            else:
                last = (ended.stderr.strip().splitlines() or [f"status {ended.returncode}"])[-1]
                seconds, held, surprises, untested, failed = 0, 0, "", 0, f"its start: {last[:200]}"
            yield Line(host.processor(), now, variant, effort, lab.number, round(float(seconds)), int(held), surprises,
                       int(untested), failed, f"{100 * others.share():.0f}")


def _inside(number: str, answer: Path) -> None:
    """Run one lab in the variant and write how it went to a file."""
    lab = next(lab for lab in labs() if lab.number == number)
    seconds, findings, failed = run(ROOT / f"{lab.notebook}.ipynb")
    by = {state: [each["name"] for each in findings if each["state"] == state]
          for state in (expectation.HOLDS, expectation.SURPRISE, expectation.UNTESTED)}
    row = io.StringIO()
    csv.writer(row).writerow([seconds, len(by[expectation.HOLDS]), " ".join(by[expectation.SURPRISE]),
                              len(by[expectation.UNTESTED]), failed])
    answer.write_text(row.getvalue(), "utf-8")


def record(lines: list[Line], path: Path = RECORD) -> None:
    """Keep lines in the record, in the place of those of the same machine, variant, effort and lab."""
    names = [field.name for field in fields(Line)]
    kept = read_csv(path) if path.exists() else []
    rows = {(row["machine"], row["variant"], row["effort"], row["lab"]): row for row in (
        *kept, *(dict(zip(names, map(str, astuple(line)), strict=True)) for line in lines))}
    text = io.StringIO()
    table = csv.DictWriter(text, names, lineterminator="\n")
    table.writeheader()
    table.writerows(sorted(rows.values(), key=lambda row: (row["machine"], list(VARIANTS).index(row["variant"]),
                                                           row["lab"])))
    cache.write_atomically(path, text.getvalue().encode())


def main() -> int:
    """Run the command; returns its exit status: 0, or 1 where a lab did not reach its last cell."""
    if sys.argv[1:2] == ["--inside"]:
        _inside(sys.argv[2], Path(sys.argv[3]))
        return 0
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # which ends the lab and its group
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog="; ".join(
        f"{name}: {make.__doc__.rstrip('.')}" for name, make in VARIANTS.items()))
    parser.add_argument("variant", choices=[*VARIANTS, "all"])
    parser.add_argument("labs", nargs="*", metavar="LAB", help="numbers, such as 2.2; all unless given")
    parser.add_argument("--effort", choices=("quick", "usual", "long"), default="quick")
    parser.add_argument("--record", action="store_true", help="keep the lines in data/measured/zoo.csv")
    options = parser.parse_args()
    if unknown := set(options.labs) - {lab.number for lab in labs()}:
        parser.error(f"there is no lab {', '.join(sorted(unknown))}")
    chosen = [lab for lab in labs() if not options.labs or lab.number in options.labs]
    failures = 0
    for variant in VARIANTS if options.variant == "all" else [options.variant]:
        try:
            for line in on(variant, chosen, options.effort):
                print(line, flush=True)
                failures += bool(line.failed)
                if options.record:
                    record([line])
        except Impossible as reason:
            print(f"{variant:<15}cannot be made here: {reason}.")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
