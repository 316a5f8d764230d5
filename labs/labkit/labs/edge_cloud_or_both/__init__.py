"""Lab 4.4, *Edge, cloud or both*."""

from labkit.labs.lab import Lab

LAB = Lab("4.4", "Edge, cloud or both", claims=("E4",),
          probes=("offload",),
          uses=("an emulated link",))
