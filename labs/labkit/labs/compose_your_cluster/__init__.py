"""Lab 5.1, *Compose your cluster*."""

from labkit.labs.lab import Goal, Lab

LAB = Lab("5.1", "Compose your cluster", claims=("D1",),
          probes=("products", "operators"),
          goal=Goal(1.0, 1.5, 1.0, 1.5))
