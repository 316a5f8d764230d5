"""Lab 3.3, *Serving under load*."""

from labkit.labs.lab import Goal, Lab

LAB = Lab("3.3", "Serving under load", claims=("I1", "I3"),
          probes=("serving",),
          goals=(("Answers from 90 to 150 % of the capacity", Goal(0.30, 0.60)),))
