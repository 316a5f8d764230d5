"""Lab 3.2: how much a network answers, and how soon, when MLPerf's LoadGen asks it in its four ways."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from labkit import catalogue, summary
from labkit.experiment import Axis, Experiment, Outcome, Point, Unavailable
from labkit.labs.common import banded, drifted
from labkit.machine import Machine
from labkit.measure import loadgen
from labkit.measure.loadgen import MULTI, OFFLINE, PERCENTILE, SCENARIOS, SERVER, SINGLE, STREAMS, Settings
from labkit.measure.mlperf_log import Log
from labkit.predict import percentiles
from labkit.predict import throughput as predicted
from labkit.predict.operators import interpolate
from labkit.predict.small_machine import PICTURE
from labkit.progress import report
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
_TRIES = 2  # for a rate, since whatever else the machine does makes a run invalid


class Site:
    """What LoadGen asks: known files of networks, and untrained networks where none is known.

    Args:
        pictures: byte pictures (n, 3, 32, 32) that it asks about; noise unless given.
        files: known files by format and width.
    """

    def __init__(self, pictures: np.ndarray | None = None, files: Mapping[tuple[str, int], Path] | None = None):
        self._pictures, self._files = pictures, dict(files or {})
        self._folder = tempfile.TemporaryDirectory(prefix="networks-", ignore_cleanup_errors=True)

    def run(self, form: str, width: int, settings: Settings) -> Log:
        """Let LoadGen ask a network; raises as `labkit.measure.loadgen.run`."""
        from labkit.measure.probes import queries, sessions

        if (form, width) not in self._files:
            self._files[form, width] = sessions.file(form, width, self._folder.name)
        pictures = queries.pictures() if self._pictures is None else self._pictures
        return loadgen.run(self._files[form, width], pictures, settings)


@dataclass(frozen=True)
class Plan:
    """What is predicted of one network on a machine.

    Args:
        machine: with what its lab's probes find.
        form, width: of the network.

    Raises:
        ValueError: a machine that lacks a probe, or LoadGen.
    """

    machine: Machine
    form: str
    width: int

    def query(self, samples: int) -> dict[str, float]:
        """Return the parts of the median time of a query, in seconds."""
        sessions, queries = (self.machine.calibration(name) for name in ("sessions", "queries"))
        return predicted.asked(sessions, queries, self.form, self.width,
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
        return Settings(scenario, seconds, max(expected, 1.0), batch, deadline, queries)


def latency(machine: Machine, site: Site | None = None, seconds: float = 0.8) -> Experiment:
    """Return the experiment on the percentile that MLPerf takes of a query's time: p90 of one sample, p99 of eight.

    Args:
        machine: this machine, with what its lab's probes find.
        site: what LoadGen asks; untrained networks unless given.
        seconds: of a run; MLPerf asks for `loadgen.OFFICIAL_S`.
    """
    site = site or Site()

    def predict(scenario, width, form):
        plan, samples = Plan(machine, form, width), STREAMS if scenario == MULTI else 1
        parts = plan.query(samples)
        value = plan.percentile(PERCENTILE[scenario], samples)
        outcome = banded({**parts, "the slow ones": max(value - sum(parts.values()), 0.0)},
                         widening=machine.calibration("sessions").widening)
        return replace(outcome, note=_without(machine))

    def measure(scenario, width, form):
        settings = Plan(machine, form, width).settings(scenario, seconds)
        found = _paced(machine, lambda: site.run(form, width, settings))
        return found if isinstance(found, Unavailable) else _slow(*found)

    return Experiment(
        title="The slow answers of LoadGen's streams",
        quantity="Time of a query",
        unit="s",
        axes=[Axis("scenario", "Scenario", (SINGLE, MULTI)),
              Axis("width", "Width of the network", WIDTHS, start=64, unit="channels", log=True),
              Axis("form", "Number format", ONNX_FORMATS)],
        predict=predict,
        measure=measure,
        readout="{scenario}, {form}, {width}: the percentile that counts is {value}.",
    )


def rates(machine: Machine, site: Site | None = None, seconds: float = 0.8) -> Experiment:
    """Return the experiment on the pictures that are answered in a second, by the way of asking.

    The arguments are those of `latency`; Server is run several times, to find the highest rate that is valid.
    """
    site = site or Site()

    def predict(scenario, batch, width, form, deadline):
        plan = Plan(machine, form, width)
        value = plan.rate(scenario, batch, deadline)
        if value == 0:
            return Unavailable(f"One answer alone takes {quantity(plan.turn(1), 's')}, or more in one case of a "
                               f"hundred: no rate keeps a deadline of {quantity(deadline, 's')}.")
        samples = {SINGLE: 1, MULTI: STREAMS, OFFLINE: batch}.get(scenario)
        said = (f"A batch of {samples} takes {quantity(plan.turn(samples), 's')}." if samples else
                f"The server is busy for {value * plan.turn(1):.0%} of the time.")
        outcome = banded({"": value}, "pictures/s", widening=machine.calibration("sessions").widening)
        return replace(outcome, note=f"{said} {_without(machine)}".rstrip())

    def measure(scenario, batch, width, form, deadline):
        plan = Plan(machine, form, width)
        if scenario == SERVER:
            found = _paced(machine, lambda: peak(site, plan, deadline, seconds), tries=1)
            return found if isinstance(found, Unavailable) else _highest(*found)
        settings = plan.settings(scenario, seconds, batch, deadline)
        found = _paced(machine, lambda: site.run(form, width, settings))
        return found if isinstance(found, Unavailable) else _rate(*found)

    return Experiment(
        title="Pictures a second, by the way of asking",
        quantity="Rate",
        unit="pictures/s",
        axes=[Axis("scenario", "Scenario", SCENARIOS, start=OFFLINE),
              Axis("batch", "Batch size in Offline", BATCHES, start=64, unit="pictures", log=True),
              Axis("width", "Width of the network", WIDTHS, start=64, unit="channels", log=True),
              Axis("form", "Number format", ONNX_FORMATS),
              Axis("deadline", "Deadline in Server", DEADLINES, start=loadgen.DEADLINE_S, unit="s", log=True)],
        predict=predict,
        measure=measure,
        readout="{scenario}, {form}, {width}, batches of {batch} in Offline, {deadline} in Server: {value}.",
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


def peak(site: Site, plan: Plan, deadline: float, seconds: float = 1.0) -> Peak:
    """Search for the highest rate that LoadGen calls valid: double or halve, then halve the gap.

    A rate that was invalid is tried once more, since any disturbance can make it so.

    Args:
        site: what LoadGen asks.
        plan: of its network; the search starts below the rate that it predicts.
        deadline: in seconds.
        seconds: of each run.
    """
    runs, low, high = [], 0.0, math.inf
    rate = 0.8 / plan.turn(1)
    least = predicted.queries_needed(0)
    while high - low > _SLACK * low and len(runs) < 8 * _TRIES:
        for _ in range(_TRIES):
            log = site.run(plan.form, plan.width, Settings(SERVER, seconds, rate, deadline=deadline, queries=least))
            runs.append((rate, log))
            if log.valid:
                break
        low, high = (max(low, rate), high) if log.valid else (low, min(high, rate))
        if high < math.inf:
            rate = (low + high) / 2 if low else high / 2
        else:
            rate *= 1.15
    return Peak(runs, low, high)


def one_of_each(machine: Machine, site: Site, form: str, width: int, *, seconds: float, batch: int,
                load: float = 0.7) -> dict[str, Log]:
    """Run the four scenarios once, with a network of the site, and return LoadGen's logs by scenario.

    Args:
        machine: with what its lab's probes find.
        site, form, width: what is asked.
        seconds: of each run.
        batch: of Offline.
        load: of Server, as a share of the rate that keeps the server busy all the time.

    Raises:
        Failed: as `labkit.measure.loadgen.run`.
    """
    plan, found = Plan(machine, form, width), {}
    for done, scenario in enumerate(SCENARIOS):
        report(done / len(SCENARIOS), f"LoadGen: {scenario}")
        if scenario == SERVER:
            settings = Settings(SERVER, seconds, load / plan.turn(1), deadline=loadgen.DEADLINE_S)
        else:
            settings = plan.settings(scenario, seconds, batch)
        found[scenario] = site.run(form, width, settings)
    return found


def table(logs: Mapping[str, Log]) -> str:
    """Return what LoadGen says of some runs, a line for each; below it, why it calls a run invalid."""
    lines = [f"{'scenario':<13} {'queries':>8} {'samples/s':>10} {'p50':>9} {'p90':>9} {'p99':>9}  verdict"]
    for scenario, log in logs.items():
        shown = [quantity(log.reported(share), "s") for share in (50, 90, 99)]
        lines.append(f"{scenario:<13} {log.queries:>8,} {log.rate:>10,.0f} {shown[0]:>9} {shown[1]:>9} {shown[2]:>9}  "
                     f"{'valid' if log.valid else 'INVALID'}")
        lines += [f"{'':<13} because {reason}" for reason in log.objections]
    return "\n".join(lines)


def inputs(rate: float) -> dict[str, float]:
    """Return the bytes a second of input that so many pictures of the course a second are: as bytes, and as floats."""
    return {"as bytes": rate * PICTURE, "as 32-bit floats": 4 * rate * PICTURE}


def bandwidths(machine: Machine) -> dict[str, float]:
    """Return what this machine's parts deliver in bytes a second, as far as Lab 1.1's probes know them."""
    found = {"memory": summary.memory(machine)}
    for name, probe, curve in (("a message to another process", "loopback", "message"),
                                    ("storage, in order", "storage", "sequential")):
        if not machine.calibration(probe).reason(curve):
            found[name] = summary.best(machine.calibration(probe).curve(curve))
    if (read := one_read(machine)) is not None:
        found["storage, a picture at a time"] = PICTURE / read
    return found


def one_read(machine: Machine) -> float | None:
    """Return the seconds in which storage reads one picture from anywhere, None where that cannot be measured."""
    calibration = machine.calibration("storage")
    return None if calibration.reason("random") else interpolate(calibration.curve("random"), PICTURE)


def links() -> dict[str, float]:
    """Return the bytes a second of some published links and devices, as the catalogue has them."""
    wanted = {"links": ("1 GbE", "10 GbE", "100 GbE", "PCIe 4 x16"), "storage": ("SATA SSD", "NVMe SSD, PCIe 4")}
    return {row["name"]: row["bytes_per_s"] for name, names in wanted.items() for row in catalogue.table(name)
            if row["name"] in names}


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
    streams = [dict(scenario=scenario, width=width, form=form) for scenario in (SINGLE, MULTI)
               for width, form in ((16, "int8 static"), (32, "fp32"), (48, "fp32"), (64, "fp32"), (64, "int8 static"))]
    usual = dict(batch=64, deadline=loadgen.DEADLINE_S)
    asked = [dict(usual, scenario=scenario, width=width, form=form) for scenario in (SINGLE, MULTI, OFFLINE)
             for width, form in ((32, "fp32"), (64, "int8 static"), (64, "fp32"))]
    asked += [dict(usual, scenario=OFFLINE, width=64, form="fp32", batch=batch) for batch in (4, 16, 256)]
    asked += [dict(usual, scenario=SERVER, width=64, form="fp32", deadline=deadline) for deadline in (0.01, 0.03)]
    return [(latency(machine), streams), (rates(machine), asked)]


def _without(machine: Machine) -> str:
    return "Without what being asked costs: LoadGen is not here." if machine.calibration("queries").missing else ""


def _paced(machine: Machine, run: Callable[[], object], tries: int = 3) -> tuple[object, float, str] | Unavailable:
    """Return what a run gives, the machine's speed around it as a fraction of the calibrated speed, and a note.

    A run is repeated, up to so many tries, while other programs keep the processors busy.
    """
    from labkit.measure.probes import sessions

    reference = sessions.reference()

    def now() -> float:
        return clock.rounds({"reference": reference}, budget=_REFERENCE_S)["reference"].median

    before = now()
    try:
        found, share = loadgen.undisturbed(run, tries)
    except loadgen.Failed as trouble:
        return Unavailable(str(trouble))
    speed = machine.calibration("sessions").reference_seconds / ((before + now()) / 2)
    said = []
    if share > clock.CONTENDED:
        said.append(f"Other programs used {share:.0%} of the processor meanwhile: close them and measure again.")
    said.append(drifted(speed))
    if isinstance(found, Log) and not found.valid:
        said.append(f"LoadGen: invalid, since {'; '.join(found.objections)}.")
    return found, speed, " ".join(filter(None, said))


def _slow(log: Log, speed: float, note: str) -> Outcome:
    share = PERCENTILE[log.scenario]
    value = log.reported(share)
    try:
        _, low, high = percentiles.percentile(log.latencies.tolist(), share)
    except percentiles.TooFew:
        low, high = value, float(log.latencies[-1])
    low, high = min(low, value), max(high, value)
    return Outcome(value, "s", low=low, high=high, note=note, speed=speed)


def _rate(log: Log, speed: float, note: str) -> Outcome:
    return Outcome(log.rate, "pictures/s", note=note, speed=speed)


def _highest(found: Peak, speed: float, note: str) -> Outcome | Unavailable:
    if not found.low:
        return Unavailable("LoadGen called no rate valid, however low: the slowest hundredth misses the deadline.")
    high = found.high if math.isfinite(found.high) else found.low
    value = (found.low + high) / 2
    said = f"Between the highest valid and the lowest invalid rate of {len(found.runs)} runs. {note}".rstrip()
    return Outcome(value, "pictures/s", low=found.low, high=high, note=said, speed=speed)
