"""Lab 3.1, *Latency*."""

from labkit.labs.lab import Lab

LAB = Lab("3.1", "Latency", claims=("I1",),
          probes=("latency",),
          uses=("a C++ compiler", "an energy counter", "a GPU"))
