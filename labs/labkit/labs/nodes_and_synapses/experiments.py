"""How long a network of dense layers takes, predicted from ever more knowledge of the machine, and measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labkit import catalogue
from labkit.display import TextTable, written
from labkit.experiment import Axis, Comparison, Experiment, Outcome, Point, Row, Unavailable
from labkit.labs.common import banded, measured, memory_bandwidth, product_rates
from labkit.machine import Machine
from labkit.predict import layers as predicted
from labkit.specs import network
from labkit.units import percent, quantity

WIDTHS = (64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
DEPTHS = (1, 2, 4, 8, 16, 32)
BATCHES = tuple(2**k for k in range(10))
COMPUTERS = tuple(2**k for k in range(7))
TWO, CACHES, ALONE, SHEET = "two numbers", "sizes, caches, starts", "layers timed alone", "the H100's datasheet"
MODELS = (TWO, CACHES, ALONE, SHEET)
HERE = (TWO, CACHES, ALONE)  # those that are about this machine; the band is that of the last
H100 = "NVIDIA H100 SXM"
_NOTES = {
    TWO: "Caches and the cost of starting an operation are left out.",
    CACHES: "Square products and plain reads stand in for layers.",
    SHEET: "By two numbers of the datasheet: starting the operations comes on top.",
}


def time(machine: Machine, budget: float = 0.3) -> Experiment:
    """Return the experiment on the time of one inference of a network of equal dense layers.

    Args:
        machine: this machine, with what its lab's probes find on it.
        budget: seconds to spend on measuring a point.

    Raises:
        ValueError: a machine that lacks one of them, such as one of the catalogue.
    """
    products, read = machine.calibration("products").curve("fp32"), machine.calibration("memory").curve("read")
    flops, bandwidth = peak_and_bandwidth(machine)
    calibration, sheet = machine.calibration("layers"), catalogue.machine(H100)

    def predict(width, depth, batch, model):
        layers = network.deep(width, depth)
        if model == ALONE:
            return banded(predicted.alone(width, depth, batch, calibration), widening=calibration.widening)
        parts = {
            TWO: lambda: predicted.datasheet(layers, batch, flops, bandwidth),
            CACHES: lambda: predicted.caches(layers, batch, products, read),
            SHEET: lambda: predicted.datasheet(layers, batch, sheet.flops, sheet.bandwidth),
        }[model]()
        return Outcome(sum(parts.values()), "s", parts=parts, note=_NOTES[model])

    def measure(width, depth, batch, model):
        if model == SHEET:
            return Unavailable("The H100 is only predicted here, from its data sheet.")
        return _measured(machine, width, depth, batch, budget)

    return Experiment(
        title="One inference of a network of dense layers",
        quantity="Time",
        unit="s",
        axes=[
            Axis("batch", "Batch size", BATCHES, start=64, unit="examples", log=True),
            Axis("width", "Neurons in a layer", WIDTHS, start=768, log=True),
            Axis("depth", "Layers", DEPTHS, start=8, log=True),
            Axis("model", "Predicted from", MODELS, start=ALONE),
        ],
        predict=predict,
        measure=measure,
        readout="Predicted from {model}: {depth} layers of {width} neurons take {value} for {batch}.",
    )


def shared(machine: Machine, budget: float = 0.3) -> Experiment:
    """Return the experiment on a batch that several computers share, each with the whole network.

    All are like this machine. It plays one of them: what is measured is the time of its share. Nothing travels.
    """
    calibration = machine.calibration("layers")
    batch, depth = BATCHES[-1], 4

    def predict(width, computers):
        parts = predicted.alone(width, depth, batch // computers, calibration)
        return banded(parts, widening=calibration.widening)

    def measure(width, computers):
        return _measured(machine, width, depth, batch // computers, budget)

    return Experiment(
        title=f"A batch of {batch} examples, {depth} layers, and computers that share it",
        quantity="Time until all have answered",
        unit="s",
        axes=[
            Axis("computers", "Computers", COMPUTERS, unit="computers", log=True),
            Axis("width", "Neurons in a layer", WIDTHS, start=512, log=True),
        ],
        predict=predict,
        measure=measure,
        readout="Shared by {computers}, the batch takes {value} in layers of {width} neurons. Links cost extra.",
    )


def by_model(comparison: Comparison) -> dict[str, Comparison]:
    """Return the comparison of `time` with the predictions of each model of this machine in turn.

    Args:
        comparison: of any of them; the measurements stay as they are.
    """
    experiment, found = comparison.experiment, {}
    for model in HERE:
        points = [{**row.point, "model": model} for row in comparison.rows]
        rows = zip(points, comparison.rows, strict=True)
        found[model] = Comparison(experiment, tuple(
            Row(point, experiment.predict(**point), row.measured) for point, row in rows))
    return found


def reached(comparison: Comparison) -> dict[str, list[tuple[float, float]]]:
    """Return, by width, the operations for each byte (FLOP/byte) and the rate (FLOP/s) of every measured network."""
    found = {}
    for row in filter(lambda row: row.measured, comparison.rows):
        layers, batch = network.deep(row.point["width"], row.point["depth"]), row.point["batch"]
        flop = network.forward_flop(layers, batch)
        group = found.setdefault(f"{row.point['width']:,} neurons in a layer", [])
        group.append((flop / network.bytes_moved(layers, batch), flop / row.measured.value))
    return found


def peak_and_bandwidth(machine: Machine) -> tuple[float, float]:
    """Return the two numbers: the best rate of products in 32 bit in FLOP/s, and memory's bandwidth in bytes/s."""
    return product_rates(machine)["fp32"], memory_bandwidth(machine)


def errors_table(models: Mapping[str, Comparison]) -> TextTable:
    """Return how far each model is off: at today's speed of the machine, for nine points in ten, and plainly."""
    heads = ["predicted from", "off in the median", "nine points in ten", "without today's speed"]
    return TextTable(heads, [[name, *(map(percent, (each.median_error, each.p90_error, each.plain_median_error))
                                      if each.errors else [str(each), "", ""])] for name, each in models.items()])


def counted(machine_counts: Mapping[str, Mapping[str, int]]) -> TextTable:
    """Return the framework's counts of some networks, by name, as a table."""
    heads = ["", "parameters", "operations", "in training", "bytes moved", "bytes saved"]
    return TextTable(heads, [[name, *(f"{each[what]:,}" for what in (
        "parameters", "operations", "operations in training")), *(quantity(each[what], "B") for what in (
            "bytes moved", "bytes saved"))] for name, each in machine_counts.items()])


def changes_table(changes: Mapping[str, Sequence[Outcome | Unavailable]]) -> TextTable:
    """Return how many times as long each change makes it, by the model and measured."""
    return TextTable(["change", "by the model", "measured"],
                     [[name, *map(written, pair)] for name, pair in changes.items()])


def validation(machine: Machine) -> list[tuple[Experiment, list[Point]]]:
    """Return the experiment with the points that `labkit validate` measures.

    None was calibrated: the widths lie between those of the calibration, the batches too where they are above 1, and
    single layers are left out.
    """
    points = [(96, 8, 4), (96, 32, 4), (96, 4, 64), (96, 16, 256), (192, 8, 1), (192, 2, 4), (192, 16, 4),
              (192, 4, 64), (192, 32, 256), (384, 16, 1), (384, 32, 1), (384, 4, 4), (384, 8, 64), (384, 16, 64),
              (384, 2, 256), (768, 2, 1), (768, 8, 1), (768, 16, 4), (768, 4, 64), (768, 8, 64), (768, 4, 256),
              (1536, 2, 1), (1536, 4, 4), (1536, 2, 64), (1536, 4, 64), (1536, 2, 256)]
    return [(time(machine), [dict(zip(("width", "depth", "batch"), point, strict=True)) | {"model": ALONE}
                             for point in points])]


def _measured(machine, width, depth, batch, budget) -> Outcome | Unavailable:
    from labkit.measure.probes import layers as measure

    needed = network.working_set(network.deep(width, depth), batch)
    if needed > machine.memory / 2:
        return Unavailable(f"This network needs {quantity(needed, 'B')}, more than half of the "
                           f"{quantity(machine.memory, 'B')} here: choose fewer layers or neurons.")
    reference = machine.calibration("layers").reference_seconds
    return measured(*measure.seconds(width, depth, batch, reference_seconds=reference, budget=budget))
