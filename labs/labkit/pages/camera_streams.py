"""How many camera streams one device serves in time, for devices that others measured: a prediction without a lab."""

from __future__ import annotations

from labkit import catalogue
from labkit.experiment import Axis, Experiment, Outcome, Published, PublishedComparison, Unavailable, compare_published
from labkit.predict import streams as predicted
from labkit.units import quantity

# What a device is called here; its system in data/mlperf-inference.csv; its row in data/hardware.csv, if it has one.
DEVICES = {
    "Jetson Orin NX": ("Orin_NX_TRT", "NVIDIA Jetson Orin NX 16GB"),
    "Jetson AGX Orin, saving power": ("Orin_TRT_MaxQ", None),
    "Jetson AGX Orin": ("Orin_TRT", None),
    "Cloud AI 100 (DM.2e)": ("heimdall-qaic-v1.8.3.7-aic100", None),
    "L4": ("L4x1_TRT", "NVIDIA L4"),
    "desktop CPU": ("GATEOverflow_AMD_AM5-reference-cpu-onnxruntime_v1.22.1-default_config", None),
}
RESNET, RETINANET = "ResNet-50", "RetinaNet"
WEIGHTS = {RESNET: 25.6e6, RETINANET: 38e6}  # int8: a byte for each parameter (MLPerf's reference files, fp32 by four)
ONE, OWN = "one for all", "one for each stream"
RATES = (1, 2, 5, 10, 15, 30, 60)
DEADLINES = (0.01, 0.02, 0.033, 0.05, 0.1, 0.2, 0.5, 1.0)
BAND = 0.25  # nine predictions in ten of MLPerf's multi-stream results are within it: held by a test


def count() -> Experiment:
    """Return the experiment on the number of streams, each of so many pictures a second, that a device serves."""
    rows = _rows()

    def predict(rate, deadline, device, network, weights):
        system, sheet = DEVICES[device]
        row = rows.get((system, network))
        if row is None:
            return Unavailable(f"No round of MLPerf that the course reads has {network} on a {device}.")
        limit = min(deadline, 1 / rate)
        memory = catalogue.machine(sheet).memory if sheet else None
        value, low, high = (_streams(row, limit, weights, scale) for scale in (1, 1 / (1 - BAND), 1 / (1 + BAND)))
        room = predicted.held(memory, WEIGHTS[network]) if memory and weights == OWN else None
        if value == 0:
            return Unavailable(f"One picture alone takes {quantity(row['single_latency_s'], 's')} here: more than the "
                               f"{quantity(limit, 's')} that it may take, with a deadline of {quantity(deadline, 's')} "
                               f"and the next picture after {quantity(1 / rate, 's')}.")
        if room is not None and room < value:
            note = f"Memory binds: {quantity(memory, 'B')} hold that many copies of the weights, in 8 bits."
            return Outcome(room, "streams", low=min(low, room), high=room, note=note)
        binds = "The next picture binds" if 1 / rate < deadline else "The deadline binds"
        return Outcome(value, "streams", low=low, high=high, note=f"{binds}: {quantity(limit, 's')} for each picture.")

    return Experiment(
        title="Streams that one device serves",
        quantity="Streams",
        unit="streams",
        axes=[
            Axis("rate", "Rate of each stream", RATES, start=10, unit="pictures/s", log=True),
            Axis("deadline", "Deadline of an answer", DEADLINES, start=0.1, unit="s", log=True),
            Axis("device", "Device", tuple(DEVICES), start="Jetson Orin NX"),
            Axis("network", "Network", tuple(WEIGHTS)),
            Axis("weights", "Weights", (ONE, OWN)),
        ],
        predict=predict,
        readout="The {device} serves {value} of {rate} with {network}, weights {weights}, each within {deadline}.",
    )


def published() -> PublishedComparison:
    """Return MLPerf's multi-stream results, eight samples at once, beside the prediction from the other scenarios."""
    systems = {row["name"]: row for row in catalogue.table("mlperf-inference") if row["multi_latency_s"]}

    def predict(system):
        row = systems[system]
        return Outcome(predicted.batch_seconds(row["single_latency_s"], row["samples_per_s"], 8), "s")

    return compare_published(Experiment(
        title="Eight samples at once", quantity="Latency", unit="s", axes=[Axis("system", "System", tuple(systems))],
        predict=predict, readout="On {system}, eight samples take {value}.",
        published=[Published({"system": name}, row["multi_latency_s"], name, row["source"])
                   for name, row in systems.items()]))


def _rows() -> dict:
    return {(row["system"], row["model"]): row for row in catalogue.table("mlperf-inference") if row["samples_per_s"]}


def _streams(row: dict, limit: float, weights: str, scale: float) -> int:
    latency, rate = row["single_latency_s"] * scale, row["samples_per_s"] / scale
    return predicted.shared(latency, rate, limit) if weights == ONE else predicted.separate(latency, limit)
