"""Lab 2.1, *Compute and precision*."""

from labkit.labs.lab import Goal, Lab

LAB = Lab("2.1", "Compute and precision", claims=("T1", "T2"),
          probes=("precision",),
          uses=("a GPU",),
          goal=Goal(0.10, 0.20))
