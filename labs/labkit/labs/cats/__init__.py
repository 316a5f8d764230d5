"""Lab 1.3, *Cats: train, then infer*."""

from labkit.labs.lab import Lab

LAB = Lab("1.3", "Cats: train, then infer", claims=("P1", "P2"),
          probes=("operators",))
