"""Lab 2.1: what a number format does to what is learned, by small trainings that differ in their numbers only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from labkit import catalogue, effort
from labkit.display import TextTable, written
from labkit.experiment import Outcome, Unavailable
from labkit.models.datasets import cats
from labkit.models.datasets.cats import Pictures
from labkit.models.seed_sweep import Recipe, sweep_seeds
from labkit.predict import seeds
from labkit.predict.formats import flushed, rounded_away
from labkit.specs.number_format import Format
from labkit.units import quantity

EXPONENTS, FRACTIONS = (2, 5, 3, 4), (3, 1, 7, 5)  # bits that part three tries: the most telling first
SCALE = 2**10  # of the loss, as `labkit.models.seed_sweep` begins with
AS_IT_IS, SCALED = "as it is", "loss scaled"
OWN, MASTER = "weights kept in the format", "master weights in fp32"
_FRACTION, _EXPONENT = 10, 8  # bits beside those that are tried: fp16's fraction, fp32's exponent
_TOO_FEW = Unavailable("One training says nothing of how far two with other seeds lie apart: it takes two seeds or "
                       "more. With more effort, or on a faster machine, this lab trains more.")

Shares = Mapping[str, Sequence[float]]  # of right answers, 0 to 1, by recipe and seed


@dataclass(frozen=True)
class Size:
    """How much is trained.

    Args:
        pictures, unseen: how many are learned from, and tested with.
        seeds, sweep_seeds: trainings for each format of part two, and for each point of part three, at the most.
        seconds, sweep_seconds: for all trainings of part two, and for each half of part three.
    """

    pictures: int
    unseen: int
    seeds: int
    sweep_seeds: int
    seconds: float
    sweep_seconds: float


def size() -> Size:
    """Return how much is trained at the effort that holds now."""
    return effort.pick(quick=Size(1_500, 1_000, 2, 1, 6.0, 4.0), usual=Size(2_000, 2_000, 5, 2, 26.0, 13.0),
                       long=Size(4_000, 2_000, 12, 6, 90.0, 45.0))


def pictures() -> tuple[Pictures, Pictures]:
    """Return the pictures to learn from, and others: cats in all coats, cars and bicycles."""
    return cats.load(size().pictures, coats=cats.COATS, seed=51), cats.load(size().unseen, coats=cats.COATS, seed=52)


def train(some: Mapping[str, Recipe], learned: Pictures, unseen: Pictures) -> dict[str, list[float]]:
    """Train by each recipe with as many seeds as the time for it allows; return right answers by recipe and seed."""
    return sweep_seeds(some, size().seeds, learned, unseen, seconds=size().seconds)


def means(shares: Shares) -> dict[str, Outcome | Unavailable]:
    """Return the mean share of right answers of each recipe in %, with its 95 % interval over seeds."""
    return {name: _interval([100 * share for share in values], "%") for name, values in shares.items()}


def differences(shares: Shares, reference: str) -> dict[str, Outcome | Unavailable]:
    """Return by how many points each recipe is more often right than one, seed by seed, with its 95 % interval."""
    return {name: _interval([100 * (a - b) for a, b in zip(values, shares[reference], strict=False)], "points")
            for name, values in shares.items() if name != reference}


def _interval(values: Sequence[float], unit: str) -> Outcome | Unavailable:
    if len(values) < 2:
        return _TOO_FEW
    value, low, high = (round(number, 6) + 0.0 for number in seeds.interval(values))  # no -2e-14, and no -0
    return Outcome(value, unit, low=min(low, value), high=max(high, value))


def largest(gains: Mapping[str, Outcome | Unavailable]) -> Outcome | Unavailable:
    """Return the difference that is furthest from 0, or why there is none."""
    known = [gain for gain in gains.values() if gain]
    return max(known, key=lambda gain: abs(gain.value)) if known else _TOO_FEW


def table(shares: Shares, epochs: Mapping[str, Outcome | Unavailable]) -> TextTable:
    """Return right answers of each recipe, what it gains against fp32, and what an epoch takes if not emulated."""
    gains, rows = differences(shares, "fp32"), []
    for name, mean_ in means(shares).items():
        gain, epoch = gains.get(name), epochs.get(name)
        right = _span(mean_, ".1f", " %") if mean_ or not shares[name] else f"{100 * shares[name][0]:.1f} %"
        rows.append((name, str(len(shares[name])), right, _span(gain, "+.2f", " points") if gain else "",
                     quantity(epoch.value, "s") if epoch else ""))
    return TextTable(("format", "seeds", "right", "against fp32, seed by seed", "an epoch"), rows)


def _span(outcome: Outcome | Unavailable, digits: str, unit: str) -> str:
    if not outcome:
        return "not tested here"
    return f"{outcome.value:{digits}}{unit} ({outcome.low:{digits}} to {outcome.high:{digits}})"


@dataclass(frozen=True)
class Resolution:
    """What difference these trainings can show.

    Args:
        apart: standard deviation of the accuracy from one seed to the next, in points.
        paired: the largest of the differences to fp32 with the same seed, in points.
        pairs: how many pairs there were.
    """

    apart: float
    paired: float
    pairs: int

    @property
    def trainings(self) -> int:
        """Trainings in each format, with seeds of their own, that tell one point apart."""
        return seeds.needed(2**0.5 * self.apart, 1)

    def __str__(self) -> str:
        return (f"One seed to the next, accuracy varies by {self.apart:.1f} points; the difference to fp32 by "
                f"{self.paired:.1f} at most.\n{self.pairs} pairs would have shown "
                f"{seeds.visible(self.paired, self.pairs):.1f} points in four cases of five.\n"
                f"To tell one point apart: {seeds.needed(self.paired, 1)} pairs, or {self.trainings} trainings in each "
                "format with seeds of their own.")


def resolution(shares: Shares) -> Resolution | Unavailable:
    """Return what difference to fp32 these trainings can show, or why that cannot be said."""
    pairs = [[100 * (a - b) for a, b in zip(values, shares["fp32"], strict=False)]
             for name, values in shares.items() if name != "fp32" and len(values) > 1]
    if not pairs:
        return _TOO_FEW
    return Resolution(stdev(100 * share for share in shares["fp32"]), max(map(stdev, pairs)), max(map(len, pairs)))


def published() -> TextTable:
    """Return what others published of a wide and a narrow format: right answers in %, one run each."""
    return TextTable(("network", "wide", "right", "narrow", "right", "difference"), [
        (row["name"], row["wide"], f"{row['wide_percent']:.2f} %", row["narrow"], f"{row['narrow_percent']:.2f} %",
         f"{row['narrow_percent'] - row['wide_percent']:+.2f} points")
        for row in catalogue.table("precision-accuracy")])


# Where training breaks


def vanishing_gradients(gradients: Mapping[int, int]) -> dict[str, dict[int, float]]:
    """Return which share of the gradients vanishes, by bits of the exponent, as they are and with the loss scaled.

    Args:
        gradients: how many there are by power of two, from `labkit.models.seed_sweep.magnitudes`.
    """
    return {name: {bits: flushed(gradients, Format(bits, _FRACTION), scale) for bits in sorted(EXPONENTS)}
            for name, scale in ((AS_IT_IS, 1), (SCALED, SCALE))}


def vanishing_updates(updates: Mapping[int, int]) -> dict[str, dict[int, float]]:
    """Return which share of the updates vanishes, by bits of the fraction, without and with master weights."""
    return {OWN: {bits: rounded_away(updates, Format(_EXPONENT, bits)) for bits in sorted(FRACTIONS)},
            MASTER: dict.fromkeys(sorted(FRACTIONS), 0.0)}


def vanishing_table(lost: Mapping[str, Mapping[int, float]], part: str) -> TextTable:
    """Return shares that vanish as a table: a row for each number of bits of a `part` of the format."""
    return TextTable((part, *lost), [(quantity(bits, "bits"), *(f"{100 * by[bits]:.0f} %" for by in lost.values()))
                                     for bits in next(iter(lost.values()))])


def enough_bits(lost: Mapping[int, float]) -> int:
    """Return the fewest bits with which less than half vanishes, or the most that were tried."""
    return min((bits for bits, share in lost.items() if share < 0.5), default=max(lost))


def fewer_exponents(learned: Pictures, unseen: Pictures) -> dict[str, dict[int, list[float]]]:
    """Train with few bits of exponent, as it is and with the loss scaled; return right answers by bits and seed."""
    return _sweep({(name, bits): Recipe(Format(bits, _FRACTION), scaled=name == SCALED)
                   for bits in EXPONENTS for name in (AS_IT_IS, SCALED)}, learned, unseen)


def fewer_fractions(learned: Pictures, unseen: Pictures) -> dict[str, dict[int, list[float]]]:
    """Train with few bits of fraction, without and with master weights; return right answers by bits and seed."""
    return _sweep({(name, bits): Recipe(Format(_EXPONENT, bits), master=name == MASTER)
                   for bits in FRACTIONS for name in (OWN, MASTER)}, learned, unseen)


def _sweep(some: Mapping[tuple[str, int], Recipe], learned, unseen) -> dict[str, dict[int, list[float]]]:
    names = {f"{name}, {bits} bits": (name, bits) for name, bits in some}
    shares = sweep_seeds({label: some[key] for label, key in names.items()}, size().sweep_seeds, learned, unseen,
                         seconds=size().sweep_seconds)
    by_name: dict[str, dict[int, list[float]]] = {}
    for label, (name, bits) in names.items():
        by_name.setdefault(name, {})[bits] = shares[label]
    return {name: dict(sorted(by_bits.items())) for name, by_bits in by_name.items()}


def right(shares: Sequence[float]) -> Outcome | Unavailable:
    """Return the mean share of right answers of some trainings in %, or that there was no time for one."""
    if not shares:
        return Unavailable("The time for these trainings was spent on those before it.")
    return Outcome(100 * mean(shares), "%")


def narrowest(shares: Mapping[int, Sequence[float]], full: Sequence[float], lost: float) -> Outcome | Unavailable:
    """Return the fewest bits from which on a training loses at most so many points.

    Args:
        shares: of right answers by bits, with the same seeds as `full`.
        full: those in fp32.
        lost: points of the mean.
    """
    best = None
    for bits in sorted((bits for bits, values in shares.items() if values), reverse=True):
        if 100 * (mean(full[:len(shares[bits])]) - mean(shares[bits])) > lost:
            break
        best = bits
    if best is None:
        return Unavailable(f"With {max(shares)} bits more than {lost:g} points are lost, or no training had time.")
    return Outcome(best, "bits")


def verdict(gains: Mapping[str, Outcome | Unavailable], longer: Outcome | Unavailable, bits: Outcome | Unavailable,
            one_bit: Outcome | Unavailable, speed_ups: Mapping[str, Mapping[int, float]], most: int) -> TextTable:
    """Return the numbers that decide, from this run.

    Args:
        gains: what `differences` returned.
        longer: times as long that a step takes in fp64 as in fp32.
        bits: of the fraction that weights need of their own.
        one_bit: right answers in % with one bit and master weights.
        speed_ups: measured, by case and threads.
        most: threads that are all.
    """
    rows = [("T2", f"{name} instead of fp32", _span(gains.get(name, _TOO_FEW), "+.2f", " points"))
            for name in ("fp64", "bf16, emulated", "fp16, scaled")]
    rows += [("T2", "a step in fp64", f"{longer.value:.1f} × as long" if longer else longer.reason),
             ("T2", "fraction that weights need of their own", written(bits)),
             ("T2", "right answers with 1 bit and master weights", written(one_bit))]
    rows += [("T1", f"{most} threads in place of 1, {case}", f"{by[most]:.2f} × as fast" if most in by else "not here")
             for case, by in speed_ups.items()]
    return TextTable(("claim", "what", "in this run"), rows)


def lost(shares: Sequence[float], full: Sequence[float]) -> Outcome | Unavailable:
    """Return how many points some trainings lie below those in fp32 with the same seeds, or why that is not known."""
    if not shares or len(full) < len(shares):
        return right(())
    return Outcome(100 * (mean(full[:len(shares)]) - mean(shares)), "points")
