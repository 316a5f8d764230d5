"""Lab 4.2, *Hundreds of instances*."""

from labkit.labs.lab import Lab

LAB = Lab("4.2", "Hundreds of instances", claims=("E2",),
          probes=("instances",))
