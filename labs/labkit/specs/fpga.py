"""The circuit of Lab 4.5, and the parts that it may be placed on, with how many of each thing they have."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

CLASSES = 3
STAGES = 4  # cycles from an address to the finished sum: read, keep, multiply, add
SETTLE = STAGES + 2  # from the last address of a layer until its first output can be read: moved out, rounded, written


@dataclass(frozen=True)
class Part:
    """An FPGA.

    Args:
        option: how nextpnr is told of it.
        cells: look-up tables of four inputs, with what adds and chooses beside them.
        multipliers: of 18 × 18 bits.
        blocks: memories of 18 Kibit.
    """

    option: str
    cells: int
    multipliers: int
    blocks: int


# As nextpnr 0.11.1 counts them; the data sheet (Lattice FPGA-DS-02012, ECP5 family, table 1.1) rounds the cells.
PARTS = {
    "ECP5-25": Part("25k", 24_288, 28, 56),
    "ECP5-45": Part("45k", 43_848, 72, 108),
    "ECP5-85": Part("85k", 83_640, 156, 208),
}


@dataclass(frozen=True)
class Circuit:
    """A classifier of two dense layers, whose weights lie in memory on the chip.

    Args:
        inputs: bytes of a picture.
        hidden: neurons of the first layer.
        lanes: multipliers side by side.
        classes: neurons of the second layer.

    Raises:
        ValueError: a size that is no whole number from 1 up, or lanes that do not divide the hidden neurons or are more
            than the inputs.
    """

    inputs: int
    hidden: int
    lanes: int
    classes: int = CLASSES

    def __post_init__(self):
        sizes = (self.inputs, self.hidden, self.lanes, self.classes)
        if not all(isinstance(size, Integral) and size >= 1 for size in sizes):
            raise ValueError(f"A circuit has whole inputs, neurons, lanes and classes from 1 up, not {sizes}.")
        if self.hidden % self.lanes or self.lanes > self.inputs:
            raise ValueError(f"{self.lanes} lanes must divide the {self.hidden} hidden neurons, and be no more than "
                             f"the {self.inputs} inputs.")

    @property
    def layers(self) -> tuple[tuple[int, int], ...]:
        """The groups of neurons, and the inputs with the one for the biases, of each layer."""
        return tuple((-(-neurons // self.lanes), inputs + 1)
                     for inputs, neurons in ((self.inputs, self.hidden), (self.hidden, self.classes)))

    @property
    def bits(self) -> int:
        """Of an accumulator: a product has 16, and a sum of many has more."""
        return 16 + max(inputs for _, inputs in self.layers).bit_length()

    @property
    def words(self) -> int:
        """Of the memory of weights: a byte for each lane, padded where there are more lanes than neurons."""
        return sum(groups * inputs for groups, inputs in self.layers)
