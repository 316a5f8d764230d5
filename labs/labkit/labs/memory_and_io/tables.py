"""The tables of Lab 3.4, and the numbers that it states of them."""

from __future__ import annotations

from collections.abc import Sequence

from labkit.display import TextTable, written
from labkit.experiment import Comparison, Experiment, Outcome, Point, Unavailable
from labkit.labs.common import times
from labkit.labs.memory_and_io import experiments as lab
from labkit.machine import Machine
from labkit.measure.probes.weights import HELD, MAPPED_WARM, READ_WARM
from labkit.serving.model_store import SIDE
from labkit.units import quantity

INPUT = 4 * SIDE  # bytes of an input of the lab's models
LINKS = {"this machine's storage": ("storage", "random"), "its page cache": ("page_cache", "random"),
         "another process, by a message": ("loopback", "message")}


def over_memory(answers: Comparison, way: str, batch: int = 1) -> Outcome | Unavailable:
    """Return how many times as long a measured answer takes in one way as with its weights in memory."""
    return times(answers, dict(way=way, batch=batch), dict(way=HELD, batch=batch))


def read_over_mapped(answers: Comparison) -> Outcome | Unavailable:
    """Return how many times as long a measured answer takes with its model read as with its model mapped, warm."""
    return times(answers, dict(way=READ_WARM, batch=1), dict(way=MAPPED_WARM, batch=1))


def tails(machine: Machine, asked: lab.Requests, points: Sequence[Point]) -> TextTable:
    """Return p50 and p99 of the requests of some points beside what the shares of misses let one expect."""
    rows = []
    for point in points:
        run = asked.run(**point)
        misses = f"{run.missed:.0f} %" if run else run.reason
        cells = [cell for percent in (50, 99) for cell in (written(lab.slow(machine, percent, **point)),
                                                           written(run.at(percent)) if run else "")]
        rows.append([f"{point['share']} %", f"{point['skew']:g}", misses, *cells])
    return TextTable(["in memory", "skew", "missed", "p50 predicted", "p50 measured", "p99 predicted", "p99 measured"],
                     rows)


def percentile(asked: lab.Requests, percent: float, **change) -> Outcome | Unavailable:
    """Return a measured percentile of the requests of `experiments.MANY`, changed."""
    run = asked.run(**{**lab.MANY, **change})
    return run.at(percent) if run else run


def intake(machine: Machine, answers: Experiment) -> TextTable:
    """Return what the answers of a small model ask of the way in, beside what this machine's own links were seen to do.
    """
    one = answers.predict(way=HELD, size=1, batch=64)
    needed = 64 / one.value * INPUT if one else None
    rows = []
    for name, (probe, key) in LINKS.items():
        calibration = machine.calibration(probe)
        if reason := calibration.reason(key):
            rows.append([name, reason, ""])
            continue
        best = max(work / seconds for work, seconds in calibration.curve(key))
        rows.append([name, quantity(best, "B/s"), f"{best / needed:.3g} times" if needed else one.reason])
    head = f"of the {quantity(needed, 'B/s')} that 1 MiB of weights answers" if needed else "of what is answered"
    return TextTable(["the way in", "brings at its best", head], rows)


def told(machine: Machine, answers: Comparison, asked: lab.Requests) -> dict[str, str]:
    """Return what the page on I2 shows of this run, by the key under which it finds it."""
    few = asked.run(**lab.MANY)
    return {"from-storage": _said(over_memory(answers, lab.state(machine))),
            "hits": f"{few.hits.value:.0f} %" if few else few.reason,
            "p50": written(percentile(asked, 50, share=75)), "p99": written(percentile(asked, 99, share=75))}


def _said(outcome: Outcome | Unavailable) -> str:
    return f"{outcome.value:.0f} times" if outcome else outcome.reason
