"""Places the circuits of Lab 4.5 and writes what they use, with the tools' versions: data/measured/fpga-placements.csv.

    python tools/place.py [how many seconds]

Takes some twenty minutes in all. Circuits that the table has, placed by the same tools, are not placed again, so that
it can be run in turns.
"""

from __future__ import annotations

import csv
import sys
from time import monotonic

from labkit import cache
from labkit.data import data_folder, read_csv
from labkit.fpga import toolchain
from labkit.fpga.classifier import Classifier
from labkit.fpga.simulation import text
from labkit.models.networks.whole_numbers import drawn
from labkit.specs.fpga import CLASSES

TABLE = data_folder() / "measured" / "fpga-placements.csv"
COLUMNS = ("name", "part", "inputs", "hidden", "lanes", "seed", "cells", "registers", "multipliers", "blocks",
           "clock_hz", "source")
CIRCUITS = [  # inputs, hidden neurons, lanes, part, and seeds of nextpnr; the largest last
    *((192, 16, lanes, part, (1,)) for part in ("ECP5-25", "ECP5-85", "ECP5-45") for lanes in (1, 4, 16)),
    *((192, 64, lanes, "ECP5-25", (1,)) for lanes in (1, 2, 4, 8, 16)),
    (192, 64, 4, "ECP5-25", (2, 3)), (192, 64, 16, "ECP5-25", (2, 3)),
    *((192, 64, lanes, "ECP5-45", (1,)) for lanes in (4, 16, 32)),
    (768, 64, 4, "ECP5-25", (1,)), (192, 64, 4, "ECP5-85", (1,)), (192, 128, 8, "ECP5-25", (1,)),
    (3072, 16, 4, "ECP5-45", (1,)), (768, 64, 16, "ECP5-25", (1,)), (192, 64, 64, "ECP5-45", (1,)),
    (3072, 64, 16, "ECP5-45", (1,)), (192, 64, 64, "ECP5-85", (1,)),
]


def main(seconds: float) -> None:
    """Place what the table lacks, for some seconds, and write it after each."""
    source = "tools/place.py with " + ", ".join(f"{name} {version}" for name, version in toolchain.versions().items())
    rows = [row for row in (read_csv(TABLE) if TABLE.exists() else []) if row["source"] == source]
    begin = monotonic()
    for inputs, hidden, lanes, part, seeds in CIRCUITS:
        for seed in seeds:
            name = f"{inputs} inputs, {hidden} hidden, {lanes} lanes, {part}, seed {seed}"
            if any(row["name"] == name for row in rows) or monotonic() - begin > seconds:
                continue
            layers = drawn((hidden, inputs), (CLASSES, hidden))  # what they say fills memories alone
            placed = toolchain.place(text(Classifier(layers, lanes)), part, seed=seed, limit=900)
            print(name, placed, flush=True)
            if placed:
                rows.append(dict(zip(COLUMNS, (
                    name, part, inputs, hidden, lanes, seed, placed.cells, placed.registers, placed.multipliers,
                    placed.blocks, f"{placed.clock:.0f}", source), strict=True)))
                write(rows)


def write(rows: list[dict]) -> None:
    """Write the table."""
    def into(path):
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    cache.write_atomically(TABLE, into)


if __name__ == "__main__":
    main(float(sys.argv[1]) if sys.argv[1:] else 3600)
