"""Lab 2.7, *Too big for one node*."""

from labkit.labs.lab import Goal, Lab

LAB = Lab("2.7", "Too big for one node", claims=("T1", "T6"),
          probes=("exchanges",),
          uses=("a second core",),
          goals=(("What one process holds", Goal(0.05, 0.10, 0.05, 0.10)),
                 ("What one process sends", Goal(0.02, 0.05, 0.02, 0.05))))
