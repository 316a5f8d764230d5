"""Lab 2.5, *Growing, clean data*."""

from labkit.labs.lab import Lab

LAB = Lab("2.5", "Growing, clean data", claims=("T3", "T6"), probes=(), uses=("pandera and cleanlab",))
