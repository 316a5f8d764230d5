"""Lab 3.2: how much a network answers, and how soon, when MLPerf's LoadGen asks it in its four ways."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import numpy as np

from labkit import catalogue, effort, stats
from labkit.display import TextTable, written
from labkit.experiment import Axis, Comparison, Experiment, Outcome, Point, Unavailable, ratio
from labkit.labs.common import at, banded, drifted, like, measured, memory_bandwidth, product_rates
from labkit.machine import Machine
from labkit.measure import loadgen
from labkit.measure.loadgen import MULTI, OFFLINE, PERCENTILE, SCENARIOS, SERVER, SINGLE, STREAMS, Settings
from labkit.measure.mlperf_log import Log
from labkit.predict import throughput as predicted
from labkit.predict.operators import interpolate
from labkit.predict.small_machine import PICTURE
from labkit.progress import report
from labkit.specs.calibration import best_rate
from labkit.specs.execution import ONNX_FORMATS
from labkit.timing import clock
from labkit.units import quantity

WIDTHS = (4, 8, 16, 32, 48, 64)
BATCHES = tuple(2**k for k in range(9))
DEADLINES = (0.002, 0.005, 0.01, 0.015, 0.03, 0.1)
_REFERENCE_S = 0.15  # to see how fast the machine runs at the moment
_AMPLE = 1.2  # times as many queries as are predicted, so that LoadGen does not run out of them
FEWEST = 100  # queries in a run; in MultiStream as many as its percentile needs, 662, which `mlperf.conf` asks for too
MOST = 40_000  # samples in a run: beyond them a log takes longer to read than the run took
_SLACK = 0.06  # the search for the highest rate ends when it is known this well
_NO_VALID = "LoadGen called no rate valid that was tried: the slowest hundredth missed the deadline."
_TRIES = 2  # for a rate, since whatever else the machine does makes a run invalid


class Networks:
    """What LoadGen asks: known files of networks, and untrained networks where none is known; runs are kept.

    Args:
        pictures: byte pictures (n, 3, 32, 32) that it asks about; noise unless given.
        files: known files by format and width.
    """

    def __init__(self, pictures: np.ndarray | None = None, files: Mapping[tuple[str, int], Path] | None = None):
        self._pictures, self._files = pictures, dict(files or {})
        self.runs: dict[tuple[str, int, Settings], tuple[Log, float, str]] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="networks-", ignore_cleanup_errors=True)

    def run(self, dtype: str, width: int, settings: Settings) -> Log:
        """Let LoadGen ask a network; raises as `labkit.measure.loadgen.run`."""
        from labkit.measure.probes import queries, sessions

        if (dtype, width) not in self._files:
            self._files[dtype, width] = sessions.file(dtype, width, self._folder.name)
        pictures = queries.pictures() if self._pictures is None else self._pictures
        return loadgen.run(self._files[dtype, width], pictures, settings)


@dataclass(frozen=True)
class Plan:
    """What is predicted of one network on a machine.

    Args:
        machine: with what its lab's probes find.
        dtype, width: of the network.

    Raises:
        ValueError: a machine that lacks a probe, or LoadGen.
    """

    machine: Machine
    dtype: str
    width: int

    def query(self, samples: int) -> dict[str, float]:
        """Return the parts of the median time of a query, in seconds."""
        sessions, queries = (self.machine.calibration(name) for name in ("sessions", "queries"))
        return predicted.asked(sessions, queries, self.dtype, self.width,
                               samples)

    def turn(self, samples: int) -> float:
        """Return the mean seconds from one query to the next."""
        return self._stretched("turn", samples)

    def percentile(self, share: int, samples: int) -> float:
        """Return a percentile of the time of a query, in seconds."""
        return self._stretched(f"p{share}", samples)

    def _stretched(self, name: str, samples: int) -> float:
        median = sum(self.query(samples).values())
        return predicted.stretched(median, self.machine.calibration("queries"), name, samples)

    def highest(self, deadline: float) -> float:
        """Return the highest rate of Server, in queries a second, whose slowest hundredth keeps a deadline."""
        return predicted.highest(self.turn(1), predicted.spread(self.machine.calibration("queries")), deadline)

    def rate(self, scenario: str, batch: int = 1, deadline: float = loadgen.DEADLINE_S) -> float:
        """Return the pictures a second in a scenario."""
        if scenario == SERVER:
            return self.highest(deadline)
        samples = {SINGLE: 1, MULTI: STREAMS, OFFLINE: batch}[scenario]
        return samples / self.turn(samples)

    def settings(self, scenario: str, seconds: float, batch: int = 1, deadline: float = loadgen.DEADLINE_S) -> Settings:
        """Return how LoadGen is to ask, for about so many seconds and no more than `MOST` samples."""
        rate = self.rate(scenario, batch, deadline)
        seconds = min(seconds, MOST / max(rate, 1.0))
        expected = rate / STREAMS if scenario == MULTI else rate
        expected *= 1 if scenario == SERVER else _AMPLE
        queries = predicted.queries_needed(1) if scenario == MULTI else FEWEST
        batch = batch if scenario == OFFLINE else 1
        deadline = deadline if scenario == SERVER else loadgen.DEADLINE_S
        return Settings(scenario, seconds, max(expected, 1.0), batch, deadline, queries)


def latency(machine: Machine, networks: Networks | None = None, seconds: float | None = None) -> Experiment:
    """Return the experiment on the percentile that MLPerf takes of a query's time: p90 of one sample, p99 of eight.

    Args:
        machine: this machine, with what its lab's probes find.
        networks: what LoadGen asks; untrained networks unless given.
        seconds: of a run, by the effort that holds now unless given; MLPerf asks for `loadgen.OFFICIAL_S`.
    """
    networks, seconds = networks or Networks(), seconds or run_seconds()

    def predict(scenario, width, dtype):
        plan, samples = Plan(machine, dtype, width), STREAMS if scenario == MULTI else 1
        parts = plan.query(samples)
        value = plan.percentile(PERCENTILE[scenario], samples)
        outcome = banded({**parts, "the slow ones": max(value - sum(parts.values()), 0.0)},
                         widening=machine.calibration("sessions").widening)
        return replace(outcome, note=_without(machine))

    def measure(scenario, width, dtype):
        settings = Plan(machine, dtype, width).settings(scenario, seconds)
        found = _asked(machine, networks, dtype, width, settings)
        return found if isinstance(found, Unavailable) else _slow(*found)

    return Experiment(
        title="The slow answers of LoadGen's streams",
        quantity="Time of a query",
        unit="s",
        axes=[Axis("scenario", "Scenario", (SINGLE, MULTI)),
              Axis("width", "Width of the network", WIDTHS, start=64, unit="channels", log=True),
              Axis("dtype", "Number format", ONNX_FORMATS)],
        predict=predict,
        measure=measure,
        readout="{scenario}, {dtype}, {width}: the percentile that counts is {value}.",
    )


def rates(machine: Machine, networks: Networks | None = None, seconds: float | None = None) -> Experiment:
    """Return the experiment on the pictures that are answered in a second, by the way of asking.

    The arguments are those of `latency`; Server is run several times, to find the highest rate that is valid.
    """
    networks, seconds = networks or Networks(), seconds or run_seconds()

    def predict(scenario, batch, width, dtype, deadline):
        plan = Plan(machine, dtype, width)
        value = plan.rate(scenario, batch, deadline)
        if value == 0:
            return Unavailable(f"One answer alone takes {quantity(plan.turn(1), 's')}, or more in one case of a "
                               f"hundred: no rate keeps a deadline of {quantity(deadline, 's')}.")
        samples = {SINGLE: 1, MULTI: STREAMS, OFFLINE: batch}.get(scenario)
        said = (f"A batch of {samples} takes {quantity(plan.turn(samples), 's')}." if samples else
                f"The server is busy for {value * plan.turn(1):.0%} of the time.")
        outcome = banded({"": value}, "pictures/s", widening=machine.calibration("sessions").widening)
        return replace(outcome, note=f"{said} {_without(machine)}".rstrip())

    def measure(scenario, batch, width, dtype, deadline):
        plan = Plan(machine, dtype, width)
        if scenario == SERVER:
            found = _with_speed(machine, lambda: peak(networks, plan, deadline, seconds), tries=1)
            return found if isinstance(found, Unavailable) else _highest(*found)
        settings = plan.settings(scenario, seconds, batch, deadline)
        found = _asked(machine, networks, dtype, width, settings)
        return found if isinstance(found, Unavailable) else _rate(*found)

    return Experiment(
        title="Pictures a second, by the way of asking",
        quantity="Rate",
        unit="pictures/s",
        axes=[Axis("scenario", "Scenario", SCENARIOS, start=OFFLINE),
              Axis("batch", "Batch size in Offline", BATCHES, start=64, unit="pictures", log=True),
              Axis("width", "Width of the network", WIDTHS, start=64, unit="channels", log=True),
              Axis("dtype", "Number format", ONNX_FORMATS),
              Axis("deadline", "Deadline in Server", DEADLINES, start=loadgen.DEADLINE_S, unit="s", log=True)],
        predict=predict,
        measure=measure,
        readout="{scenario}, {dtype}, {width}, batches of {batch} in Offline, {deadline} in Server: {value}.",
    )


@dataclass(frozen=True)
class Peak:
    """What a search for the highest valid rate of Server found.

    Args:
        runs: the rate that was asked for in queries a second, and LoadGen's log, in the order of the search.
        low: the highest valid rate, 0 for none.
        high: the lowest invalid rate, infinite for none.
    """

    runs: list[tuple[float, Log]]
    low: float
    high: float


def peak(networks: Networks, plan: Plan, deadline: float, seconds: float | None = None,
         limit: float | None = None) -> Peak:
    """Search for the highest rate that LoadGen calls valid: double or halve, then halve the gap.

    A rate that was invalid is tried once more, since any disturbance can make it so.

    Args:
        networks: what LoadGen asks.
        plan: of its network; the search starts below the rate that it predicts.
        deadline: in seconds.
        seconds: of each run, by the effort that holds now unless given.
        limit: seconds after which no further run is begun, likewise.
    """
    seconds = seconds or run_seconds()
    end = perf_counter() + (limit or effort.pick(quick=4.0, usual=22.0, long=90.0))
    runs, low, high = [], 0.0, math.inf
    rate = 0.8 / plan.turn(1)
    least = predicted.queries_needed(0)
    while high - low > _SLACK * low and len(runs) < 8 * _TRIES and (not runs or perf_counter() < end):
        for _ in range(_TRIES):
            settings = Settings(SERVER, seconds, rate, deadline=deadline, queries=least)
            log = networks.run(plan.dtype, plan.width, settings)
            runs.append((rate, log))
            if log.valid or perf_counter() > end:
                break
        low, high = (max(low, rate), high) if log.valid else (low, min(high, rate))
        if high < math.inf:
            rate = (low + high) / 2 if low else high / 2
        else:
            rate *= 1.15
    return Peak(runs, low, high)


def search(machine: Machine, networks: Networks, plan: Plan,
           deadline: float = loadgen.DEADLINE_S) -> Peak | Unavailable:
    """Search as `peak` does, or return why LoadGen cannot."""
    found = _with_speed(machine, lambda: peak(networks, plan, deadline), tries=1)
    return found if isinstance(found, Unavailable) else found[0]


def search_table(found: Peak | Unavailable) -> TextTable:
    """Return the runs of a search."""
    if not found:
        return TextTable(("not searched",), [(found.reason,)])
    return TextTable(("asked for", "p99", "LoadGen says"), [
        (f"{rate:,.0f}/s", quantity(log.reported(99), "s"), "valid" if log.valid else "INVALID")
        for rate, log in found.runs])


def highest_valid(found: Peak | Unavailable) -> Outcome | Unavailable:
    """Return the highest valid rate of a search in pictures a second, or why there is none."""
    if not found:
        return found
    return Outcome(found.low, "pictures/s") if found.low else Unavailable(_NO_VALID)


def one_of_each(machine: Machine, networks: Networks, dtype: str, width: int, *, batch: int,
                load: float = 0.7) -> dict[str, Log]:
    """Run the four scenarios once, and return LoadGen's logs by scenario: of those that ran.

    Args:
        machine: with what its lab's probes find.
        networks, dtype, width: what is asked.
        batch: of Offline.
        load: of Server, as a share of the rate that keeps the server busy all the time.
    """
    plan, logs = Plan(machine, dtype, width), {}
    for done, scenario in enumerate(SCENARIOS):
        report(done / len(SCENARIOS), f"LoadGen: {scenario}")
        if scenario == SERVER:
            settings = Settings(SERVER, run_seconds(), load / plan.turn(1), deadline=loadgen.DEADLINE_S)
        else:
            settings = plan.settings(scenario, run_seconds(), batch)
        if not isinstance(found := _asked(machine, networks, dtype, width, settings), Unavailable):
            logs[scenario] = found[0]
    return logs


def run_seconds() -> float:
    """Return how long LoadGen asks in a run, by the effort that holds now."""
    return effort.pick(quick=0.3, usual=0.8, long=4.0)


def seconds() -> float:
    """Return the seconds for all measurements of a cell, by the effort that holds now."""
    return effort.pick(quick=3.0, usual=12.0, long=40.0)


def table(logs: Mapping[str, Log]) -> TextTable:
    """Return what LoadGen says of some runs, and why it calls a run invalid."""
    if not logs:
        return TextTable(("nothing was asked",), [(loadgen.missing() or "LoadGen's runs failed here.",)])
    rows = []
    for scenario, log in logs.items():
        shown = [quantity(log.reported(share), "s") for share in (50, 90, 99)]
        rows.append((scenario, f"{log.queries:,}", f"{log.rate:,.0f}", *shown, "valid" if log.valid else "INVALID",
                     "; ".join(log.objections)))
    return TextTable(("scenario", "queries", "samples a second", "p50", "p90", "p99", "LoadGen says", "because"), rows)


def needed_table() -> TextTable:
    """Return how many queries LoadGen's rule asks for before a percentile counts, by how many were late."""
    return TextTable(("late", "queries for p99", "for p99.9"), [
        (late, f"{predicted.queries_needed(late):,}", f"{predicted.queries_needed(late, 0.999):,}")
        for late in (0, 1, 5, 20)])


def counted_again(logs: Mapping[str, Log]) -> tuple[TextTable, float | None]:
    """Return percentiles by our own count beside LoadGen's, and how far they lie apart at the most, as a fraction."""
    pairs = {scenario: [(log.percentile(share), log.reported(share)) for share in (50, 90, 99)]
             for scenario, log in logs.items()}
    apart = [abs(ours / theirs - 1) for some in pairs.values() for ours, theirs in some]
    rows = [(scenario, *(f"{quantity(ours, 's')} / {quantity(theirs, 's')}" for ours, theirs in some))
            for scenario, some in pairs.items()]
    return TextTable(("ours / LoadGen's", "p50", "p90", "p99"), rows), max(apart, default=None)


def littles_law(logs: Mapping[str, Log]) -> tuple[TextTable, float | None]:
    """Return rate times mean time beside the samples that were counted inside, and how far apart they are at most."""
    rows, apart = [], []
    for scenario, log in logs.items():
        inside, law = float(log.inside()[1].mean()), log.rate * log.mean
        apart.append(abs(inside / law - 1))
        rows.append((scenario, f"{log.rate:,.0f}/s", quantity(log.mean, "s"), f"{law:,.2f}", f"{inside:,.2f}",
                     f"{100 * apart[-1]:.2f} %"))
    return TextTable(("scenario", "rate", "mean time", "rate × mean time", "counted inside", "apart"), rows), max(
        apart, default=None)


def batches(machine: Machine) -> Experiment:
    """Return the experiment on the time of a batch in ONNX Runtime on one thread."""
    calibration = machine.calibration("sessions")
    budget = effort.pick(quick=0.06, usual=0.3, long=1.0)

    def predict(batch, width, dtype):
        return banded({"": predicted.alone(calibration, dtype, width, batch)}, widening=calibration.widening)

    def measure(batch, width, dtype):
        from labkit.measure.probes import sessions

        *beside, reference = like(calibration.group(dtype), width, batch)
        return measured(*sessions.seconds(dtype, width, batch, beside=beside, reference_seconds=reference,
                                          budget=budget))

    return Experiment(
        title="A batch of the cat network in ONNX Runtime",
        quantity="Time",
        unit="s",
        axes=[Axis("batch", "Batch size", BATCHES, unit="pictures", log=True),
              Axis("width", "Width of the network", WIDTHS, start=64, unit="channels", log=True),
              Axis("dtype", "Number format", ONNX_FORMATS)],
        predict=predict,
        measure=measure,
        readout="In {dtype}, a network {width} wide answers {batch} in {value}.",
    )


def floor(machine: Machine, width: int, batch: int) -> Outcome | Unavailable:
    """Return the least seconds of a batch on all of this machine's processors, or what of Lab 1.1 is lacking."""
    for probe, curve in (("products", "fp32"), ("memory", "read")):
        if reason := lacking(machine, probe, curve):
            return Unavailable(reason)
    peak_rate = product_rates(machine)["fp32"]
    return Outcome(predicted.floor(peak_rate, memory_bandwidth(machine), width, batch), "s")


def lacking(machine: Machine, probe: str, curve: str) -> str:
    """Return why this machine's profile has no such measurement of Lab 1.1, or nothing where it has."""
    if probe not in machine.calibrations:
        return f"Lab 1.1 measures it, and has not been run here: labkit.machine.this({probe!r}) does."
    return machine.calibration(probe).reason(curve)


def batch_table(comparison: Comparison, machine: Machine) -> TextTable:
    """Return the time of batches, predicted and measured, the floor, and the pictures a second."""
    rows = []
    for row in comparison.rows:
        batch = row.point["batch"]
        rate = f"{batch / row.measured.value:,.0f}" if row.measured else ""
        least = floor(machine, row.point["width"], batch)
        rows.append((str(batch), written(row.predicted), written(row.measured),
                     quantity(least.value, "s") if least else "not known", rate))
    return TextTable(("batch", "predicted", "measured", "floor", "pictures a second"), rows)


def above_floor(comparison: Comparison, machine: Machine) -> float | Unavailable:
    """Return the smallest of the measured times over their floors, or why there is none."""
    found = [ratio(row.measured, floor(machine, row.point["width"], row.point["batch"])) for row in comparison.rows]
    return min((factor.value for factor in found if factor), default=found[0])


def gain(comparison: Comparison, batch: int, half: str) -> Outcome | Unavailable:
    """Return how many times as many pictures a second a batch is as one at a time: `half` of the rows' outcomes."""
    alone, together = (getattr(at(comparison, batch=size), half) for size in (1, batch))
    factor = ratio(alone, together)
    return Outcome(batch * factor.value, "times") if factor else factor


def in_work(comparison: Comparison) -> TextTable:
    """Return how many samples published devices have in work, the least, one in the middle and the most, and we."""
    work = {name: predicted.together(rate, alone) for name, (alone, rate) in published().items()}
    chosen = (min(work, key=work.get), "Orin_NX_TRT", max(work, key=work.get))
    taken = {row.point["batch"]: row.measured.value for row in comparison.rows if row.measured}
    own = f"{taken[1] * max(n / time for n, time in taken.items()):.1f}" if 1 in taken else "not measured"
    return TextTable(("system", "in work"), [*((name, f"{work[name]:.1f}") for name in chosen),
                                             ("one core of this machine", own)])


def times_by_batch(comparison: Comparison) -> list[tuple[int, float]]:
    """Return batches and the seconds that they take, measured where that was possible, else predicted."""
    return sorted((row.point["batch"], (row.measured or row.predicted).value) for row in comparison.rows)


def try_once(networks: Networks, dtype: str, width: int, settings: Settings) -> Log | Unavailable:
    """Let LoadGen ask once, or return why it could not."""
    try:
        return networks.run(dtype, width, settings)
    except loadgen.Failed as trouble:
        return Unavailable(str(trouble))


def megabytes(rate: float) -> Outcome:
    """Return bytes a second in the unit of the guess."""
    return Outcome(rate / 1e6, "MB/s")


def files_table(files: Mapping[str, Path], right: Mapping[str, float]) -> TextTable:
    """Return files' sizes and right answers in %, by format."""
    return TextTable(("format", "right", "file"), [
        (dtype, f"{right[dtype]:.1f} %", f"{path.stat().st_size:,} bytes") for dtype, path in files.items()])


def slow_table(comparison: Comparison) -> TextTable:
    """Return the percentiles that count, predicted and measured."""
    return TextTable(("scenario", "format", "percentile", "predicted", "measured"), [
        (row.point["scenario"], row.point["dtype"], f"p{PERCENTILE[row.point['scenario']]}", written(row.predicted),
         written(row.measured)) for row in comparison.rows])


def factor(comparison: Comparison, pick: Callable = max) -> float | Unavailable:
    """Return the largest, or the smallest, of measured over predicted, or why there is none."""
    found = [row.measured.value / row.predicted.value for row in comparison.rows if row.measured and row.predicted]
    return pick(found) if found else Unavailable(str(comparison))


def deadlines(experiment: Experiment, usual: Point) -> TextTable:
    """Return the highest rate of Server that is predicted, by deadline."""
    rows = []
    for deadline in DEADLINES:
        top = experiment.predict(**{**usual, "scenario": SERVER, "deadline": deadline})
        rows.append((quantity(deadline, "s"), f"{top.value:,.0f}/s. {top.note}" if top else top.reason))
    return TextTable(("deadline", "highest rate"), rows)


def kept_table() -> TextTable:
    """Return the rate of Server over that of Offline of the least, the median and the most of published systems."""
    shares = kept_under_deadline()
    names = list(shares)
    assert all(share <= 1 for share in shares.values())
    return TextTable((f"of {len(names)} systems", "Server over Offline"), [
        (name, f"{100 * shares[name]:.0f} %") for name in (names[0], names[len(names) // 2], names[-1])])


def share_of(rate: Outcome | Unavailable, whole: Outcome) -> Outcome | Unavailable:
    """Return a rate in % of another."""
    return Outcome(100 * rate.value / whole.value, "%") if rate else rate


def demands(rate: float) -> dict[str, float]:
    """Return the bytes a second that this machine's rate and the fastest published device eat."""
    name, (_, fastest) = max(published().items(), key=lambda item: item[1][1])
    return {"this machine, cats": inputs(rate)["as bytes"], f"{name}, ResNet-50": fastest * predicted.PICTURE_224}


def supply_table(supply: Mapping[str, float | Unavailable], demand: float) -> TextTable:
    """Return what this machine's parts deliver, and which share of it a demand in bytes/s needs."""
    return TextTable(("part", "delivers", "needed of it"), [
        (name, quantity(rate, "B/s"), f"{100 * demand / rate:.1f} %") if rate else (name, rate.reason, "")
        for name, rate in supply.items()])


def with_storage(machine: Machine, dtype: str, widths: Sequence[int]) -> TextTable:
    """Return which share of the rate is left if each picture is first read from storage, by width of the network."""
    read, rows = one_read(machine), []
    for width in widths:
        one = Plan(machine, dtype, width).turn(1)
        left = f"{100 * predicted.with_reads(one, read.value) * one:.0f} %" if read else ""
        rows.append((str(width), quantity(one, "s"), written(read), left))
    return TextTable(("width", "one answer", "one read", "of the rate is left"), rows)


def thousand(demand: Mapping[str, float], nodes: int = 1_000) -> TextTable:
    """Return what many nodes eat, in all and each."""
    heads = (f"{nodes:,} ×", "in all", "links of 100 Gbit/s into the cluster", "of 10 Gbit/s into each node")
    return TextTable(heads, [
        (name, quantity(nodes * rate, "B/s"), f"{nodes * rate / 12.5e9:,.1f}", f"{100 * rate / 1.25e9:.0f} %")
        for name, rate in demand.items()])


def verdict(machine: Machine, best: Outcome, found: Outcome | Unavailable, dtype: str, width: int) -> TextTable:
    """Return the numbers of this run that decide."""
    (_, own), (giant, big) = demands(best.value).items()
    drive, net = links()["NVMe SSD, PCIe 4"], links()["10 GbE"]
    read, one = one_read(machine), Plan(machine, dtype, width).turn(1)
    return TextTable(("what", "in this run"), [
        ("this machine needs of a 10-gigabit link", f"{100 * own / net:.0f} %"),
        (f"{giant} needs 10-gigabit links", f"{big / net:.1f}"), (f"{giant} needs NVMe drives", f"{big / drive:.1f}"),
        ("rate left with a call back to storage for each picture",
         f"{100 * predicted.with_reads(one, read.value) * one:.0f} %" if read else read.reason),
        ("within 10 ms", f"{found.value:,.0f} of {best.value:,.0f} pictures a second" if found else found.reason)])


def inputs(rate: float) -> dict[str, float]:
    """Return the bytes a second of input that so many pictures of the course a second are: as bytes, and as floats."""
    return {"as bytes": rate * PICTURE, "as 32-bit floats": 4 * rate * PICTURE}


def bandwidths(machine: Machine) -> dict[str, float | Unavailable]:
    """Return what this machine's parts deliver in bytes a second, as far as Lab 1.1's probes have measured them."""
    found: dict[str, float | Unavailable] = {}
    for name, probe, curve in (("memory", "memory", "read"), ("a message to another process", "loopback", "message"),
                               ("storage, in order", "storage", "sequential")):
        if reason := lacking(machine, probe, curve):
            found[name] = Unavailable(reason)
        else:
            found[name] = memory_bandwidth(machine) if probe == "memory" else best_rate(
                machine.calibration(probe).curve(curve))
    read = one_read(machine)
    found["storage, a picture at a time"] = PICTURE / read.value if read else read
    return found


def one_read(machine: Machine) -> Outcome | Unavailable:
    """Return the seconds in which storage reads one picture from anywhere, or why that is not known."""
    if reason := lacking(machine, "storage", "random"):
        return Unavailable(reason)
    return Outcome(interpolate(machine.calibration("storage").curve("random"), PICTURE), "s")


def links() -> dict[str, float]:
    """Return the bytes a second of some published links and devices, as the catalogue has them."""
    wanted = {"links": ("1 GbE", "10 GbE", "100 GbE", "PCIe 4 x16"), "storage": ("SATA SSD", "NVMe SSD, PCIe 4")}
    return {name: catalogue.by_name(table)[name]["bytes_per_s"] for table, names in wanted.items() for name in names}


def published(model: str = "ResNet-50") -> dict[str, tuple[float, float]]:
    """Return MLPerf's results of single devices by system: seconds of one sample alone, samples/s in Offline."""
    return {row["system"]: (row["single_latency_s"], row["samples_per_s"])
            for row in catalogue.table("mlperf-inference") if row["model"] == model and row["samples_per_s"]}


def kept_under_deadline(model: str = "ResNet-50") -> dict[str, float]:
    """Return the rate of Server as a share of that of Offline in MLPerf's results, by system, ascending."""
    shares = {row["system"]: row["server_samples_per_s"] / row["offline_samples_per_s"]
              for row in catalogue.table("mlperf-server") if row["model"] == model and row["server_samples_per_s"]}
    return dict(sorted(shares.items(), key=lambda item: item[1]))


def validation(machine: Machine) -> list[tuple[Experiment, list[Point]]]:
    """Return the experiments with the points that `labkit validate` measures: LoadGen has asked none of these networks
    before, but a narrower one.
    """
    streams = [dict(scenario=scenario, width=width, dtype=dtype) for scenario in (SINGLE, MULTI)
               for width, dtype in ((16, "int8 static"), (32, "fp32"), (48, "fp32"), (64, "fp32"), (64, "int8 static"))]
    usual = dict(batch=64, deadline=loadgen.DEADLINE_S)
    asked = [dict(usual, scenario=scenario, width=width, dtype=dtype) for scenario in (SINGLE, MULTI, OFFLINE)
             for width, dtype in ((32, "fp32"), (64, "int8 static"), (64, "fp32"))]
    asked += [dict(usual, scenario=OFFLINE, width=64, dtype="fp32", batch=batch) for batch in (4, 16, 256)]
    asked += [dict(usual, scenario=SERVER, width=64, dtype="fp32", deadline=deadline) for deadline in (0.01, 0.03)]
    return [(latency(machine), streams), (rates(machine), asked)]


def _without(machine: Machine) -> str:
    return "Without what being asked costs: LoadGen is not here." if machine.calibration("queries").missing else ""


def _with_speed(machine: Machine, run: Callable[[], object], tries: int = 3) -> tuple[object, float, str] | Unavailable:
    """Return what a run gives, the machine's speed around it as a fraction of its calibrated one, and a note.

    A run is repeated, up to so many tries, while other programs keep the processors busy.
    """
    from labkit.measure.probes import sessions

    reference_kernel = sessions.reference()

    def now() -> float:
        return clock.rounds({"reference": reference_kernel}, budget=_REFERENCE_S)["reference"].median

    before = now()
    try:
        found, share = loadgen.undisturbed(run, tries)
    except loadgen.Failed as trouble:
        return Unavailable(str(trouble))
    speed = machine.calibration("sessions").reference_seconds / ((before + now()) / 2)
    said = [clock.contended(share), drifted(speed)]
    if isinstance(found, Log) and not found.valid:
        said.append(f"LoadGen: invalid, since {'; '.join(found.objections)}.")
    return found, speed, " ".join(filter(None, said))


def _asked(machine: Machine, networks: Networks, dtype: str, width: int,
           settings: Settings) -> tuple[Log, float, str] | Unavailable:
    """Return a run of LoadGen, its speed and its note: the one that is kept where it was asked so before."""
    key = dtype, width, settings
    if key not in networks.runs:
        tries = effort.pick(quick=1, usual=2, long=3)
        found = _with_speed(machine, lambda: networks.run(dtype, width, settings), tries)
        if isinstance(found, Unavailable):
            return found
        networks.runs[key] = found
    return networks.runs[key]


def _slow(log: Log, speed: float, note: str) -> Outcome | Unavailable:
    share = PERCENTILE[log.scenario]
    value = log.reported(share)
    try:
        _, low, high = stats.percentile(log.latencies.tolist(), share)
    except stats.TooFew as trouble:
        return Unavailable(f"{trouble} LoadGen had no time for them.")
    low, high = min(low, value), max(high, value)
    return Outcome(value, "s", low=low, high=high, note=note, speed=speed)


def _rate(log: Log, speed: float, note: str) -> Outcome:
    return Outcome(log.rate, "pictures/s", note=note, speed=speed)


def _highest(found: Peak, speed: float, note: str) -> Outcome | Unavailable:
    if not found.low:
        return Unavailable(_NO_VALID)
    high = found.high if math.isfinite(found.high) else found.low
    value = (found.low + high) / 2
    said = f"Between the highest valid and the lowest invalid rate of {len(found.runs)} runs. {note}".rstrip()
    return Outcome(value, "pictures/s", low=found.low, high=high, note=said, speed=speed)
