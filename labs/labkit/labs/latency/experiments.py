"""Lab 3.1: how long one answer takes in several ways of running a network, how slow its slowest are, and at what power.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labkit import catalogue
from labkit.experiment import Axis, Experiment, Outcome, Point, Unavailable
from labkit.labs.common import banded, measured, most_threads
from labkit.machine import Machine
from labkit.predict import latency as predicted
from labkit.predict import percentiles, power, roofline
from labkit.specs import network
from labkit.specs.execution import EAGER, RUNTIME

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


def time(machine: Machine, budget: float = 0.3) -> Experiment:
    """Return the experiment on the time of one run of the cat network on the processor.

    Args:
        machine: this machine, with what its lab's probes find on it.
        budget: seconds to spend on measuring a point.

    Raises:
        ValueError: a machine that lacks the probe, such as one of the catalogue.
    """
    calibration, most = machine.calibration("latency"), most_threads(machine)

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


@dataclass(frozen=True)
class Tail:
    """The seconds of many answers, one by one."""

    seconds: Sequence[float]

    def at(self, percentile: float) -> Outcome | Unavailable:
        """Return a percentile with its interval, or how many answers it would need.

        Raises:
            ValueError: a percentile that is not above 0 and below 100.
        """
        try:
            value, low, high = percentiles.percentile(self.seconds, percentile)
        except percentiles.TooFew as trouble:
            return Unavailable(str(trouble))
        return Outcome(value, "s", low=low, high=high)

    def ratio(self, percentile: float) -> Outcome | Unavailable:
        """Return how many medians a percentile takes."""
        slow, median = self.at(percentile), self.at(50)
        if not (slow and median):
            return slow if median else median
        return Outcome(slow.value / median.value, "times", low=slow.low / median.high, high=slow.high / median.low)


def tails(answers: Mapping[str, Tail]) -> str:
    """Return a table of the percentiles of some answers, in microseconds, with their intervals."""
    lines = [f"{'µs':<6}" + "".join(f"{name:>25}" for name in answers)]
    for percentile in PERCENTILES:
        found = [tail.at(percentile) for tail in answers.values()]
        shown = [f"{1e6 * o.value:,.0f} ({1e6 * o.low:,.0f}–{1e6 * o.high:,.0f})" if o else "too few" for o in found]
        lines.append(f"{f'p{percentile:g}':<6}" + "".join(f"{text:>25}" for text in shown))
    return "\n".join(lines)


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
    sheets, best = {row["name"]: row for row in catalogue.table("hardware")}, {}
    for row in catalogue.table("mlperf-inference"):
        name = DEVICES.get(row["accelerator"])
        if name and row["model"] == model and row["single_latency_s"] and "MaxQ" not in row["system"]:
            best[name] = min(best.get(name, row["single_latency_s"]), row["single_latency_s"])
    if not best:
        raise ValueError(f"No device of the catalogue has a published latency for {model!r}. Try {RESNET}.")
    return [Device(name, KINDS[sheets[name]["class"]], model, seconds, sheets[name]["tdp_w"],
                   _floor(sheets[name]) if model == RESNET else None)
            for name, seconds in sorted(best.items(), key=lambda item: item[1])]


def _floor(sheet: dict) -> float | None:
    rate, bandwidth = catalogue.peak(sheet, "int8"), sheet["memory_bytes_per_s"]
    if not (rate and bandwidth):
        return None
    return roofline.seconds(network.RESNET_50_FLOP, network.RESNET_50_PARAMETERS, rate, bandwidth)  # a byte each


def resnet(threads: int, budget: float = 1.5) -> Outcome:
    """Measure one answer of ResNet-50 on this machine's processor, in eager PyTorch and 32-bit floats, by the clock.

    Args:
        threads: of the processor.
        budget: seconds to spend.
    """
    import torch

    from labkit import device
    from labkit.measure.probes import latency
    from labkit.models import training
    from labkit.models.networks.resnet import PICTURE, ResNet50
    from labkit.timing import clock

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


def validation(machine: Machine) -> list[tuple[Experiment, list[Point]]]:
    """Return the experiment with the points that `labkit validate` measures.

    None was calibrated: in eager mode no whole network was, in the runtime the widths lie between those that were, or
    else the batches.
    """
    most = most_threads(machine)
    at = [(12, 1), (24, 1), (48, 1), (12, 16), (24, 4), (48, 32), (8, 16), (32, 4)]
    return [(time(machine), [{"width": width, "batch": batch, "way": way, "threads": threads}
                             for way in WAYS for threads in sorted({1, most}) for width, batch in at])]
