"""A circuit in simulation, cycle by cycle, and as the text that tools read."""

from __future__ import annotations

import numpy as np
from amaranth.back import rtlil
from amaranth.sim import Simulator

from labkit.fpga.classifier import Classifier

_PERIOD = 10e-9  # s of a cycle: any will do, cycles are counted


def simulate(circuit: Classifier, pictures: np.ndarray) -> tuple[list[int], list[int]]:
    """Show pictures to a circuit; return its answer to each, and the cycles from its first byte on.

    Args:
        circuit: is not changed.
        pictures: int8 (n, inputs).
    """
    answers, cycles = [], []

    async def bench(ctx):
        for picture in pictures:
            count = 0
            ctx.set(circuit.valid, 1)
            for byte in picture.tolist():
                ctx.set(circuit.pixel, byte)
                await ctx.tick()
                count += 1
            ctx.set(circuit.valid, 0)
            while not ctx.get(circuit.done):
                await ctx.tick()
                count += 1
            answers.append(ctx.get(circuit.answer))
            cycles.append(count)
            await ctx.tick()

    simulator = Simulator(circuit)
    simulator.add_clock(_PERIOD)
    simulator.add_testbench(bench)
    simulator.run()
    return answers, cycles


def text(circuit: Classifier) -> str:
    """Return a circuit in RTLIL, yosys's own language."""
    return rtlil.convert(circuit, name="top", ports=[circuit.pixel, circuit.valid, circuit.ready, circuit.answer,
                                                     circuit.done])
