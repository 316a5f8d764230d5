"""The tables of Lab 4.5, and the numbers that it states of them."""

from __future__ import annotations

from collections.abc import Sequence

from labkit import catalogue
from labkit.display import TextTable, written
from labkit.experiment import Outcome, Point, Unavailable, compare_published
from labkit.fpga import toolchain
from labkit.labs.an_fpga_at_the_edge import experiments as lab
from labkit.labs.an_fpga_at_the_edge.measuring import Bench, Trained
from labkit.labs.common import Tail
from labkit.predict import fpga
from labkit.specs import network
from labkit.specs.fpga import PARTS
from labkit.units import percent, quantity

PERCENTILES = (50, 99, 99.9)
LARGEST = "ECP5-85"


def accuracy(trained: Trained) -> TextTable:
    """Return how often the network is right in floats and in whole numbers."""
    return TextTable(["numbers", "right"], [["floats of 32 bits", percent(trained.right)],
                                            ["whole numbers of 8 bits", percent(trained.whole_right)]])


def placed(bench: Bench, point: Point) -> TextTable:
    """Return what a circuit takes as predicted, as it was placed here just now, and as the project recorded it."""
    rows, cycles = [], sum(fpga.cycles(lab.circuit(point["side"], point["hidden"], point["lanes"])).values())
    for kind, name in lab.NAMES.items():
        experiment = lab.use(kind, bench)
        known = lab.recorded_at(kind, point)
        columns = (experiment.predict(**point), experiment.measure(**point),
                   Outcome(known, lab.USES[kind]) if known else None)
        rows.append([name, *(written(outcome) if outcome else "not placed" for outcome in columns)])
        if kind == "clock":
            rates = (f"{outcome.value / cycles:,.0f}" if outcome else "" for outcome in columns)
            rows.append(["Pictures a second", *rates])
    return TextTable(["", "predicted", "placed here", "placed by the project"], rows)


def tools() -> str:
    """Return which tools place circuits here, and whether they are those of the record, in a sentence."""
    here, then = toolchain.versions(), lab.recorded("clock")[0].source
    if reason := toolchain.missing():
        return f"{reason} The circuits below were placed by {then}."
    named = ", ".join(f"{name} {version}" for name, version in here.items())
    if then.endswith(named):
        return f"The tools here are those of the record: {named}."
    return f"The tools here are {named}. The record was made by {then}: cells and clock may differ."


def errors(bench: Bench) -> TextTable:
    """Return how far the predictions are off from what the project placed, where nothing was fitted."""
    found = {name: compare_published(lab.use(kind, bench)) for kind, name in lab.NAMES.items()}
    found["An answer's time"] = compare_published(lab.answer())
    return TextTable(["", "circuits", "median error", "nine in ten within"], [
        [name, str(len(one.rows)), percent(one.median_error), percent(one.p90_error)] for name, one in found.items()])


def fits(points: Sequence[Point]) -> TextTable:
    """Return which of some circuits fit which part, and what is lacking."""
    rows = []
    for point in points:
        one = lab.circuit(**point)
        lacks = [fpga.too_large(one, part) or "fits" for part in PARTS.values()]
        side, hidden, lanes = (point[name] for name in ("side", "hidden", "lanes"))
        rows.append([f"{side} × {side} pixels, {hidden} neurons, {lanes} lanes", *lacks])
    return TextTable(["circuit", *PARTS], rows)


def percentiles(answers: Tail, circuit: Outcome) -> TextTable:
    """Return the percentiles of the CPU's answers beside the one time of a circuit."""
    return TextTable(["", "this machine's CPU", "the circuit"], [
        [f"p{percentile:g}", written(answers.at(percentile)), written(circuit)] for percentile in PERCENTILES])


def late_share(answers: Tail, times: float = 2.0) -> float:
    """Return the share of the CPU's answers in % that take more than some times the median."""
    median = answers.at(50).value
    return 100 * sum(seconds > times * median for seconds in answers.seconds) / len(answers.seconds)


def fleet(answers: Tail, cameras: int = 1_000, rate: float = 30.0) -> TextTable:
    """Return how many late answers many cameras get a second, from this CPU's tail and from a circuit."""
    share = late_share(answers)
    head = f"{cameras:,} cameras, {rate:g} pictures a second each"
    return TextTable([head, "a CPU like this each", "a circuit each"], [
        ["answers a second", f"{cameras * rate:,.0f}", f"{cameras * rate:,.0f}"],
        ["of them later than twice the median", f"{cameras * rate * share / 100:,.0f}", "0"]])


def boards() -> TextTable:
    """Return some networks: whether their weights fit the largest part, the least time there, and a GPU board's."""
    part = PARTS[LARGEST]
    rate = 2 * part.multipliers / fpga.PERIOD  # operations a second: a product and a sum of each lane in each cycle
    orin = catalogue.by_name("mlperf-inference")["Orin_TRT (NVIDIA), ResNet-50"]["single_latency_s"]
    small = lab.circuit(lab.SIDE, lab.HIDDEN, lab.HERE["lanes"])
    networks = {
        "this lab's": (small.hidden * (small.inputs + 1) + small.classes * (small.hidden + 1), None, ""),
        "the cat network, 16 wide": (network.parameters(network.cats(16)), network.forward_flop(network.cats(16)), ""),
        "the cat network, 64 wide": (network.parameters(network.cats(64)), network.forward_flop(network.cats(64)), ""),
        "ResNet-50": (network.RESNET_50_PARAMETERS, network.RESNET_50_FLOP, f"{quantity(orin, 's')}, published"),
    }
    rows = []
    for name, (weights, operations, board) in networks.items():
        room = part.blocks * fpga.BLOCK_BITS / 8
        fit = "fit" if weights <= room else f"{weights / room:.0f} times the room"
        least = quantity((operations or 2 * weights) / rate, "s")
        rows.append([name, quantity(weights, "B"), fit, least, board])
    return TextTable(["network", "weights of 8 bits", f"in the {LARGEST}", "least time there", "Jetson AGX Orin"], rows)


def times(ratio: Outcome | Unavailable) -> str:
    """Return a ratio as the page on E3 shows it, or why there is none."""
    return f"{ratio.value:.1f} times" if ratio else ratio.reason

