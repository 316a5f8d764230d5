"""Lab 4.3 with published numbers: weights on real rungs, real devices that ask each other, a board at two clocks."""

from __future__ import annotations

from labkit import catalogue
from labkit.display import TextTable
from labkit.experiment import Axis, Experiment, Outcome, Unavailable
from labkit.predict import boards
from labkit.predict import memory_ladder as predicted
from labkit.units import percent, quantity

# What a rung is called here, and its table and row in the catalogue.
RUNGS = {
    "memory, AGX Orin": ("hardware", "NVIDIA Jetson AGX Orin 64GB"),
    "memory, Jetson Nano": ("hardware", "NVIDIA Jetson Nano 4GB"),
    "InfiniBand HDR": ("links", "InfiniBand HDR 4x"),
    "solid-state drive": ("storage", "Samsung 980 PRO 2 TB, read, files of 1 GiB"),
    "PCIe 2, one lane": ("links", "PCIe 2 x1"),
    "1 Gbit Ethernet": ("links", "1 GbE"),
}
DRAWN = ("memory, AGX Orin", "InfiniBand HDR", "solid-state drive", "1 Gbit Ethernet")  # a chart has four colours
SIZES = tuple(2.0**k for k in range(-4, 15))  # MiB: 64 KiB to 16 GiB
ANSWERS = tuple(2**k for k in range(9))
REACHED = 0.88  # of what is promised: what the two measured links of the catalogue reached, held by a test

NEAR = {"Raspberry Pi 4": "rpi4-tflite-v2.11.0-ruy", "Jetson Orin NX": "Orin_NX_TRT", "Jetson AGX Orin": "Orin_TRT"}
FAR = "L4x1_TRT"
PICTURES = {"as ResNet-50 sees it": 224 * 224 * 3, "full HD": 1920 * 1080 * 3}  # bytes, uncompressed
ANSWER = 4 * 1000  # bytes: a score for each of ImageNet's classes
BITS = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 100_000)  # Mbit/s


def speed(rung: str) -> tuple[float, float]:
    """Return the bandwidth in bytes/s of a rung, and the seconds before its first byte: 0 where no source tells."""
    table, name = RUNGS[rung]
    row = catalogue.by_name(table)[name]
    return row["memory_bytes_per_s" if table == "hardware" else "bytes_per_s"], row.get("latency_s") or 0.0


def wait() -> Experiment:
    """Return the experiment on the least time that each answer waits for its weights."""

    def predict(size, answers, rung):
        parts = predicted.waiting(size * 2**20, *speed(rung), answers)
        value = sum(parts.values())
        return Outcome(value, "s", high=value / REACHED, parts=parts,
                       note="A floor: by what is promised of the rung. Arithmetic comes on top, or beside it.")

    return Experiment(
        title="Waiting for the weights",
        quantity="Wait for each answer",
        unit="s",
        axes=[
            Axis("size", "Weights", SIZES, start=32.0, unit="MiB", log=True),
            Axis("answers", "Answers worked out together", ANSWERS, unit="answers", log=True),
            Axis("rung", "Where the weights lie", DRAWN),
        ],
        predict=predict,
        readout="{size} of weights from {rung} take {value} for each answer, with {answers} together.",
    )


def latency(system: str) -> float:
    """Return the published seconds of one picture through ResNet-50 on a system of MLPerf Inference."""
    return next(row["single_latency_s"] for row in catalogue.table("mlperf-inference")
                if row["system"] == system and row["model"] == "ResNet-50")


def worth() -> Experiment:
    """Return the experiment on the longest round trip over which a device does better to ask an L4."""
    far = latency(FAR)

    def predict(rate, near, picture):
        trip = predicted.worth(latency(NEAR[near]), far, PICTURES[picture] + ANSWER, rate * 1e6 / 8)
        if trip <= 0:
            return Unavailable("Asking is slower, however short the way: the picture alone takes longer to send than "
                               "the device takes to answer.")
        return Outcome(trip, "s", note="By published medians of both; queues, losses and compression are left out.")

    return Experiment(
        title="Which devices do well to ask an L4",
        quantity="Worth it up to a round trip of",
        unit="s",
        axes=[
            Axis("rate", "Bandwidth of the link", BITS, start=100, unit="Mbit/s", log=True),
            Axis("near", "The device", tuple(NEAR)),
            Axis("picture", "A picture", tuple(PICTURES)),
        ],
        predict=predict,
        readout="{near}, a picture {picture}, over {rate}: asking an L4 is worth it up to a round trip of {value}.",
    )


def least_rate(near: str, picture: str = next(iter(PICTURES))) -> float:
    """Return the bit/s below which no round trip is short enough for a device of `NEAR` to ask an L4."""
    return 8 * (PICTURES[picture] + ANSWER) / (latency(NEAR[near]) - latency(FAR))


def clocks() -> dict[str, tuple[float, float, float]]:
    """Return, by network, a board's speed-up from its slow to its fast clock, its cycles, and the seconds that stay."""
    rows = catalogue.table("two-clocks")
    found = {}
    for task in dict.fromkeys(row["task"] for row in rows):
        slow, fast = sorted((row for row in rows if row["task"] == task), key=lambda row: row["clock_hz"])
        times = [(row["clock_hz"], 1 / row["samples_per_s"]) for row in (slow, fast)]
        found[task] = (times[0][1] / times[1][1], *boards.two_clocks(*times))
    return found


def clock_table() -> TextTable:
    """Return what a board at two clocks says of each network, beside the bytes of its weights."""
    fast = max(row["clock_hz"] for row in catalogue.table("two-clocks"))
    heads = ["network", "weights", "times as fast", "million cycles", "stays", "share at 1.6 GHz"]
    return TextTable(heads, [
        [task, quantity(boards.WEIGHTS[task], "B"), f"{times:.2f}", f"{cycles / 1e6:.2f}",
         quantity(rest, "s"), percent(rest / (rest + cycles / fast))]
        for task, (times, cycles, rest) in clocks().items()])
