"""Watts for a load of pictures with a deadline, on devices that others measured: a prediction without a lab."""

from __future__ import annotations

import math

from labkit import catalogue
from labkit.experiment import Axis, Experiment, Outcome, Published, PublishedComparison, Unavailable, compare_published
from labkit.predict import streams as predicted
from labkit.units import quantity

# What a device is called here; its system in data/mlperf-inference.csv; its row in data/hardware.csv, for the power.
DEVICES = {
    "L4": ("L4x1_TRT", "NVIDIA L4"),
    "A100 PCIe": ("A100-PCIe-80GBx1_TRT", "NVIDIA A100 PCIe 80GB"),
    "Jetson Orin NX": ("Orin_NX_TRT", "NVIDIA Jetson Orin NX 16GB"),
    "Jetson AGX Orin": ("Orin_TRT", "NVIDIA Jetson AGX Orin 64GB"),
}
RESNET, RETINANET = "ResNet-50", "RetinaNet"
LIMITS = {RESNET: 0.015, RETINANET: 0.1}  # s, in MLPerf's server scenario: its rules
RATES = (1, 10, 100, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)
DEADLINES = (0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
BAND = 0.25  # of the latency and the rate, as in `experiments.streams`
# Server results, and the result of one such card whose latency and best rate predict them.
DIRECT = {
    "L4x1_TRT (NVIDIA), ResNet-50": "L4x1_TRT (NVIDIA), ResNet-50",
    "L4x1_TRT (NVIDIA), RetinaNet": "L4x1_TRT (NVIDIA), RetinaNet",
    "A100-PCIe-80GBx8_TRT (NVIDIA), RetinaNet": "A100-PCIe-80GBx1_TRT (NVIDIA), RetinaNet",
    "DGX-A100_A100-SXM-80GBx8_TRT (NVIDIA), RetinaNet": "DGX-A100_A100-SXM-80GBx1_TRT (NVIDIA), RetinaNet",
    "h13_u2_preview_dc (UntetherAI), ResNet-50": "h13_u1_preview (UntetherAI), ResNet-50",
}
THROUGH_TRITON = {
    "A100-PCIe-80GBx8_TRT_Triton (NVIDIA), ResNet-50": "A100-PCIe-80GBx1_TRT_Triton (NVIDIA), ResNet-50",
    "A100-PCIe-80GBx8_TRT_Triton (NVIDIA), RetinaNet": "A100-PCIe-80GBx1_TRT_Triton (NVIDIA), RetinaNet",
    "DGX-A100_A100-SXM-80GBx8_TRT_Triton (NVIDIA), ResNet-50":
        "DGX-A100_A100-SXM-80GBx1_TRT_Triton (NVIDIA), ResNet-50",
}


def power() -> Experiment:
    """Return the experiment on the rated power of as many devices as answer a rate of pictures within a deadline."""
    rows = {(row["system"], row["model"]): row for row in catalogue.table("mlperf-inference") if row["samples_per_s"]}
    watts = {row["name"]: row["tdp_w"] for row in catalogue.table("hardware")}

    def predict(rate, deadline, device, network):
        system, sheet = DEVICES[device]
        row = rows.get((system, network))
        if row is None:
            return Unavailable(f"No round of MLPerf that the course reads has {network} on a {device}.")
        each = [_in_time(row, deadline, scale) for scale in (1, 1 + BAND, 1 - BAND)]
        if not each[0]:
            return Unavailable(f"One picture alone takes {quantity(row['single_latency_s'], 's')} here: more than the "
                               f"deadline of {quantity(deadline, 's')}, whether 1 or {rate:,} are asked for.")
        many, least, most = (math.ceil(rate / one) if one else None for one in each)
        devices = "1 device" if many == 1 else f"{many:,} devices"
        note = f"{devices}, each up to {quantity(each[0], '/s')} in time. Rated power; the computers around it on top."
        if most is None:
            note += " If it is a quarter slower than published, no number of them will do."
        low, value, high = (count * watts[sheet] for count in (least, many, most or many))
        return Outcome(value, "W", low=low, high=high, note=note)

    return Experiment(
        title="Watts for a load with a deadline",
        quantity="Rated power",
        unit="W",
        axes=[
            Axis("rate", "Pictures asked for", RATES, start=1000, unit="pictures/s", log=True),
            Axis("deadline", "Deadline of an answer", DEADLINES, start=0.015, unit="s", log=True),
            Axis("device", "Device", tuple(DEVICES)),
            Axis("network", "Network", tuple(LIMITS)),
        ],
        predict=predict,
        readout="For {rate} of {network}, each within {deadline}, it takes {value} of {device}.",
    )


def published(served: dict[str, str] = DIRECT) -> PublishedComparison:
    """Return MLPerf's server results for each accelerator beside the prediction from its latency and its best rate."""
    cards = catalogue.by_name("mlperf-inference")
    results = catalogue.by_name("mlperf-server")

    def predict(system):
        row = cards[served[system]]
        return Outcome(_in_time(row, LIMITS[row["model"]], 1), "/s")

    def figure(system):
        row = results[system]
        each = row["server_samples_per_s"] / row["accelerators"]
        return Published({"system": system}, each, system, row["source"])

    return compare_published(Experiment(
        title="Answers in time", quantity="Rate", unit="/s", axes=[Axis("system", "System", tuple(served))],
        predict=predict, readout="Each accelerator of {system} answers {value} in time.",
        published=map(figure, served)))


def _in_time(row: dict, deadline: float, scale: float) -> float:
    """Return the pictures a second that a device answers in time, if everything took `1 / scale` times as long."""
    return predicted.shared(row["single_latency_s"] / scale, row["samples_per_s"] * scale, deadline) / deadline
