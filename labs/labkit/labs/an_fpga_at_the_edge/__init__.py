"""Lab 4.5, *An FPGA at the edge*."""

from labkit.labs.lab import Lab

LAB = Lab("4.5", "An FPGA at the edge", claims=("E3",), probes=(),
          uses=("Amaranth", "tools that place circuits"))
