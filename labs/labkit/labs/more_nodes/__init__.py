"""Lab 2.2, *More nodes*."""

from labkit.labs.lab import Goal, Lab

LAB = Lab("2.2", "More nodes", claims=("T1", "T6"),
          probes=("data_parallel",),
          uses=("a second core", "emulated hosts"),
          goal=Goal(0.10, 0.20))
