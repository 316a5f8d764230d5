"""Lab 4.1, *A smaller machine*."""

from labkit.labs.lab import Lab

LAB = Lab("4.1", "A smaller machine", claims=("E1",),
          probes=("sessions",),
          uses=("a limit of memory", "ExecuTorch"))
