"""The tables of Lab 2.5, and the numbers that it states of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from statistics import mean

from labkit.display import TextTable
from labkit.experiment import Comparison, Experiment, Outcome, Unavailable
from labkit.labs.common import at
from labkit.labs.growing_clean_data import dirt
from labkit.labs.growing_clean_data import experiments as lab
from labkit.labs.growing_clean_data.arrivals import DELIVERIES, IN_ORDER, Arrival
from labkit.labs.growing_clean_data.measuring import WIDTH, Trainings
from labkit.labs.growing_clean_data.planner import short
from labkit.models.random_features import operations
from labkit.units import quantity

STEPS = (20, 18, 16, 15, 14, 13, 12, 11, 10, 9, 8)  # % wrong: the targets of `resources`


def fits(fitted: lab.Curves) -> TextTable:
    """Return the fitted curves: exponent and floor with their intervals, by the width of the network."""
    rows = []
    for width, one in fitted.items():
        spans = [one.interval(what) for what in ("exponent", "floor")]
        rows.append((quantity(width, "channels"), f"{one.curve.exponent:.2f}", "{:.2f} to {:.2f}".format(*spans[0]),
                     f"{one.curve.floor:.1f} %", "{:.1f} to {:.1f} %".format(*spans[1])))
    return TextTable(("width", "exponent", "its interval", "floor", "its interval"), rows)


def costs(trained: Trainings, comparison: Comparison, fitted: lab.Curves) -> TextTable:
    """Return what each kind costs if it is one picture in five, and as how many clean pictures the 2,000 count."""
    rows = []
    for kind in dirt.KINDS:
        row = at(comparison, kind=kind, share=lab.FIFTH)
        if row is None or not row.measured:
            rows.append((kind, "", "", "not measured here", ""))
            continue
        like = fitted[WIDTH].curve.samples(row.measured.value)
        rows.append((kind, f"{row.predicted.value:.1f} %", f"{row.measured.value:.1f} %", span(lab.cost(trained, kind)),
                     f"{float(f'{like:.2g}'):,.0f}"))
    return TextTable(("one picture in five", "predicted", "measured wrong", "cost in points",
                      "as good as so many clean"), rows)


def still_wrong(trained: Trainings, growth: Experiment) -> tuple[Outcome, Outcome | Unavailable]:
    """Return how many of 100 wrong answers twice the pictures leave wrong, predicted and measured."""
    fewer, more = (growth.predict(pictures=pictures, width=WIDTH).value for pictures in (lab.SOILED, 2 * lab.SOILED))
    if (none := lab.too_many(trained, 2 * lab.SOILED)) is not None:
        return Outcome(100 * more / fewer, "wrong"), none
    pairs = zip(trained.errors(2 * lab.SOILED), trained.errors(lab.SOILED), strict=True)
    return Outcome(100 * more / fewer, "wrong"), lab.over_seeds([100 * twice / once for twice, once in pairs], "wrong")


def predicted_cost(soiled: Experiment, growth: Experiment, kind: str) -> Outcome:
    """Return by how many points a kind of dirt in one picture of five is predicted to raise the wrong answers."""
    dirty = soiled.predict(kind=kind, share=lab.FIFTH, pictures=lab.SOILED)
    return Outcome(dirty.value - growth.predict(pictures=lab.SOILED, width=WIDTH).value, "points")


def span(outcome: Outcome) -> str:
    """Return a difference with its interval."""
    return f"{outcome.value:+.1f} ({outcome.low:+.1f} to {outcome.high:+.1f})"


def delivered(arrivals: Sequence[Arrival] | Unavailable) -> TextTable | Unavailable:
    """Return what came, whether it should go back, what was found, and the wrong answers with it and without."""
    if not arrivals:
        return arrivals
    rows = []
    for one in arrivals:
        shares = [f"{100 * share:.0f} %" for share in one.doubted] if one.doubted else ["", ""]
        rows.append((one.kind, "yes" if DELIVERIES[one.kind] else "no", "; ".join(one.found) or "nothing", *shares,
                     {True: "sent back", False: "let in", None: ""}[one.back], f"{one.open:.1f} %",
                     f"{one.gated:.1f} %" if not isinstance(one.gated, Unavailable) else ""))
    return TextTable(("delivered", "dirty", "the schema finds", "labels doubted by a clean network", "by its own",
                      "the gate", "wrong with all", "with the gate"), rows)


def stopped(arrivals: Sequence[Arrival] | Unavailable) -> tuple[int, int] | None:
    """Return how many dirty instalments were sent back and how many good ones; None where there was no gate."""
    if not arrivals or any(one.back is None for one in arrivals):
        return None
    return tuple(sum(one.back for one in arrivals if DELIVERIES[one.kind] is dirty) for dirty in (True, False))


def structure(arrivals: Sequence[Arrival] | Unavailable) -> dict[str, int | Unavailable]:
    """Return in how many instalments of wrong structure something was found, of how many, and in how many others."""
    if stopped(arrivals) is None:
        return dict.fromkeys(("found", "wrong", "false"), arrivals if not arrivals else arrivals[-1].gated)
    found = {one.kind for one in arrivals if one.found}
    wrong = {kind for kind, dirty in DELIVERIES.items() if dirty} - {dirt.RANDOM, dirt.CAUSE}
    return {"found": len(found & wrong), "wrong": len(wrong), "false": len(found - wrong)}


def doubted(arrivals: Sequence[Arrival] | Unavailable, kind: str) -> tuple:
    """Return the shares of an instalment's labels that two networks doubt: one that knows good pictures, and its own.
    """
    if stopped(arrivals) is None:
        return (arrivals if not arrivals else arrivals[-1].gated,) * 2
    return next(one.doubted for one in arrivals if one.kind == kind)


def gained(arrivals: Sequence[Arrival] | Unavailable) -> Outcome | Unavailable:
    """Return by how many points the gate lowered the wrong answers in the end."""
    if not arrivals:
        return arrivals
    last = arrivals[-1]
    return last.gated if isinstance(last.gated, Unavailable) else Outcome(last.open - last.gated, "points")


def takes(trained: Trainings, fitted: lab.Curves, wanted: float) -> tuple | None:
    """Return width, pictures, operations and seconds of the cheapest training to an error in %, by the fitted curves.

    The seconds are those that this machine took for its largest training of that width, in proportion. None where every
    floor lies above.
    """
    ways = []
    for width, one in fitted.items():
        pictures = one.curve.samples(wanted)
        if math.isfinite(pictures):
            each = trained.seconds(trained.largest, width) / trained.largest
            ways.append((operations(pictures, width), width, pictures, pictures * each))
    if not ways:
        return None
    work, width, pictures, seconds = min(ways)
    return width, pictures, work, seconds


def resources(trained: Trainings, fitted: lab.Curves) -> TextTable:
    """Return what each next point of accuracy takes: with the lab's network, and with the cheapest of four."""
    rows, before = [], None
    for wanted in STEPS:
        same, best = takes(trained, {WIDTH: fitted[WIDTH]}, wanted), takes(trained, fitted, wanted)
        if best is None:
            rows.append((f"{wanted} %", "no amount", "no amount", "", "", "", ""))
            continue
        width, pictures, work, seconds = best
        times = f"{short((work / before[0]) ** (1 / (before[1] - wanted)))} times" if before else ""
        rows.append((f"{wanted} %", f"{float(f'{same[1]:.2g}'):,.0f}" if same else "no amount",
                     f"{float(f'{pictures:.2g}'):,.0f}", str(width), quantity(float(f"{work:.2g}"), "FLOP"),
                     quantity(float(f"{seconds:.2g}"), "s"), times))
        before = work, wanted
    return TextTable(("wrong", f"pictures, width {WIDTH}", "pictures, cheapest width", "width", "operations", "seconds",
                      "operations for the last point"), rows)


def point_factors(trained: Trainings, fitted: lab.Curves) -> tuple[Outcome | Unavailable, ...]:
    """Return how many times the operations the first and the last point cost that the table of resources reaches."""
    reached = [(wanted, found[2]) for wanted in STEPS if (found := takes(trained, fitted, wanted))]
    if len(reached) < 3:
        return (Unavailable("Every network's floor lies above these targets."),) * 2
    first, *_, last = [(work / before) ** (1 / (high - low)) for (high, before), (low, work) in
                       itertools.pairwise(reached)]
    return Outcome(first, "times"), Outcome(last, "times")


def power(trained: Trainings) -> Outcome:
    """Return the power by which the seconds of a training grow with its pictures, the network the same."""
    few, many = trained.largest // 4, trained.largest
    return Outcome(math.log(trained.seconds(many) / trained.seconds(few)) / math.log(many / few), "")


def narrow_over_wide(trained: Trainings) -> float:
    """Return how many times as often as the widest network the narrowest one is wrong, with all pictures."""
    narrow, wide = (mean(trained.errors(trained.largest, width)) for width in (lab.WIDTHS[0], lab.WIDTHS[-1]))
    return narrow / wide


def told(outcomes: Mapping[str, Outcome | Unavailable], fitted: lab.Curves,
         arrivals: Sequence[Arrival] | Unavailable) -> dict[str, str]:
    """Return what pages show of this run, by the key under which they find it; they have words for what is missing."""
    texts = {name: f"{outcome.value:.1f}" for name, outcome in outcomes.items() if outcome}
    texts["wide-floor"] = f"{fitted[max(fitted)].curve.floor:.0f} %"
    if stopped(arrivals) is not None:
        texts["structure"] = str(structure(arrivals)["found"])
        for key, kind in (("in-order", IN_ORDER), ("random", dirt.RANDOM), ("cause", dirt.CAUSE)):
            texts |= {f"{whose}-{key}": f"{100 * share:.0f} %"
                      for whose, share in zip(("clean", "own"), doubted(arrivals, kind), strict=True)}
    return texts
