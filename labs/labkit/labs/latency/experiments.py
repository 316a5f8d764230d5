"""Lab 3.1: how long one answer takes in several ways of running a network, how slow its slowest are, and at what power.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING

from labkit import catalogue, effort, stats
from labkit.display import TextTable, written
from labkit.experiment import Axis, Comparison, Experiment, Outcome, Point, Unavailable, ratio
from labkit.labs.common import Tail, at, banded, measured, most_threads
from labkit.machine import Machine
from labkit.predict import latency as predicted
from labkit.predict import power, roofline, tail_at_scale
from labkit.runtimes import compiled as compiling
from labkit.specs import network
from labkit.specs.calibration import best_rate
from labkit.specs.execution import EAGER, RUNTIME
from labkit.units import quantity

if TYPE_CHECKING:
    from labkit.measure.cold_start import ColdStart

WAYS = (RUNTIME, EAGER)
WIDTHS = (4, 8, 12, 16, 24, 32, 48, 64)
BATCHES = tuple(2**k for k in range(7))
PERCENTILES = (50, 90, 99, 99.9)

# What others measured, by the accelerator's name in data/mlperf-inference.csv: its row in data/hardware.csv.
DEVICES = {
    "NVIDIA A100-PCIe-80GB": "NVIDIA A100 PCIe 80GB",
    "NVIDIA A100-SXM-80GB": "NVIDIA A100 SXM4 80GB",
    "NVIDIA L4": "NVIDIA L4",
    "NVIDIA Jetson AGX Orin": "NVIDIA Jetson AGX Orin 64GB",
    "NVIDIA Orin NX": "NVIDIA Jetson Orin NX 16GB",
}
KINDS = {"data centre": "built to train", "data-centre inference": "built to infer", "edge": "at the edge"}
RESNET, RETINANET = "ResNet-50", "RetinaNet"
A100, L4, A2 = "NVIDIA A100-PCIe-80GB", "NVIDIA L4", "NVIDIA A2"  # as in data/mlperf-inference.csv
_ANSWERS = 10  # at the best rate, as long as some answers below it that are timed


def time(machine: Machine, budget: float | None = None) -> Experiment:
    """Return the experiment on the time of one run of the cat network on the processor.

    Args:
        machine: this machine, with what its lab's probes find on it.
        budget: seconds to spend on measuring a point; by the effort that holds now unless given.

    Raises:
        ValueError: a machine that lacks the probe, such as one of the catalogue.
    """
    calibration, most = machine.calibration("latency"), most_threads(machine)
    budget = budget or effort.pick(quick=0.06, usual=0.3, long=1.0)

    def predict(width, batch, way, threads):
        total, narrowest = (predicted.seconds(calibration, way, w, b, threads, most)
                            for w, b in ((width, batch), (predicted.NARROWEST, 1)))
        parts = predicted.parts(total, predicted.floor(calibration, width, batch), narrowest)
        return banded(parts, widening=calibration.widening)

    def measure(width, batch, way, threads):
        from labkit.measure.probes import latency

        return measured(*latency.seconds(way, width, batch, threads, reference_seconds=calibration.reference_seconds,
                                         budget=budget))

    return Experiment(
        title="One run of the cat network, in two ways",
        quantity="Time",
        unit="s",
        axes=[
            Axis("width", "Width of the network", WIDTHS, start=16, unit="channels", log=True),
            Axis("batch", "Batch size", BATCHES, unit="pictures", log=True),
            Axis("way", "Way of running", WAYS),
            Axis("threads", "Threads", sorted({*(2**k for k in range(most.bit_length())), most}), unit="threads"),
        ],
        predict=predict,
        measure=measure,
        readout="{way}, on {threads}: a network {width} wide answers {batch} in {value}. Its floor: {part:the floor}.",
    )


def floor(machine: Machine, width: int, batch: int = 1) -> float:
    """Return the least seconds of a run on all of this machine's processors."""
    return predicted.floor(machine.calibration("latency"), width, batch)


def answers(way: str, width: int, threads: int = 1, share: float = 1.0) -> Tail:
    """Clock answers of a network, one right after the other: as many as the effort asks for, within its time.

    Args:
        way, width, threads: as in `labkit.measure.probes.latency.ready`.
        share: of the usual number, and of the time.
    """
    from labkit.measure.probes import latency

    count, limit = effort.pick(quick=(3_000, 3.0), usual=(5_000, 8.0), long=(25_000, 30.0))
    with latency.ready(way, width, threads=threads) as call:
        return Tail(latency.each(call, max(1, round(share * count)), limit=share * limit))


def answers_beside(neighbours: int, way: str, width: int, threads: int = 1, share: float = 1.0) -> Tail | Unavailable:
    """Clock answers as `answers` does, while some neighbours keep the processors busy, or say why none could start."""
    from labkit.measure import noisy_neighbour
    from labkit.processes import HelperFailed

    try:
        with noisy_neighbour.busy(neighbours):
            return answers(way, width, threads, share)
    except HelperFailed as trouble:
        return Unavailable(f"The neighbours could not be started: {trouble}")


def seconds() -> float:
    """Return the seconds for all measurements of a cell, by the effort that holds now."""
    return effort.pick(quick=3.0, usual=12.0, long=40.0)


def floors(machine: Machine, widths: Sequence[int] = (4, 16, 64)) -> TextTable:
    """Return operations, bytes and the floor of one answer, by width."""
    rows = []
    for width in widths:
        layers = network.cats(width)
        rows.append((str(width), f"{network.forward_flop(layers):,}", f"{network.bytes_moved(layers):,}",
                     quantity(floor(machine, width), "s")))
    return TextTable(("width", "operations", "bytes", "floor"), rows)


def breakdown(times: Experiment, width: int = 16) -> TextTable:
    """Return the predicted time of one answer and its parts, by way and threads."""
    rows = []
    for way in WAYS:
        for threads in sorted({1, times.axis("threads").values[-1]}):
            outcome = times.predict(way=way, threads=threads, width=width, batch=1)
            parts = (quantity(outcome.parts.get(part, 0.0), "s")
                     for part in (predicted.FLOOR, predicted.START, predicted.REST))
            rows.append((way, str(threads), written(outcome), *parts))
    return TextTable(("way", "threads", "an answer", predicted.FLOOR, predicted.START, predicted.REST), rows)


def comparison_points(machine: Machine) -> list[Point]:
    """Return the points that the lab compares: width 16 first, and two widths that were not calibrated."""
    return [dict(way=way, threads=threads, width=width, batch=1) for width in (16, 48, 12)
            for threads in sorted({1, most_threads(machine)}) for way in WAYS]


def measured_at(comparison: Comparison, **point) -> Outcome | Unavailable:
    """Return what was measured at a point of a comparison, or that nothing was."""
    row = at(comparison, **point)
    return row.measured if row else Unavailable("It is not among the points that were compared.")


def over_floor(outcome: Outcome | Unavailable, machine: Machine, width: int) -> Outcome | Unavailable:
    """Return how many times the floor an answer takes."""
    return ratio(outcome, Outcome(floor(machine, width), "s"))


def ways_at(comparison: Comparison, machine: Machine, compiled, width: int = 16) -> dict[str, Outcome]:
    """Return the time of one answer in every way in which it was measured.

    Args:
        comparison: of `time`.
        machine: this machine.
        compiled: what `labkit.runtimes.compiled.run` returned; it is drawn at the speed of the eager answers beside it.
        width: of the network.
    """
    most = most_threads(machine)
    ways = {way if threads == 1 else f"{way}, {threads} threads": measured_at(comparison, way=way, threads=threads,
                                                                              width=width)
            for threads in sorted({1, most}) for way in (RUNTIME, EAGER)}
    if compiled and ways[EAGER]:
        speed = ways[EAGER].value / Tail(compiled.eager).at(50).value
        ways["compiled"] = Outcome(Tail(compiled.answers).at(50).value * speed, "s")
    return {way: outcome for way, outcome in ways.items() if outcome}


def gains(times: Experiment, comparison: Comparison) -> TextTable:
    """Return how many times as fast all threads are as one: predicted by width, and measured at width 48."""
    most, rows = times.axis("threads").values[-1], []
    for way in WAYS:
        by_width = [ratio(*(times.predict(way=way, width=width, batch=1, threads=threads) for threads in (1, most)))
                    for width in (4, 16, 64)]
        here = ratio(*(measured_at(comparison, way=way, width=48, threads=threads) for threads in (1, most)))
        rows.append((way, *(f"{factor.value:.2f} ×" for factor in by_width),
                     f"{here.value:.2f} ×" if here else "not measured"))
    return TextTable((f"{most} threads over 1", "width 4", "width 16", "width 64", "measured, width 48"), rows)


def largest_gain(comparison: Comparison, machine: Machine) -> Outcome | Unavailable:
    """Return the most that all threads gained over one at width 48, in either way."""
    if (most := most_threads(machine)) == 1:
        return Unavailable("There is one core: one thread is all.")
    found = [ratio(*(measured_at(comparison, way=way, width=48, threads=threads) for threads in (1, most)))
             for way in WAYS]
    return max(filter(None, found), key=lambda factor: factor.value, default=found[0])


def operators(spent: Mapping[str, float]) -> TextTable:
    """Return the share of an answer's time by kind of operator."""
    whole = sum(spent.values()) or 1.0
    return TextTable(("operator", "share"), [(name, f"{100 * part / whole:.0f} %") for name, part in spent.items()])


def tails(runs: Mapping[str, Tail | Unavailable]) -> TextTable:
    """Return the percentiles of some answers, in microseconds, with their intervals."""
    def text(tail, percentile):
        found = tail.at(percentile) if tail else tail
        if not found:
            return "too few answers" if tail else "not measured"
        return f"{1e6 * found.value:,.0f} µs ({1e6 * found.low:,.0f}–{1e6 * found.high:,.0f})"

    rows = [(f"p{percentile:g}", *(text(tail, percentile) for tail in runs.values())) for percentile in PERCENTILES]
    return TextTable(("", *(f"{name}: {len(tail.seconds):,} answers" if tail else name for name, tail in runs.items())),
                     rows)


def growth(alone: Tail, beside: Tail | Unavailable) -> dict[str, Outcome | Unavailable]:
    """Return how many times as long answers take beside neighbours: in the mean, the median, and at p99.9."""
    if not beside:
        return dict.fromkeys(("mean", "median", "p99.9"), beside)
    means = [Outcome(mean(tail.seconds), "s") for tail in (beside, alone)]
    return {"mean": ratio(*means), "median": ratio(beside.at(50), alone.at(50)),
            "p99.9": ratio(beside.at(99.9), alone.at(99.9))}


def growth_table(grew: Mapping[str, Outcome | Unavailable], fair_share: float) -> TextTable:
    """Return growth as a table, beside what a fair scheduler would make of the mean."""
    return TextTable(("", "predicted", "measured"), [
        (name, f"{fair_share:.2f} ×" if name == "mean" else "",
         f"{factor.value:.2f} ×" if factor else factor.reason) for name, factor in grew.items()])


def threads_beside(neighbours: int, threads: int, width: int = 64) -> TextTable:
    """Measure the mean of answers on several threads, alone and beside busy neighbours, by way."""
    rows = []
    for way in WAYS:
        alone = answers(way, width, threads, share=0.25)
        factor = growth(alone, answers_beside(neighbours, way, width, threads, share=0.25))["mean"]
        rows.append((f"{way}, {threads} threads", quantity(mean(alone.seconds), "s"),
                     f"{factor.value:.1f} ×" if factor else factor.reason))
    return TextTable(("", "mean alone", "beside busy neighbours"), rows)


def cold_table(starts: Mapping[str, ColdStart | Unavailable]) -> TextTable:
    """Return the first and the later answers of fresh processes."""
    return TextTable(("way", "first answer after", "then each", "a factor of"), [
        (way, quantity(start.first, "s"), quantity(start.steady, "s"), f"{start.first / start.steady:,.0f}")
        if start else (way, start.reason, "", "") for way, start in starts.items()])


def least(starts: Mapping[str, ColdStart | Unavailable], part: str, than: str) -> float | Unavailable:
    """Return the smallest factor between two attributes or phases of the cold starts."""
    def seconds_of(start, name):
        return start.phases[name] if name in start.phases else getattr(start, name)

    missing = next((start for start in starts.values() if not start), None)
    if missing is not None:
        return missing
    return min(seconds_of(start, part) / seconds_of(start, than) for start in starts.values())


def device_table(own: Outcome | Unavailable, threads: int) -> TextTable:
    """Return published devices' time, power and joules of one ResNet-50 answer, and this CPU's."""
    rows = [(device.name, f"{1e3 * device.seconds:.2f} ms", f"{device.watts:.0f} W", f"{device.joules:.3f} J",
             f"{device.seconds / device.floor:.0f} ×" if device.floor else "not known") for device in devices()]
    if own:
        cost = modelled(own.value, threads)
        rows.append(("this CPU", f"{1e3 * own.value:.1f} ms", "", f"{cost.low:.2g} to {cost.high:.2g} J, a model",
                     ""))
    else:
        rows.append(("this CPU", own.reason, "", "", ""))
    return TextTable(("device", "an answer", "rated", "energy at most", "over its floor"), rows)


def answers_needed() -> TextTable:
    """Return how many answers a percentile needs before one of them lies above it, but for one case in 20."""
    return TextTable(("percentile", "answers, at least"), [
        (f"p{percentile:g}", f"{stats.samples_needed(percentile):,}") for percentile in (50, 90, 99, 99.9, 99.99)])


def three_gpus() -> TextTable:
    """Return one answer of a GPU that was built to train and of two built to infer, by network, as published."""
    sheets, rows = catalogue.by_name("hardware"), []
    power = sheets[DEVICES[L4]]["tdp_w"] / sheets[DEVICES[A100]]["tdp_w"]
    for model in (RESNET, RETINANET):
        best = _fastest(model)
        times = best[L4] / best[A100]
        rows.append((model, quantity(best[A100], "s"), quantity(best[L4], "s"), f"{times:.2f} ×",
                     f"{power * times:.2f} ×", quantity(best[A2], "s") if A2 in best else "not known"))
    return TextTable(("network", "A100", "L4", "L4 over A100", "in joules", "A2"), rows)


def fan_out(runs: Mapping[str, Tail | Unavailable]) -> TextTable:
    """Return which percentile of one node is the median of requests to many, and what it is in some runs."""
    rows = []
    for nodes in (1, 10, 100, 1_000):
        share = 100 * (1 - tail_at_scale.allowed(0.5, nodes))
        found = [tail.at(share) if tail else tail for tail in runs.values()]
        rows.append((f"{nodes:,}", f"p{share:.2f}",
                     *(quantity(each.value, "s") if each else "too few answers" for each in found)))
    return TextTable(("nodes", "their median is", *runs), rows)


def fair(neighbours: int, processors: int) -> float:
    """Return how many times as long answers take on average beside busy neighbours, if all get the same share of time.

    One thread answers. As long as there is a processor for everybody, nothing changes.
    """
    return max(1.0, (neighbours + 1) / processors)


@dataclass(frozen=True)
class Device:
    """What somebody published of a device: one answer of a network, and the power that the device is rated for.

    Args:
        name: in the catalogue.
        kind: what it was built for.
        model: the network.
        seconds: of one answer, one after the other: the fastest of its results.
        watts: rated, of the accelerator alone; at the edge of the whole module.
        floor: the least seconds by its data sheet in int8, None where that is silent or the network's work not known.
    """

    name: str
    kind: str
    model: str
    seconds: float
    watts: float
    floor: float | None

    @property
    def joules(self) -> float:
        """The most joules that an answer can take if the device keeps to its rating."""
        return self.seconds * self.watts


def devices(model: str = RESNET) -> list[Device]:
    """Return the published devices that answered a network, the fastest first, without those slowed down to save power.

    Raises:
        ValueError: nobody published that network.
    """
    sheets = catalogue.by_name("hardware")
    best = {DEVICES[name]: seconds for name, seconds in _fastest(model).items() if name in DEVICES}
    if not best:
        raise ValueError(f"No device of the catalogue has a published latency for {model!r}. Try {RESNET}.")
    return [Device(name, KINDS[sheets[name]["class"]], model, seconds, sheets[name]["tdp_w"],
                   _floor(sheets[name]) if model == RESNET else None)
            for name, seconds in sorted(best.items(), key=lambda item: item[1])]


def _fastest(model: str) -> dict[str, float]:
    """Return the least published seconds of an answer by accelerator, of those not slowed down to save power."""
    best = {}
    for row in catalogue.table("mlperf-inference"):
        if row["model"] == model and row["single_latency_s"] and "MaxQ" not in row["system"]:
            name = row["accelerator"]
            best[name] = min(best.get(name, row["single_latency_s"]), row["single_latency_s"])
    return best


def _floor(sheet: dict) -> float | None:
    rate, bandwidth = catalogue.peak(sheet, "int8"), sheet["memory_bytes_per_s"]
    if not (rate and bandwidth):
        return None
    return roofline.seconds(network.RESNET_50_FLOP, network.RESNET_50_PARAMETERS, rate, bandwidth)  # a byte each


def resnet(machine: Machine, threads: int) -> Outcome | Unavailable:
    """Measure one answer of ResNet-50 on this machine's processor, in eager PyTorch and 32-bit floats, by the clock.

    Args:
        machine: this machine; where its best rate makes a few answers too long for the lab, none is given.
        threads: of the processor.
    """
    import torch

    from labkit import device
    from labkit.measure.probes import latency
    from labkit.models import training
    from labkit.models.networks.resnet import PICTURE, ResNet50
    from labkit.timing import clock

    budget = effort.pick(quick=0.3, usual=1.2, long=4.0)
    rate = best_rate(machine.calibration("latency").curve("product"))
    if _ANSWERS * network.RESNET_50_FLOP / rate > seconds():
        return Unavailable(f"At its best rate this CPU needs {quantity(network.RESNET_50_FLOP / rate, 's')} for "
                           "an answer of ResNet-50: the lab has no time for it.")
    device.settle()
    picture = torch.rand(1, *PICTURE).contiguous(memory_format=device.layout(latency.CPU))
    with device.threads(threads):
        call = latency.eager(training.to_device(ResNet50().eval(), latency.CPU), picture)
        timing = clock.time(call, budget=budget)
    return Outcome(timing.median, "s", low=timing.low, high=timing.high, note=timing.note)


def modelled(seconds: float, threads: int) -> Outcome:
    """Return the joules of busy threads by the model of `labkit.predict.power`, with its band."""
    value, low, high = power.joules(seconds, threads)
    return Outcome(value, "J", low=low, high=high, note="A model by servers at full load, not a measurement.")


def patience() -> float:
    """Return the seconds that a process which compiles, or starts cold, may take."""
    return effort.pick(quick=15.0, usual=45.0, long=75.0)


def compiled_answers(width: int) -> compiling.Compiled | Unavailable:
    """Return the answers of a compiled network and of the eager one; with quick effort, why there are none."""
    if effort.current() == effort.QUICK:
        return Unavailable("Compiling takes longer than quick effort has: with usual effort it is tried.")
    return compiling.run(width, patience())


def modelled_text(tail: Tail) -> str:
    """Return what an answer on one thread takes by the model of busy threads, or why that is not known."""
    if not (median := tail.at(50)):
        return median.reason
    band = modelled(median.value, threads=1)
    return f"modelled: {quantity(band.low, 'J')} to {quantity(band.high, 'J')} an answer at width 64"


def watts(threads: int) -> tuple[float, float]:
    """Return the least and the most watts that busy threads draw by the model."""
    band = modelled(1.0, threads)
    return band.low, band.high


def verdict(faster: Outcome | Unavailable, grew: Mapping[str, Outcome | Unavailable]) -> TextTable:
    """Return the numbers of this run that decide: the runtime over eager, and what busy neighbours did."""
    found = {"the runtime in place of eager PyTorch: as fast": faster,
             "busy neighbours: the slowest in a thousand, as slow": grew["p99.9"],
             "busy neighbours: the median, as slow": grew["median"]}
    return TextTable(("on the same hardware", "in this run"), [
        (name, f"{factor.value:.2f} ×" if factor else factor.reason) for name, factor in found.items()])


def validation(machine: Machine) -> list[tuple[Experiment, list[Point]]]:
    """Return the experiment with the points that `labkit validate` measures.

    None was calibrated: in eager mode no whole network was, in the runtime the widths lie between those that were, or
    else the batches.
    """
    most = most_threads(machine)
    at = [(12, 1), (24, 1), (48, 1), (12, 16), (24, 4), (48, 32), (8, 16), (32, 4)]
    return [(time(machine), [{"width": width, "batch": batch, "way": way, "threads": threads}
                             for way in WAYS for threads in sorted({1, most}) for width, batch in at])]
