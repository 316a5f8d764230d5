"""MLPerf's LoadGen against a network in ONNX Runtime: four ways of asking, each with a rule for what counts.

It runs in a process of its own, which is ended when it is silent for too long: LoadGen is C++ with threads, and waits
for ever for an answer that does not come. What it found is read from the logs that it wrote.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from labkit.inputs import above_zero, whole
from labkit.measure import mlperf_log
from labkit.processes import Helper, HelperFailed, end_with_parent, say
from labkit.runtimes.onnx_session import SIDE, Network, as_input
from labkit.timing import clock
from labkit.timing.clock import CONTENDED, Contention

SINGLE, MULTI, SERVER, OFFLINE = SCENARIOS = ("SingleStream", "MultiStream", "Server", "Offline")
STREAMS = 8  # samples in a query of MultiStream, as MLPerf sets it (`mlperf.conf`: samples_per_query)
PERCENTILE = {SINGLE: 90, MULTI: 99, SERVER: 99}  # that counts, in % (`mlperf.conf`: target_latency_percentile)
DEADLINE_S = 0.010  # of a query of Server, where a network has none of its own (`mlperf.conf`: target_latency)
OFFICIAL_S = 600.0  # that an official run lasts at least (`mlperf.conf`: min_duration)
_START_S = 30.0  # for the process to start, and for LoadGen to write its logs
_LONGEST = 2  # times the asked duration: then LoadGen issues no more, and a little later the process is ended
_ALONE_S = 0.1  # to time the network by itself
T = TypeVar("T")


class Failed(RuntimeError):
    """LoadGen, or what it asks, did not do its work; the message says what happened."""


@dataclass(frozen=True)
class Settings:
    """How LoadGen asks.

    Args:
        scenario: one of `SCENARIOS`.
        seconds: how long at least; an official run has `OFFICIAL_S`.
        expected: queries a second: the rate of the arrivals in Server; elsewhere what LoadGen prepares for, samples a
            second in Offline.
        batch: samples that the network answers at once in Offline.
        deadline: seconds that a query of Server may take.
        queries: how many at least.

    Raises:
        ValueError: another scenario, or a number that is not finite and above 0; batch and queries are whole.
    """

    scenario: str
    seconds: float = 1.0
    expected: float = 1000.0
    batch: int = 1
    deadline: float = DEADLINE_S
    queries: int = 100

    def __post_init__(self):
        if self.scenario not in SCENARIOS:
            raise ValueError(f"LoadGen has no scenario {self.scenario!r}, but {', '.join(SCENARIOS)}.")
        above_zero(seconds=self.seconds, expected=self.expected, deadline=self.deadline)
        whole(batch=self.batch, queries=self.queries)

    @property
    def samples(self) -> int:
        """How many samples the network answers at once."""
        return {MULTI: STREAMS, OFFLINE: self.batch}.get(self.scenario, 1)


def missing() -> str:
    """Return why there is no LoadGen here, or nothing where there is one."""
    try:
        found = importlib.util.find_spec("mlperf_loadgen")
    except ValueError:  # it is blocked
        found = None
    return "" if found else (
        "MLPerf's LoadGen is not installed here. 'pip install mlcommons-loadgen' brings it for Linux and Windows on "
        "x86 and for Apple's own CPUs. For others, Linux on Arm among them, there is no ready package: it has to "
        "be built from its source.")


def run(file: str | Path, images: np.ndarray, settings: Settings) -> mlperf_log.Log:
    """Let LoadGen ask a network, in a process of its own.

    Args:
        file: an ONNX file of the course.
        images: byte pictures (n, 3, 32, 32) that are asked about; they stay in memory.
        settings: how.

    Raises:
        ValueError: other pictures.
        Failed: LoadGen is missing, the network cannot be used or does not answer, or the log is cut off.
    """
    if getattr(images, "shape", ())[1:] != (3, SIDE, SIDE) or images.dtype != np.uint8 or len(images) < STREAMS:
        raise ValueError(f"LoadGen asks about {STREAMS} byte pictures (3 × {SIDE} × {SIDE}) or more.")
    if reason := missing():
        raise Failed(reason)
    with tempfile.TemporaryDirectory(prefix="loadgen-", ignore_cleanup_errors=True) as folder:
        np.save(Path(folder) / "pictures.npy", images)
        arguments = (str(file), folder, json.dumps(asdict(settings)))
        try:
            with Helper("labkit.measure.loadgen", *arguments) as helper:
                alone = helper.answer(_START_S)["alone"]
                helper.answer(_LONGEST * settings.seconds + _START_S)
            return replace(mlperf_log.read(folder), alone=alone)
        except HelperFailed as trouble:
            raise Failed(f"LoadGen's run in {settings.scenario} was ended: {trouble}") from trouble
        except mlperf_log.CutOff as trouble:
            raise Failed(str(trouble)) from trouble


def undisturbed(call: Callable[[], T], tries: int = 3) -> tuple[T, float]:
    """Call until other programs leave the processors alone, at most so many times.

    Returns:
        What the least disturbed call returned, and the share of the processors' time that others had meanwhile.
    """
    results = []
    while len(results) < tries and (not results or results[-1][1] > CONTENDED):
        contention = Contention()
        results.append((call(), contention.share()))
    return min(results, key=lambda result: result[1])


class QuerySampleLibrary:
    """What LoadGen asks about: pictures, in memory as the network reads them, before the clock starts."""

    def __init__(self, images: np.ndarray):
        self.samples = as_input(images)

    def load(self, indices: list[int]) -> None:
        """Load samples: nothing to do, for all of them lie in memory already, as MLPerf's rules allow."""

    def unload(self, indices: list[int]) -> None:
        """Unload samples."""


class SystemUnderTest:
    """The network that LoadGen asks: it answers queries `batch` samples at a time, one batch after the other."""

    def __init__(self, network: Callable[[np.ndarray], np.ndarray], library: QuerySampleLibrary, batch: int):
        self.network, self.library, self.batch = network, library, batch

    def issue(self, queries: list) -> None:
        """Answer queries; LoadGen calls this, and takes the time until it is told of each answer."""
        for start in range(0, len(queries), self.batch):
            some = queries[start:start + self.batch]
            scores = self.network(self.library.samples[[query.index for query in some]])
            complete([query.id for query in some], np.ascontiguousarray(scores))

    def flush(self) -> None:
        """Answer what is held back: nothing is."""


def complete(ids: list[int], scores: np.ndarray) -> None:
    """Tell LoadGen that samples are answered, and where in memory their scores (samples, classes) lie."""
    from mlperf_loadgen import QuerySampleResponse, QuerySamplesComplete

    if scores.ndim != 2 or len(scores) != len(ids):
        raise ValueError(f"{len(ids)} samples were asked, and the answer has the shape {scores.shape}")
    size, address = scores[0].nbytes, scores.ctypes.data
    QuerySamplesComplete([QuerySampleResponse(sample, address + row * size, size) for row, sample in enumerate(ids)])


def ask(system: SystemUnderTest, settings: Settings, folder: Path) -> None:
    """Let LoadGen ask a system in this process, and write its logs into a folder."""
    import mlperf_loadgen

    library = system.library
    count = len(library.samples)
    sut = mlperf_loadgen.ConstructSUT(_or_end(system.issue), system.flush)
    qsl = mlperf_loadgen.ConstructQSL(count, count, library.load, library.unload)
    try:
        mlperf_loadgen.StartTestWithLogSettings(sut, qsl, *_settings(mlperf_loadgen, folder, settings), "")
    finally:
        mlperf_loadgen.DestroyQSL(qsl)
        mlperf_loadgen.DestroySUT(sut)


def _or_end(issue: Callable[[list], None]) -> Callable[[list], None]:
    """Return `issue`, which says what went wrong: in LoadGen's thread an error would end the process without a word."""
    def issue_or_end(queries: list) -> None:
        try:
            issue(queries)
        except BaseException as trouble:
            say({"error": f"the network did not answer: {type(trouble).__name__}: {trouble}"})
            os._exit(1)

    return issue_or_end


def _settings(loadgen, folder: Path, settings: Settings) -> tuple:
    test, log, output = loadgen.TestSettings(), loadgen.LogSettings(), loadgen.LogOutputSettings()
    test.scenario, test.mode = getattr(loadgen.TestScenario, settings.scenario), loadgen.TestMode.PerformanceOnly
    test.min_duration_ms = max(1, round(1e3 * settings.seconds))
    test.max_duration_ms = _LONGEST * test.min_duration_ms
    test.min_query_count = settings.queries
    test.single_stream_expected_latency_ns = test.multi_stream_expected_latency_ns = round(1e9 / settings.expected)
    test.multi_stream_samples_per_query = STREAMS
    test.server_target_qps = test.offline_expected_qps = settings.expected
    test.server_target_latency_ns = round(1e9 * settings.deadline)
    output.outdir, output.copy_summary_to_stdout = str(folder), False
    log.log_output, log.enable_trace = output, True
    return test, log


def main(file: str, folder: str, settings: str) -> None:
    """Run in the helper: open the network, say what it takes by itself, let LoadGen ask, and say when it is done."""
    end_with_parent()
    try:
        images, wanted = np.load(Path(folder) / "pictures.npy"), Settings(**json.loads(settings))
        network = Network(file)
        sampler = network.sampler(wanted.samples)
        say({"alone": clock.rounds({"alone": sampler}, budget=_ALONE_S)["alone"].median})
        ask(SystemUnderTest(network, QuerySampleLibrary(images), wanted.samples), wanted, Path(folder))
    except Exception as trouble:
        say({"error": f"{type(trouble).__name__}: {trouble}"})
        return
    say("done")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
