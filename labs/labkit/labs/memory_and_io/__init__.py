"""Lab 3.4, *Memory and I/O*."""

from labkit.labs.lab import Lab

LAB = Lab("3.4", "Memory and I/O", claims=("I2",),
          probes=("weights", "storage", "page_cache", "loopback"),
          uses=("cold reads",))
