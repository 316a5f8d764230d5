"""Weights on each rung of the ladder, and the wait that follows for each answer: a prediction from data sheets."""

from __future__ import annotations

from labkit import catalogue
from labkit.experiment import Axis, Experiment, Outcome
from labkit.predict import rungs as predicted

# What a rung is called here, and its table and row in the catalogue.
RUNGS = {
    "memory, AGX Orin": ("hardware", "NVIDIA Jetson AGX Orin 64GB"),
    "memory, Jetson Nano": ("hardware", "NVIDIA Jetson Nano 4GB"),
    "USB 3": ("links", "USB 3.0 to a Coral Edge TPU"),
    "PCIe 2, one lane": ("links", "PCIe 2 x1"),
    "solid-state drive": ("storage", "Samsung 980 PRO 2 TB, read, files of 1 GiB"),
    "InfiniBand HDR": ("links", "InfiniBand HDR 4x"),
    "10 Gbit Ethernet": ("links", "10 GbE"),
    "1 Gbit Ethernet": ("links", "1 GbE"),
}
SIZES = tuple(2**k for k in range(16, 35))  # 64 KiB to 16 GiB
ANSWERS = tuple(2**k for k in range(9))
REACHED = 0.88  # of what is promised: what the two measured links of the catalogue reached, held by a test


def speed(rung: str) -> tuple[float, float]:
    """Return the bandwidth in bytes/s of a rung, and the seconds before its first byte: 0 where no source tells."""
    table, name = RUNGS[rung]
    row = next(row for row in catalogue.table(table) if row["name"] == name)
    return row["memory_bytes_per_s" if table == "hardware" else "bytes_per_s"], row.get("latency_s") or 0.0


def wait() -> Experiment:
    """Return the experiment on the least time that each answer waits for its weights."""

    def predict(size, answers, rung):
        parts = predicted.waiting(size, *speed(rung), answers)
        value = sum(parts.values())
        return Outcome(value, "s", high=value / REACHED, parts=parts,
                       note="A floor: by what is promised of the rung. Arithmetic comes on top, or beside it.")

    return Experiment(
        title="Waiting for the weights",
        quantity="Wait for each answer",
        unit="s",
        axes=[
            Axis("size", "Weights", SIZES, start=2**25, unit="B", log=True),
            Axis("answers", "Answers worked out together", ANSWERS, unit="answers", log=True),
            Axis("rung", "Where the weights lie", tuple(RUNGS)),
        ],
        predict=predict,
        readout="{size} of weights from {rung} take {value} for each answer, with {answers} together.",
    )
