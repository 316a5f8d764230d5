"""The course's instruments beside the field's own tools: a BLAS, STREAM, `fio`, `iperf3`, `hey`, and MLPerf's
LoadGen.

Ours and theirs run in turn, A B A B …, in one run, and are compared pair by pair, so that a machine that changes its
speed changes it for both. A tool that is missing is skipped, with the command that installs it.

What is known of the ratios that leave their bar stands in `data/measured/README.md`.
"""

from __future__ import annotations

import csv
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from time import perf_counter, sleep

import torch
from ports import free_port

from labkit.measure import loadgen
from labkit.measure.probes import loopback, memory, products, queries, serving, sessions, storage
from labkit.serving import malformed
from labkit.timing import clock

HERE = Path(__file__).parent
CPU = torch.device("cpu")
NEAR, FAR = 0.05, 0.10  # bars: how far a ratio may lie from 1, for what computes or reads, and for loopback
ARRAYS = 5  # sets of them that the triad goes over, seven pairs each
SIDE = 2048  # of the matrices: the instrument's largest on a processor
RESUME = "Python needs about 2 µs to take up its work again after each wait, a C program less."
LUCK = "Each buffer lies in memory in more or fewer pieces, and the device takes them one by one: see the range."
READS = ((4**6, "random", RESUME), (4**8, "random", LUCK), (4**10, "sequential", LUCK))  # bytes, pattern, why
READ_S = 0.1  # seconds of reads on each side of a pair
SHARES = (50, 90, 95, 97, 99, 99.9)  # percentiles that LoadGen reports
STREAM = 2**31  # bytes of one TCP stream
HTTP_RATE, HTTP_S, HTTP_PAIRS = 50, 3, 7  # requests a second, at equal distances; seconds on each side of a pair
PERCENTILES = (0.5, 0.9)  # of which 150 answers tell enough
REST_S = 0.04  # between turns: OpenBLAS's idle threads spin for 2**26 ticks (OPENBLAS_THREAD_TIMEOUT), 26 ms at 2.6 GHz
PLACES = "It matters on which processors the system runs the two processes: see the range."
_TRIES = 3  # for a pair, while other programs disturb


class Missing(Exception):
    """A tool is not here, or does not work; the message says which, and how to get it."""


@dataclass(frozen=True)
class Comparison:
    """One instrument beside one tool.

    Args:
        what: the two.
        ratios: our rate over theirs, pair by pair; above 1 ours is faster.
        bar: how far from 1 their median may lie.
        why: what is known to move it further.
        contention: the largest share of the processors' time that other programs had in a pair that counts.
    """

    what: str
    ratios: list[float]
    bar: float
    why: str
    contention: float

    @property
    def holds(self) -> bool:
        """Whether the median lies within the bar."""
        return abs(median(self.ratios) - 1) <= self.bar

    @property
    def figure(self) -> str:
        """The median of the ratios, and their range."""
        return f"{median(self.ratios):.2f} ({min(self.ratios):.2f} to {max(self.ratios):.2f})"


def compare(what: str, ours: Callable[[], float], theirs: Callable[[], float], *, pairs: int, bar: float,
            why: str) -> Comparison:
    """Measure in turn; each side returns the seconds that its thing took."""
    ratios, shares = zip(*(_pair(ours, theirs) for _ in range(pairs)), strict=True)
    return Comparison(what, list(ratios), bar, why, max(shares))


def _pair(ours, theirs) -> tuple[float, float]:
    """Return our rate over theirs, and the share of the processors' time that others had."""
    for _ in range(_TRIES):
        contention, seconds = clock.Contention(), []
        for side in (ours, theirs):
            seconds.append(side())
            sleep(REST_S)
        share = contention.share()
        if share <= clock.CONTENDED:
            break
    return seconds[1] / seconds[0], share


@contextmanager
def passes(*command: str | Path) -> Iterator[Callable[[], float]]:
    """Start a program that answers each line of its input with seconds; yields a function that asks it once.

    Raises:
        Missing: it did not start, or ended.
    """
    with tempfile.TemporaryFile("w+") as said, subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True, env=_alone()) as process:
        def answer() -> str:
            if not (line := process.stdout.readline()):
                said.seek(0)
                raise Missing(f"{Path(command[0]).name} ended: {said.read().strip()[-200:] or 'without a word'}")
            return line

        def ask() -> float:
            process.stdin.write("\n")
            process.stdin.flush()
            return float(answer())

        try:
            answer()  # "ready"
            yield ask
        finally:
            process.stdin.close()


def _alone() -> dict[str, str]:
    """Return the environment of a reference: as many threads as ours, and no advice on what kernels to use."""
    threads = str(torch.get_num_threads())
    kept = {name: value for name, value in os.environ.items() if name not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    return {**kept, **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
                                     "VECLIB_MAXIMUM_THREADS"), threads)}


# Products


def own_products() -> Iterator[Comparison]:
    """Compare products of matrices with the BLAS that PyTorch uses, called by hand."""
    yield from _products(own_blas(), "PyTorch's BLAS by hand", "The probe reads its own library wrongly.")


def other_products() -> Iterator[Comparison]:
    """Compare products of matrices with the BLAS that NumPy uses."""
    yield from _products("numpy", "NumPy's BLAS", "PyTorch's BLAS is another, and slower or faster: see the lines "
                                                  "above, which ask it by hand.")


def _products(library: str, what: str, why: str) -> Iterator[Comparison]:
    for name in ("fp32", "fp64"):
        with passes(sys.executable, HERE / "blas.py", library, name, str(SIDE)) as theirs:
            yield compare(f"products in {name}, over {what}", products.sampler(name, SIDE, CPU),
                          clock.fastest(theirs), pairs=7, bar=NEAR, why=why)


def own_blas() -> str:
    """Return the shared library that PyTorch's products on a processor come from."""
    if sys.platform == "darwin":
        return "/System/Library/Frameworks/Accelerate.framework/Accelerate"
    name = "torch_cpu.dll" if sys.platform == "win32" else "libtorch_cpu.so"
    return str(Path(torch.__file__).parent / "lib" / name)


# Memory


def stream() -> Iterator[Comparison]:
    """Compare the triad with the same in C and OpenMP, with several sets of arrays, each elsewhere in memory."""
    size, found = memory.LARGEST["cpu"], []
    with tempfile.TemporaryDirectory() as folder:
        program = compiled(Path(folder))
        for _ in range(ARRAYS):
            with passes(program, str(size // 12)) as theirs:
                ours = memory.triad(size, CPU)
                found += [_pair(ours, theirs) for _ in range(7)]
    ratios, shares = zip(*found, strict=True)
    yield Comparison("STREAM's triad, over C with OpenMP", list(ratios), NEAR,
                     "Other arrays lie elsewhere, and others use the same memory: see the range.", max(shares))


def compiled(folder: Path) -> Path:
    """Compile stream.c into a folder and return the program; raises `Missing` where no compiler can."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        raise Missing(f"there is no C compiler: {install('gcc')}")
    program = folder / "stream"
    width = ["-mprefer-vector-width=256"] if platform.machine() in ("x86_64", "AMD64") else []
    run = subprocess.run([compiler, "-O3", "-march=native", *width, "-fopenmp", HERE / "stream.c", "-o", program],
                         capture_output=True, text=True)
    if run.returncode:
        raise Missing(f"{compiler} does not compile with OpenMP ({run.stderr.strip().splitlines()[-1]}): "
                      f"{install('gcc')}")
    return program


# Storage


def fio() -> Iterator[Comparison]:
    """Compare cold reads with fio's: the median of small random ones, the mean of large sequential ones."""
    need("fio")
    try:
        with storage.scratch() as path:
            for size, pattern, why in READS:
                average = mean if pattern == "sequential" else median

                def ours(size=size, pattern=pattern, average=average) -> float:
                    with storage.reader(path, "cold") as read:
                        end, seconds = perf_counter() + READ_S, []
                        while perf_counter() < end:
                            seconds.append(read(size, pattern))
                    return average(seconds)

                def theirs(size=size, pattern=pattern) -> float:
                    return fio_seconds(_fio(path, size, pattern), pattern)

                yield compare(f"{average.__name__} {pattern} cold read of {size >> 10} KiB, over fio", ours, theirs,
                              pairs=31, bar=NEAR, why=why)
    except OSError as trouble:
        raise Missing(f"no cold reads to compare with fio's: {trouble}") from trouble


def _fio(path: Path, size: int, pattern: str) -> str:
    """Run fio with new offsets each time, since those of the last run may lie in a host's cache."""
    kind = {"random": "randread", "sequential": "read"}[pattern]
    return output("fio", "--name=field", f"--filename={path}", f"--size={storage.FILE}", f"--rw={kind}",
                   f"--bs={size}", "--ioengine=psync", "--iodepth=1", "--direct=1", "--invalidate=0",
                   "--allow_file_create=0", "--randrepeat=0", "--norandommap", "--time_based",
                   f"--runtime={READ_S * 1e3:.0f}ms", "--output-format=json")


def fio_seconds(output: str, pattern: str) -> float:
    """Return the seconds of one read from fio's JSON: the median of random reads, the mean of sequential ones."""
    took = json.loads(output)["jobs"][0]["read"]["clat_ns"]
    return (took["percentile"]["50.000000"] if pattern == "random" else took["mean"]) / 1e9


# Loopback


def iperf3() -> Iterator[Comparison]:
    """Compare one message as long as a second with one TCP stream of iperf3."""
    need("iperf3")
    with loopback.connection() as message:
        yield compare(f"TCP stream of {STREAM >> 30} GiB, over iperf3", lambda: message(STREAM) / STREAM,
                      lambda: 1 / iperf3_rates(_iperf3())[0], pairs=15, bar=FAR, why=PLACES)
    with loopback.session() as message:
        size = loopback.SIZES[-1]
        yield compare(f"message of {size >> 20} MiB, over iperf3's best tenth of a second",
                      lambda: message(size) / size, lambda: 1 / iperf3_rates(_iperf3())[1], pairs=15, bar=FAR,
                      why=PLACES)


def _iperf3() -> str:
    place = ("-p", str(free_port()))
    with subprocess.Popen(["iperf3", "-s", "-1", "-B", "127.0.0.1", "--forceflush", *place],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            if not any("listening" in line for line in server.stdout):
                raise Missing("iperf3 does not start a server")
            return output("iperf3", "-c", "127.0.0.1", *place, "-l", str(loopback.CHUNK), "-n", str(STREAM),
                           "-i", "0.1", "-J")
        finally:
            server.kill()


def iperf3_rates(output: str) -> tuple[float, float]:
    """Return bytes per second from iperf3's JSON: the receiver's mean, and the sender's in its best interval."""
    found = json.loads(output)
    best = max(interval["sum"]["bits_per_second"] for interval in found["intervals"])
    return found["end"]["sum_received"]["bits_per_second"] / 8, best / 8


# LoadGen


def mlperf() -> Iterator[Comparison]:
    """Compare the percentiles that we count over LoadGen's trace with those that it reports, run by run."""
    if reason := loadgen.missing():
        raise Missing(reason)
    with tempfile.TemporaryDirectory() as folder:
        network = sessions.file("fp32", 32, folder)
        for settings in (loadgen.Settings(loadgen.SINGLE, 1, 10_000), loadgen.Settings(loadgen.MULTI, 1, 2_000),
                         loadgen.Settings(loadgen.SERVER, 1, 4_000), loadgen.Settings(loadgen.OFFLINE, 1, 15_000, 64)):
            contention = clock.Contention()
            try:
                log = loadgen.run(network, queries.pictures(), settings)
            except loadgen.Failed as trouble:
                raise Missing(str(trouble)) from trouble
            ratios = [log.reported(share) / log.percentile(share) for share in SHARES]
            yield Comparison(f"percentiles of {settings.scenario}, over LoadGen's own", ratios, NEAR,
                             "Both count the same answers: one of the two counts wrongly.", contention.share())


# HTTP


def hey() -> Iterator[Comparison]:
    """Compare our HTTP load generator with hey at a constant rate: percentiles of the same server's answers."""
    need("hey")
    found, shares = {share: [] for share in PERCENTILES}, []
    with serving.standing() as (service, generator), tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "picture"
        picture.write_bytes(malformed.PICTURE)

        def ours() -> list[float]:
            return generator.open(service.port, HTTP_RATE, HTTP_S, even=True).answered.tolist()

        def theirs() -> list[float]:
            return hey_seconds(output(
                "hey", "-n", str(round(HTTP_RATE * HTTP_S)), "-c", "1", "-q", str(HTTP_RATE), "-o", "csv", "-m", "POST",
                "-T", "application/octet-stream", "-D", str(picture), f"http://127.0.0.1:{service.port}/classify"))

        ours()
        for _ in range(HTTP_PAIRS):
            contention = clock.Contention()
            both = [side() for side in (ours, theirs)]
            shares.append(contention.share())
            for share, ratios in found.items():
                mine, other = (sorted(times)[math.ceil(share * len(times)) - 1] for times in both)
                ratios.append(other / mine)
    for share, ratios in found.items():
        yield Comparison(f"p{100 * share:g} of {HTTP_RATE} requests a second, over hey", ratios, NEAR,
                         "hey counts from sending, ours from when a request was due.", max(shares))


def hey_seconds(output: str) -> list[float]:
    """Return the seconds of each answer from hey's CSV; raises `Missing` where one failed."""
    rows = list(csv.DictReader(output.splitlines()))
    if not rows or any(row["status-code"] != "200" for row in rows):
        raise Missing("hey got no answers, or others than 200")
    return [float(row["response-time"]) for row in rows]


# Tools


def need(tool: str) -> None:
    """Raise `Missing` unless a tool is installed."""
    if shutil.which(tool) is None:
        raise Missing(f"{tool} is not here: {install(tool)}")


def install(tool: str) -> str:
    """Return the command that installs a tool."""
    return f"brew install {tool}" if sys.platform == "darwin" else f"apt-get install {tool}"


def output(*command: str) -> str:
    """Run a tool and return what it prints; raises `Missing` with its words where it fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except subprocess.SubprocessError as trouble:
        said = (trouble.stderr or trouble.stdout or str(trouble)).strip()
        raise Missing(f"{command[0]} failed: {said[-200:]}") from trouble


ALL = (own_products, other_products, stream, fio, iperf3, mlperf, hey)
