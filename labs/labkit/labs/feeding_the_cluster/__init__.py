"""Lab 2.3, *Feeding the cluster*."""

from labkit.labs.lab import Goal, Lab

LAB = Lab("2.3", "Feeding the cluster", claims=("T5",),
          probes=("feeding",),
          uses=("cold reads", "tar shards and Parquet"),
          goal=Goal(0.15, 0.30))
