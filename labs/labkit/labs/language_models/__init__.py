"""Lab 3.6, *Language models*."""

from labkit.labs.lab import Goal, Lab

LAB = Lab("3.6", "Language models", claims=("I1", "I2", "I3", "P2"),
          probes=("generation",),
          goal=Goal(0.20, 0.30))
