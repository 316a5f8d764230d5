"""The record of Lab 4.5 can be made again: the same tools place the same circuit alike."""

from __future__ import annotations

import pytest

from labkit.data import data_folder, read_csv
from labkit.fpga import toolchain
from labkit.fpga.classifier import Classifier
from labkit.fpga.simulation import text
from labkit.models.networks.whole_numbers import drawn

RECORD = read_csv(data_folder() / "measured" / "fpga-placements.csv")


def test_a_circuit_of_the_record_is_placed_as_it_was():
    if reason := toolchain.missing():
        pytest.skip(reason)
    row = next(row for row in RECORD if row["part"] == "ECP5-25" and row["lanes"] == "4" and row["seed"] == "1")
    if not all(f"{name} {version}" in row["source"] for name, version in toolchain.versions().items()):
        pytest.skip("The record was made by other versions of the tools.")
    layers = drawn((int(row["hidden"]), int(row["inputs"])), (3, int(row["hidden"])))
    placed = toolchain.place(text(Classifier(layers, 4)), "ECP5-25", limit=600)
    assert [placed.cells, placed.registers, placed.multipliers, placed.blocks] == [
        int(row[name]) for name in ("cells", "registers", "multipliers", "blocks")]
    assert placed.clock == pytest.approx(float(row["clock_hz"]), rel=0.1)
