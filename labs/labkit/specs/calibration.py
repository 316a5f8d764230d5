"""What things cost on a machine: for each, seconds against an amount of work.

An instrument (a module of `labkit.measure.probes` with `NAMES`, `SECONDS` and `calibrate`) measures some and
returns `Costs`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

Curve = list[list[float]]  # [[work, seconds], …], work rising
WANDERED = 1.5  # a pace that changed by more than this factor makes predictions worse than they usually are


@dataclass(frozen=True)
class Costs:
    """What one instrument found.

    Args:
        curves: seconds against work by name; the work's unit is the instrument's.
        pace: seconds that the instrument's pacemaker took in the median.
        drift: the slowest pace over the fastest, leaving out a tenth on either side; 1 for a steady machine.
        contention: the share of the processors' time that other programs used meanwhile, 0 to 1.
        date: when it was measured, ISO 8601.
        missing: what could not be measured, and why, by name.
        battery: whether the machine ran on its battery.
    """

    curves: dict[str, Curve]
    pace: float
    drift: float
    contention: float
    date: str
    missing: dict[str, str] = field(default_factory=dict)
    battery: bool = False

    @classmethod
    def unavailable(cls, names: Iterable[str], reason: str) -> Costs:
        """Return the costs of an instrument that could measure none of its `names` here."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return cls({}, pace=1.0, drift=1.0, contention=0.0, date=now, missing=dict.fromkeys(names, reason))

    def curve(self, name: str) -> Curve:
        """Return the curve called `name`; raises `ValueError` with the reason where it could not be measured."""
        if name in self.missing:
            raise ValueError(f"There is no measurement of '{name}' here: {self.missing[name]}")
        if name not in self.curves:
            raise ValueError(f"'{name}' is not among what was measured: {', '.join(self.curves)}.")
        return self.curves[name]

    def group(self, prefix: str) -> dict[str, Curve]:
        """Return the curves whose names are `prefix`, a space, and more; by what follows the space."""
        start = f"{prefix} "
        return {name.removeprefix(start): curve for name, curve in self.curves.items() if name.startswith(start)}

    def check(self, names: Iterable[str]) -> None:
        """Raise `ValueError` unless every name has a curve that a machine can have, or a reason why not."""
        if self.curves.keys() | self.missing.keys() != set(names) or self.curves.keys() & self.missing.keys():
            raise ValueError("it lacks costs, or holds unknown ones")
        if not all(self.curves.values()) or not all(isinstance(reason, str) for reason in self.missing.values()):
            raise ValueError("it lacks costs")
        points = [(work, seconds) for curve in self.curves.values() for work, seconds in curve]
        numbers = [self.pace, *(number for point in points for number in point)]
        if not all(isinstance(n, (int, float)) and math.isfinite(n) and n > 0 for n in numbers):
            raise ValueError("it holds times that no machine can have")
        if any(a[0] >= b[0] for curve in self.curves.values() for a, b in itertools.pairwise(curve)):
            raise ValueError("its points are out of order")
        if not 0 <= self.contention <= 1 or not 1 <= self.drift < math.inf:
            raise ValueError("it holds a contention or a drift that cannot be")
        datetime.fromisoformat(self.date).astimezone()
