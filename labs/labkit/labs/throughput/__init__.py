"""Lab 3.2, *Throughput*."""

from labkit.labs.lab import Lab

LAB = Lab("3.2", "Throughput", claims=("I2",),
          probes=("sessions", "queries"),
          uses=("LoadGen",))
