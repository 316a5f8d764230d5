"""Lab 2.4, *Dedicated or shared*."""

from labkit.labs.lab import Lab

LAB = Lab("2.4", "Dedicated or shared", claims=("T4",),
          probes=("neighbours",),
          uses=("a second core", "cold reads"))
