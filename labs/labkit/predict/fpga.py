"""What the circuit of Lab 4.5 takes, predicted from its design.

Cycles, multipliers and memories are counted. Cells and the clock have five constants, which fit three circuits of
data/measured/fpga-placements.csv (`FITTED`); its other rows test them.
"""

from __future__ import annotations

import math

from labkit.specs.fpga import SETTLE, STAGES, Circuit, Part

BLOCK_BITS = 18_432  # of a memory, and the words and bits of its shapes (Lattice FPGA-DS-02012, ECP5 family)
SHAPES = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16_384, 1))
_IN_A_ROW = 32  # bits of whole bytes in a row of the widest shape

# With nextpnr's seed 1, on these parts.
FITTED = {Circuit(192, 64, 2): "ECP5-25", Circuit(192, 64, 16): "ECP5-25", Circuit(192, 64, 32): "ECP5-45"}
BASE_CELLS, LANE_CELLS = 255, 75.9  # what steps, rounds and compares; and a lane
NEAR = 16  # lanes that lie close together
PERIOD = 8.0e-9  # s of the slowest path among them
CHOICE, WIRE = 0.838e-9, 0.1065e-9  # s more for each choice between two words, and for each lane that lies further away



def cycles(circuit: Circuit) -> dict[str, int]:
    """Return the cycles from a picture's first byte to the answer, by what they are for."""
    (groups, inputs), (last_groups, hidden) = circuit.layers
    last_outputs = circuit.classes - (last_groups - 1) * circuit.lanes
    return {"picture in": circuit.inputs, "first layer": groups * inputs + SETTLE,
            "last layer": last_groups * hidden + STAGES + last_outputs}


def blocks(circuit: Circuit) -> int:
    """Return the memories of 18 Kibit, for weights and for activations."""
    values = sum(inputs for _, inputs in circuit.layers)
    return _weights(circuit)[0] + math.ceil(values / 2048)  # bytes lie in the shape of 9 bits


def cells(circuit: Circuit) -> float:
    """Return the cells: a choice between two bits takes one."""
    choices = 8 * circuit.lanes * (_weights(circuit)[1] - 1)
    return BASE_CELLS + LANE_CELLS * circuit.lanes + choices


def clock(circuit: Circuit) -> float:
    """Return the clock in Hz: choosing among memories, or the way to the furthest lane, lengthens the slowest path."""
    choices, wires = CHOICE * math.log2(_weights(circuit)[1]), WIRE * max(circuit.lanes - NEAR, 0)
    return 1 / (PERIOD + max(choices, wires))


def _weights(circuit: Circuit) -> tuple[int, int]:
    """Return the memories of weights, and among how many words of theirs each word that is read is chosen.

    Yosys takes the shape that needs the fewest memories, and of several the deepest. Words of two bytes or less can
    also share wide rows to the last bit.
    """
    width = 8 * circuit.lanes
    found = [(math.ceil(width / bits) * math.ceil(circuit.words / deep), math.ceil(circuit.words / deep))
             for deep, bits in SHAPES]
    if width <= _IN_A_ROW // 2:
        packed = math.ceil(circuit.words * width / BLOCK_BITS)
        found.append((packed, packed * _IN_A_ROW // width))
    return min(found)


def needs(circuit: Circuit) -> dict[str, float]:
    """Return how many of each thing of a `Part` a circuit takes."""
    return {"cells": cells(circuit), "multipliers": circuit.lanes, "blocks": blocks(circuit)}


def too_large(circuit: Circuit, part: Part) -> str:
    """Return what a part lacks for a circuit, and how much of it, in words, or `""`."""
    names = {"cells": "cells", "multipliers": "multipliers", "blocks": "memories of 18 Kibit"}
    lacks = [f"{need:,.0f} {names[kind]} where there are {getattr(part, kind):,}"
             for kind, need in needs(circuit).items() if need > getattr(part, kind)]
    return " and ".join(lacks)
