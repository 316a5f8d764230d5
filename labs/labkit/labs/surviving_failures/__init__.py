"""Lab 2.6, *Surviving failures*."""

from labkit.labs.lab import Lab

LAB = Lab("2.6", "Surviving failures", claims=("T1", "T6"), probes=("failures",),
          uses=("a second core", "emulated hosts"))
