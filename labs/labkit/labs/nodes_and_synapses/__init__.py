"""Lab 1.2, *Nodes and synapses*."""

from labkit.labs.lab import Goal, Lab

LAB = Lab("1.2", "Nodes and synapses", claims=("P2",),
          probes=("products", "memory", "layers"),
          goal=Goal(0.10, 0.20))
