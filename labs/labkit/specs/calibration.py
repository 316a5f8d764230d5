"""What a machine was measured to take: for each kind of work, seconds against its amount.

A probe (a module of `labkit.measure.probes` with `KEYS`, `SECONDS` and `calibrate`) measures some kinds of work and
returns a `Calibration`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from labkit import effort as efforts

CostCurve = list[list[float]]  # [[work, seconds], …], work rising; what work is, each probe's `calibrate` says
Key = tuple[str | int, ...]  # of a curve: ("train", "conv16", 4)
CONTENDED = 0.15  # share of the processors' time, used by others, above which what was measured is not clean
LENT = 5.0  # how much less certain a prediction is that was made for another machine
DRIFTED = 1.5  # a speed that changed by more than this factor makes predictions worse than they usually are


@dataclass(frozen=True)
class Calibration:
    """What one probe measured.

    Args:
        curves: seconds against work, by key.
        reference_seconds: seconds that the probe's reference kernel took in the median.
        drift: the slowest reference kernel over the fastest, without a tenth on either side; 1 on a steady machine.
        contention: the share of the processors' time that other programs used meanwhile, 0 to 1.
        date: when it was measured, ISO 8601.
        missing: what could not be measured, and why, by key.
        battery: whether the machine ran on its battery.
        effort: with which it was measured: `labkit.effort.LEVELS`.
        tries: how often it has been measured because it was disturbed before.
        lent: whether the probe failed here, so that it is what another machine was measured to take: then it holds for
            this session alone.
    """

    curves: dict[Key, CostCurve]
    reference_seconds: float
    drift: float
    contention: float
    date: str
    missing: dict[Key, str] = field(default_factory=dict)
    battery: bool = False
    effort: str = efforts.USUAL
    tries: int = 1
    lent: bool = False

    @classmethod
    def unavailable(cls, keys: Iterable[Key], reason: str) -> Calibration:
        """Return the calibration of a probe that could measure none of its `keys` here."""
        return cls({}, reference_seconds=1.0, drift=1.0, contention=0.0, date=now(),
                   missing=dict.fromkeys(keys, reason))

    @property
    def disturbed(self) -> bool:
        """Whether other programs, or a speed that changed, made the numbers worse than they usually are."""
        return self.contention > CONTENDED or self.drift > DRIFTED

    @property
    def widening(self) -> float:
        """By which factor predictions from it are less certain than usual, 1 or more.

        Where others take a share of the processors, work takes 1 / (1 - share) as long. Of a drift, which is corrected
        as it goes, a part remains: at a drift of 48, predictions were off by up to 195 %, and not by 25.
        """
        drifted = max(self.drift / DRIFTED, 1.0) ** 0.6
        return drifted / (1 - min(max(self.contention - CONTENDED, 0.0), 0.8)) * (LENT if self.lent else 1)

    def curve(self, *key: str | int) -> CostCurve:
        """Return the curve with a key; raises `ValueError` with the reason where it could not be measured."""
        if key in self.missing:
            raise ValueError(f"There is no measurement of '{_words(key)}' here: {self.missing[key]}")
        if key not in self.curves:
            raise ValueError(f"'{_words(key)}' is not among what was measured: {', '.join(map(_words, self.curves))}.")
        return self.curves[key]

    def group(self, *prefix: str | int) -> dict[str | int | Key, CostCurve]:
        """Return the curves whose keys begin with `prefix`, by the rest of the key; a single item stands for itself."""
        rests = {key[len(prefix):]: curve for key, curve in self.curves.items() if key[:len(prefix)] == prefix}
        return {rest[0] if len(rest) == 1 else rest: curve for rest, curve in rests.items() if rest}

    def reason(self, *key: str | int) -> str:
        """Return why the curve with a key could not be measured here, or nothing where it was."""
        return self.missing.get(key, "")

    def as_json(self) -> dict:
        """Return the fields for a JSON file, with dictionaries by key as lists of pairs."""
        return {**vars(self), "curves": [[list(key), curve] for key, curve in self.curves.items()],
                "missing": [[list(key), reason] for key, reason in self.missing.items()]}

    @classmethod
    def from_json(cls, content: dict) -> Calibration:
        """Return what `as_json` gave; raises `TypeError`, `ValueError` or `LookupError` for anything else."""
        by_key = {part: {tuple(key): value for key, value in content[part]} for part in ("curves", "missing")}
        return cls(**{**content, **by_key})

    def check(self, keys: Iterable[Key]) -> None:
        """Raise `ValueError` unless every key has a curve that a machine can have, or a reason why not."""
        if self.curves.keys() | self.missing.keys() != set(keys) or self.curves.keys() & self.missing.keys():
            raise ValueError("it lacks curves, or holds unknown ones")
        if not all(self.curves.values()) or not all(isinstance(reason, str) for reason in self.missing.values()):
            raise ValueError("it lacks curves")
        points = [(work, seconds) for curve in self.curves.values() for work, seconds in curve]
        numbers = [self.reference_seconds, *(number for point in points for number in point)]
        if not all(isinstance(n, (int, float)) and math.isfinite(n) and n > 0 for n in numbers):
            raise ValueError("it holds times that no machine can have")
        if any(a[0] >= b[0] for curve in self.curves.values() for a, b in itertools.pairwise(curve)):
            raise ValueError("its points are out of order")
        if not 0 <= self.contention <= 1 or not 1 <= self.drift < math.inf:
            raise ValueError("it holds a contention or a drift that cannot be")
        if self.effort not in efforts.LEVELS or not isinstance(self.tries, int):
            raise ValueError("it holds an effort that there is not")
        datetime.fromisoformat(self.date).astimezone()


def best_rate(curve: CostCurve) -> float:
    """Return the most work a second on a curve."""
    return max(work / seconds for work, seconds in curve)


def now() -> str:
    """Return the present moment in ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _words(key: Key) -> str:
    return " ".join(map(str, key))
