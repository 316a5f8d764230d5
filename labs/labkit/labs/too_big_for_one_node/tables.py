"""The tables of Lab 2.7, and the numbers that it states of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import median

from labkit.display import TextTable, written
from labkit.distributed.pool import room
from labkit.experiment import Comparison, Outcome, Unavailable, ratio
from labkit.labs.common import times
from labkit.labs.too_big_for_one_node import experiments as lab
from labkit.labs.too_big_for_one_node import planner
from labkit.labs.too_big_for_one_node.measuring import loss
from labkit.predict import sharding
from labkit.specs.sharding import DATA_PARALLEL, PIPELINE, WAYS, ZERO_3
from labkit.units import percent, quantity


def losses(found: lab.Sharded) -> dict[str, list[float] | Unavailable]:
    """Return the loss of every step, by way."""
    return {point["way"]: loss(lab.job(**point), found.ranks(**point)) for point in lab.ways()}


def same(by_way: Mapping[str, list[float] | Unavailable], tolerance: float = 1e-4) -> bool:
    """Return whether all ways that ran have the same losses."""
    ran = [each for each in by_way.values() if each]
    return all(math.isclose(a, b, rel_tol=tolerance) for each in ran for a, b in zip(ran[0], each, strict=True))


def loss_table(by_way: Mapping[str, list[float] | Unavailable]) -> TextTable:
    """Return the losses of the first steps, by way."""
    return TextTable(["", "loss of step 1", "2", "3"], [
        [way, *(f"{value:.6f}" for value in each[:3])] if each else [way, each.reason, "", ""]
        for way, each in by_way.items()])


def worst(comparison: Comparison) -> float | Unavailable:
    """Return the largest error of a comparison, as a fraction."""
    return comparison.errors[-1] if comparison.errors else Unavailable(str(comparison))


def whole_over_shards(comparison: Comparison, half: str = "measured") -> Outcome | Unavailable:
    """Return how many times as much data parallel training holds, or sends, as ZeRO-3."""
    return times(comparison, dict(way=DATA_PARALLEL), dict(way=ZERO_3), half)


def shards_over_whole(comparison: Comparison, half: str = "measured") -> Outcome | Unavailable:
    """Return how many times as much ZeRO-3 sends, or how many times as long it takes, as data parallel training."""
    return times(comparison, dict(way=ZERO_3), dict(way=DATA_PARALLEL), half)


def counted_twice(found: lab.Sharded) -> TextTable:
    """Return the memory at the peak as the tensors add up to it, and as the system counts it."""
    rows = []
    for point in lab.ways():
        ranks = found.ranks(**point)
        peak, other = found.memory.measure(**point) if ranks else ranks, lab.resident(ranks)
        more = f"{other.value / peak.value:.2f}" if peak and other else ""
        rows.append([point["way"], written(peak), written(other) if ranks else "", more])
    return TextTable(["", "all tensors", "the process's own memory", "ratio"], rows)


def agreement(found: lab.Sharded) -> float | Unavailable:
    """Return the median ratio of the two counts."""
    ratios = [ratio(lab.resident(ranks), found.memory.measure(**point)) for point in lab.ways()
              if (ranks := found.ranks(**point))]
    if missing := [each for each in ratios if not each]:
        return missing[0]
    return median(each.value for each in ratios) if ratios else found.ranks()


def on_the_wire(found: lab.Sharded) -> TextTable:
    """Return the bytes that a step sends, by a ring that sends no more than it must, by gloo, and by the sockets."""
    rows = []
    for point in lab.ways():
        job = lab.job(**point)
        least = sum(sharding.traffic(job, point["processes"], direct=True).values())
        rows.append([point["way"], quantity(least, "B"), written(found.traffic.predict(**point)),
                     written(found.traffic.measure(**point))])
    return TextTable(["", "a ring needs", "gloo sends, predicted", "the sockets sent"], rows)


def steps(found: lab.Sharded) -> TextTable:
    """Return the seconds of a step by way, and how many times as long as data parallel training takes."""
    seconds = {way: _seconds(found.ranks(way=way)) for way in WAYS}
    whole = seconds[DATA_PARALLEL]
    return TextTable(["", "a step", "times data parallel"], [
        [way, written(taken), f"{taken.value / whole.value:.1f}" if taken and whole else ""]
        for way, taken in seconds.items()])


def _seconds(ranks: list[dict] | Unavailable) -> Outcome | Unavailable:
    if not ranks:
        return ranks
    if not (there := room(len(ranks))):
        return there
    return Outcome(median(ranks[0]["seconds"]), "s")


def told(memory: Comparison, traffic: Comparison, found: lab.Sharded) -> dict[str, str]:
    """Return what the page on cutting shows of this run, by the key under which it finds it."""
    def said(outcome: Outcome | Unavailable, digits: int = 1) -> str:
        return f"{outcome.value:.{digits}f} times" if outcome else outcome.reason

    off = worst(memory)
    pipeline = found.traffic.measure(**{**lab.START, "way": PIPELINE})
    return {"shards-save": said(whole_over_shards(memory)), "shards-send": said(shards_over_whole(traffic)),
            "memory-off": percent(off, 1) if isinstance(off, float) else off.reason,
            "pipeline-sends": written(pipeline),
            "published-off": percent(planner.against_published().median_error)}
