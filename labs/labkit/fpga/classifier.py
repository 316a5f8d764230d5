"""A classifier in whole numbers as a circuit: some multipliers side by side, and every weight in memory on the chip.

Written in Amaranth. A *lane* is one multiplier with its accumulator. In each cycle all lanes read the same activation,
each with a weight of its own neuron: as many neurons as there are lanes are computed together, and are a *group*.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.memory import Memory, WritePort
from amaranth.lib.wiring import In, Out

from labkit.models.networks.whole_numbers import ONE, Layer
from labkit.specs.fpga import SETTLE, STAGES, Circuit

BLOCK = {"ram_style": "block"}  # yosys shall not build a memory out of cells


class Lane(wiring.Component):
    """One multiplier with its accumulator, and a register that hands finished sums on to the lane before.

    Args:
        bits: of the accumulator.
    """

    def __init__(self, bits: int):
        super().__init__({
            "activation": In(signed(8)), "weight": In(signed(8)),
            "first": In(1),  # the product is the first of its neuron
            "whole": In(1),  # the sum is whole: the register takes it
            "next": In(signed(bits)), "sum": Out(signed(bits)),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        weight, product, total = Signal(signed(8)), Signal(signed(16)), Signal.like(self.sum)
        m.d.sync += [
            weight.eq(self.weight),
            product.eq(self.activation * weight),
            total.eq(product + Mux(self.first, 0, total)),
            self.sum.eq(Mux(self.whole, total, self.next)),
        ]
        return m


class Classifier(wiring.Component):
    """Takes a picture, one byte a cycle while it is `ready`, and gives the class that it shows when it is `done`.

    Args:
        layers: a hidden layer and the last one, whose largest output is the answer.
        lanes: multipliers side by side.

    Raises:
        ValueError: lanes that do not suit the layers (`labkit.specs.fpga.Circuit`).
    """

    def __init__(self, layers: Sequence[Layer], lanes: int):
        self.hidden, self.last = layers
        neurons, inputs = self.hidden.weights.shape
        self.circuit = Circuit(inputs - 1, neurons, lanes, len(self.last.weights))
        super().__init__({"pixel": In(signed(8)), "valid": In(1), "ready": Out(1), "answer": Out(8), "done": Out(1)})

    def elaborate(self, platform) -> Module:
        m = Module()
        words, ones = self.words(), self.ones()
        m.submodules.weights = weights = Memory(shape=8 * self.circuit.lanes, depth=len(words), init=words, attrs=BLOCK)
        m.submodules.values = values = Memory(shape=signed(8), depth=len(ones), init=ones, attrs=BLOCK)
        weight, value, write = weights.read_port(), values.read_port(), values.write_port()

        first, last = self.schedule(m, weight.addr, value.addr)
        total = self.multiply(m, weight.data, value.data, first, last)
        self.finish(m, total, delayed(m, last, STAGES), write)
        with m.If(self.ready):  # a picture comes in
            m.d.sync += [write.en.eq(self.valid), write.addr.eq(value.addr), write.data.eq(self.pixel)]
        return m

    def schedule(self, m: Module, weight: Signal, value: Signal) -> tuple[Signal, Signal]:
        """Step through the addresses; return whether they are those of a neuron's first, and of its last input."""
        (groups, inputs), (last_groups, hidden) = self.circuit.layers
        second, group, place = Signal(), Signal(range(max(groups, last_groups))), Signal(range(max(inputs, hidden)))
        settled, first, last = Signal(range(SETTLE)), Signal(), Signal()
        with m.FSM():
            with m.State("load"):
                m.d.comb += self.ready.eq(1)
                m.d.sync += weight.eq(0)
                with m.If(self.valid):
                    m.d.sync += value.eq(value + 1)
                    with m.If(value == self.circuit.inputs - 1):
                        m.d.sync += value.eq(0)
                        m.next = "multiply"
            with m.State("multiply"):
                m.d.comb += [first.eq(place == 0), last.eq(place == Mux(second, hidden, inputs) - 1)]
                m.d.sync += [weight.eq(weight + 1), value.eq(value + 1), place.eq(place + 1)]
                with m.If(last):
                    m.d.sync += [place.eq(0), group.eq(group + 1), value.eq(Mux(second, inputs, 0))]
                    with m.If(group == Mux(second, last_groups, groups) - 1):
                        m.d.sync += [group.eq(0), second.eq(~second), value.eq(Mux(second, 0, inputs))]
                        m.next = "settle"
                        with m.If(second):
                            m.next = "answer"
            with m.State("settle"):  # until the first output of the hidden layer is in memory
                m.d.sync += settled.eq(settled + 1)
                with m.If(settled == SETTLE - 1):
                    m.d.sync += settled.eq(0)
                    m.next = "multiply"
            with m.State("answer"), m.If(self.done):
                m.next = "load"
        return first, last

    def multiply(self, m: Module, weights: Signal, value: Signal, first: Signal, last: Signal) -> Signal:
        """Let every lane multiply and add; return the sum of the first lane, the head of the chain."""
        lanes = [Lane(self.circuit.bits) for _ in range(self.circuit.lanes)]
        m.submodules += lanes
        activation, begins, ends = Signal(signed(8)), delayed(m, first, STAGES - 1), delayed(m, last, STAGES)
        m.d.sync += activation.eq(value)
        for place, lane in enumerate(lanes):
            m.d.comb += [lane.activation.eq(activation), lane.weight.eq(weights.word_select(place, 8)),
                         lane.first.eq(begins), lane.whole.eq(ends)]
        for lane, after in pairwise(lanes):
            m.d.comb += lane.next.eq(after.sum)
        return lanes[0].sum

    def finish(self, m: Module, total: Signal, whole: Signal, write: WritePort) -> None:
        """Take the sums of a group, one a cycle: round a hidden layer's into memory, find the largest of the last."""
        circuit, best = self.circuit, Signal.like(total)
        left, second = Signal(range(circuit.lanes + 1)), Signal()
        neuron = Signal(range(max(circuit.hidden, circuit.classes)))
        rounded = (total + (1 << self.hidden.shift >> 1)) >> self.hidden.shift
        m.d.sync += [
            write.en.eq((left > 0) & ~second),
            write.addr.eq(circuit.inputs + 1 + neuron),
            write.data.eq(Mux(rounded < 0, 0, Mux(rounded[7:].any(), ONE, rounded))),
            self.done.eq(0),
        ]
        with m.If(left > 0):
            m.d.sync += [left.eq(left - 1), neuron.eq(neuron + 1)]
            with m.If(second & ((neuron == 0) | (total > best))):
                m.d.sync += [best.eq(total), self.answer.eq(neuron)]
            with m.If(neuron == Mux(second, circuit.classes, circuit.hidden) - 1):
                m.d.sync += [neuron.eq(0), second.eq(~second), self.done.eq(second)]
                with m.If(second):
                    m.d.sync += left.eq(0)  # further lanes have nothing to say
        with m.If(whole):
            m.d.sync += left.eq(circuit.lanes)

    def words(self) -> list[int]:
        """Return the words of the memory of weights in the order in which they are read: a byte for each lane."""
        found, lanes = [], self.circuit.lanes
        for layer in (self.hidden, self.last):
            neurons, inputs = layer.weights.shape
            padded = np.zeros((-(-neurons // lanes) * lanes, inputs), np.int8)
            padded[:neurons] = layer.weights
            for group in padded.reshape(-1, lanes, inputs):
                found += [int.from_bytes(column.tobytes(), "little") for column in group.T]
        return found

    def ones(self) -> list[int]:
        """Return what the memory of activations holds at first: behind the inputs of each layer, that of the biases."""
        return [ONE * (place == inputs - 1) for _, inputs in self.circuit.layers for place in range(inputs)]


def delayed(m: Module, signal: Signal, cycles: int) -> Signal:
    """Return a signal as it was some cycles ago."""
    for _ in range(cycles):
        before, signal = signal, Signal.like(signal)
        m.d.sync += signal.eq(before)
    return signal
