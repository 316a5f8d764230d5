"""Lab 3.5, *One clear stream*."""

from labkit.labs.lab import Lab

LAB = Lab("3.5", "One clear stream", claims=("I3",),
          probes=("hearing",))
