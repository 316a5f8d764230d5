"""Weights on each rung of the ladder, and the wait that follows for each answer: a prediction from data sheets."""

from __future__ import annotations

from labkit import catalogue
from labkit.experiment import Axis, Experiment, Outcome
from labkit.predict import memory_ladder as predicted

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
