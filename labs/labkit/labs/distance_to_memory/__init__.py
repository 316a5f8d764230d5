"""Lab 4.3, *Distance to memory*."""

from labkit.labs.lab import Lab

LAB = Lab("4.3", "Distance to memory", claims=("E3",),
          probes=("weights", "storage", "loopback", "offload"),
          uses=("cold reads",))
