"""What storage and network must bring so that accelerators do not wait, beside MLPerf Storage's measurements."""

from __future__ import annotations

from dataclasses import dataclass

from labkit import catalogue
from labkit.display import TextTable
from labkit.experiment import Axis, Experiment, Outcome, Published, PublishedComparison, compare_published
from labkit.loading import formats
from labkit.loading.samples import MIXED
from labkit.predict import input_pipeline
from labkit.units import quantity


@dataclass(frozen=True)
class Workload:
    """What an accelerator reads.

    Args:
        size: mean bytes of a sample.
        batch: samples in a step.
        seconds: of a step if nothing is waited for, by accelerator.
        busy: the share of its time that the benchmark wants the accelerator to be busy.
    """

    size: float
    batch: int
    seconds: dict[str, float]
    busy: float

    def rate(self, accelerator: str) -> float:
        """Return the samples a second that an accelerator takes if it never waits."""
        return self.batch / self.seconds[accelerator]


H100, A100, V100 = "NVIDIA H100", "NVIDIA A100", "NVIDIA V100"
# The settings of MLPerf Storage v1.0, whose accelerators are emulated by pauses of that length:
# https://github.com/mlcommons/storage (configs/dlio/workload: record_length_bytes, batch_size, computation_time, au)
WORKLOADS = {
    "unet3d": Workload(146_600_628, 7, {H100: 0.323, A100: 0.636}, 0.9),
    "cosmoflow": Workload(2_828_486, 1, {H100: 0.00350, A100: 0.00551}, 0.7),
    "resnet50": Workload(114_660.07, 400, {H100: 0.224, A100: 0.435}, 0.9),
}
BERT = Workload(2500, 48, {V100: 0.968}, 1.0)  # the same repository, dlio_benchmark/configs/workload/bert_v100.yaml
# The same by what is read. An H100 is taken to be as fast with the lab's mixed samples as with photographs.
LOADS = {
    "scans": (WORKLOADS["unet3d"], H100),
    "universes": (WORKLOADS["cosmoflow"], H100),
    "photographs": (WORKLOADS["resnet50"], H100),
    MIXED: (Workload(formats.size(formats.SHARDS, MIXED), 400, {H100: 0.224}, 0.9), H100),
    "text": (BERT, V100),
}

EACH = 8  # accelerators in a node
NODES = tuple(2**k for k in range(11))
LINKS = (10, 100, 200, 400)  # Gbit/s of a node, for reading
ACCELERATORS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
SIZES = (2.5, 115, 2830, 146_600)  # kB: of BERT, ResNet-50, CosmoFlow and 3D U-Net
RATES = (20, 50, 300, 2000)
CACHED = (0, 35, 65, 90, 100)  # %
HELD = (0, 35, 65, 90)  # % of the samples in memory, for a whole cluster
STORAGE = (1, 3, 10, 30, 100, 300, 1000)  # GB/s
REACHED = 0.9  # of the pace that the formula promises: MLPerf's rule for pictures, which its results keep


def rate() -> Experiment:
    """Return the experiment on the samples a second that a cluster trains on, and what binds."""

    def predict(accelerators, size, each, cached, storage):
        size, share = size * 1e3, cached / 100
        stages = {"storage": input_pipeline.fetching(storage * 1e9, size, share), "compute": accelerators * each}
        binds, value = input_pipeline.bottleneck(stages)
        wait = 100 * input_pipeline.stalled(stages)
        asked = quantity(input_pipeline.needed(accelerators * each, size, share), "B/s") if cached < 100 else "nothing"
        if binds == "storage":
            note = f"Storage binds: the accelerators wait for {quantity(wait, '%')} of the time, and ask for {asked}."
        else:
            note = f"The accelerators bind, and ask storage for {asked}."
        return Outcome(value, "samples/s", low=REACHED * value, note=note)

    return Experiment(
        title="Samples a second, fed from storage",
        quantity="Samples a second",
        unit="samples/s",
        axes=[
            Axis("accelerators", "Accelerators", ACCELERATORS, start=32, unit="accelerators", log=True),
            Axis("size", "A sample", SIZES, start=115, unit="kB", log=True),
            Axis("each", "An accelerator takes", RATES, start=2000, unit="samples/s", log=True),
            Axis("cached", "Samples that lie in memory", CACHED, unit="%"),
            Axis("storage", "Storage gives", STORAGE, start=10, unit="GB/s", log=True),
        ],
        predict=predict,
        readout="{accelerators} at {each} each, {size} a sample, {cached} of them in memory, and {storage} from "
                "storage: {value}.",
    )


def plan() -> Experiment:
    """Return the experiment on the samples a second of a cluster: what its storage, its links and its cards allow."""

    def predict(nodes, load, storage, link, cached):
        workload, card = LOADS[load]
        share, each = cached / 100, EACH * workload.rate(card)
        stages = {"Storage": input_pipeline.fetching(storage * 1e9, workload.size, share),
                  "The network": nodes * input_pipeline.fetching(link * 1e9 / 8, workload.size, share),
                  "compute": nodes * each}
        binds, value = input_pipeline.bottleneck(stages)
        wait = quantity(100 * input_pipeline.stalled(stages), "%")
        asked = input_pipeline.needed(each, workload.size, share)
        said = "No accelerator waits." if binds == "compute" else f"{binds} binds: accelerators wait for {wait}."
        note = f"{said} Each node asks for {quantity(asked, 'B/s')}, all for {quantity(nodes * asked, 'B/s')}."
        return Outcome(value, "samples/s", low=REACHED * value, note=note)

    return Experiment(
        title="Storage and network for nodes of eight accelerators",
        quantity="Samples a second",
        unit="samples/s",
        axes=[
            Axis("nodes", "Nodes", NODES, start=32, unit="nodes", log=True),
            Axis("load", "What is read", tuple(LOADS), start="photographs"),
            Axis("storage", "Storage gives", STORAGE, start=10, unit="GB/s", log=True),
            Axis("link", "Link of a node", LINKS, start=100, unit="Gbit/s", log=True),
            Axis("cached", "Samples in memory", HELD, unit="%"),
        ],
        predict=predict,
        readout="{nodes} read {load}, {cached} of them from memory, over {link} each, from {storage}: {value}.",
    )


def order(nodes: int) -> TextTable:
    """Return what so many nodes ask for by what they read, beside the nearest system that MLPerf Storage has seen."""
    rows = []
    for load, (workload, card) in LOADS.items():
        each = EACH * input_pipeline.needed(workload.rate(card), workload.size)
        rows.append([load, quantity(each, "B/s"), quantity(nodes * each, "B/s"), _nearest(workload, nodes)])
    return TextTable(["what is read", "a node asks for", f"{nodes} nodes ask for", "published, nearest in size"], rows)


def _nearest(workload: Workload, nodes: int) -> str:
    name = next((name for name, known in WORKLOADS.items() if known is workload), None)
    rows = [row for row in catalogue.table("mlperf-storage") if row["workload"] == name and row["accelerator"] == H100]
    if not rows:
        return "none"
    row = min(rows, key=lambda row: abs(row["accelerators"] - EACH * nodes))
    return (f"{row['submitter']}: {quantity(row['bytes_per_s'], 'B/s')} for {row['accelerators']:.0f} H100, busy for "
            f"{row['busy_percent']:.0f} %")


def stalls() -> TextTable:
    """Return for how much of their time published trainings waited for their input."""
    return TextTable(["training", "waited for", "stall"], [
        [row["name"], row["waited_for"], _span(100 - row["most_busy_percent"], 100 - row["least_busy_percent"])]
        for row in catalogue.table("stalls")])


def _span(low: float, high: float) -> str:
    return f"{low:g} %" if low == high else f"{low:g} to {high:g} %"


def published() -> PublishedComparison:
    """Return what MLPerf's storage systems gave beside what their accelerators ask for, waiting as long as allowed."""
    rows = {row["name"]: row for row in catalogue.table("mlperf-storage") if row["accelerator"]}

    def predict(system):
        row = rows[system]
        load = WORKLOADS[row["workload"]]
        each = load.rate(row["accelerator"])
        return Outcome(input_pipeline.needed(row["accelerators"] * each, load.size, stall=1 - load.busy), "B/s")

    return compare_published(Experiment(
        title="Bytes a second from storage", quantity="Bandwidth", unit="B/s",
        axes=[Axis("system", "System", tuple(rows))], predict=predict, readout="{system} gives {value}.",
        published=[Published({"system": name}, row["bytes_per_s"], name, row["source"])
                   for name, row in rows.items()]))
