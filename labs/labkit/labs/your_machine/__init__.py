"""Lab 1.1, *Your machine*."""

from labkit.labs.lab import Goal, Lab

LAB = Lab("1.1", "Your machine", claims=("T1",),
          probes=("products", "memory", "storage", "page_cache", "loopback", "all_reduce", "copies"),
          uses=("a GPU", "a second core"),
          goal=Goal(0.10, 0.20))
