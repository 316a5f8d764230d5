"""The tables of Lab 3.3, *Serving under load*."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from labkit import effort
from labkit.display import TextTable, written
from labkit.experiment import Comparison, Outcome, Unavailable
from labkit.labs.serving_under_load import experiments as lab
from labkit.labs.serving_under_load.testbed import Stop
from labkit.machine import Machine
from labkit.measure.open_loop import LOST, OK
from labkit.predict import queueing
from labkit.predict.queueing import Queue
from labkit.serving import malformed
from labkit.units import percent, quantity


def batches(machine: Machine) -> TextTable:
    """Return what batches cost the network, by their size."""
    server = lab.service(machine)
    return TextTable(["pictures in a batch", "time", "for each picture", "most requests/s"], [
        [f"{size:.0f}", quantity(seconds, "s"), quantity(seconds / size, "s"),
         f"{queueing.capacity(server, int(size)):.0f}"] for size, seconds in server.computing])


def percentiles(comparison: Comparison) -> TextTable:
    """Return predicted and measured percentiles side by side, a row for each rate."""
    by_place = {(row.point["rate"], row.point["percentile"]): row for row in comparison.rows}
    names = [name for name in lab.PERCENTILES if any(name == place[1] for place in by_place)]

    def cell(row):
        real = quantity(row.measured.value, "s") if row.measured else "too few"
        return f"{quantity(row.predicted.value, 's')}, {real}"

    return TextTable(["requests/s", *(f"{name}: predicted, measured" for name in names)], [
        [f"{rate:g}", *(cell(by_place[rate, name]) for name in names)]
        for rate in sorted({rate for rate, _ in by_place})])


def ways(calm: Sequence[Outcome], busy: Comparison) -> TextTable:
    """Return p99 by way: predicted at a low load, and predicted and measured at a high one."""
    rate = busy.rows[0].point["rate"]
    return TextTable(["way", "p99 at a third of the load", f"p99 at {rate:g} requests/s", "measured"], [
        [name, quantity(low.value, "s"), quantity(row.predicted.value, "s"),
         quantity(row.measured.value, "s") if row.measured else "not here"]
        for name, low, row in zip(lab.WAYS, calm, busy.rows, strict=True)])


def stop(seen: Stop) -> TextTable:
    """Return what the two loops saw of the server that stood still."""
    return TextTable(["generator", "answers", "lost", "p50", "p99", "the generator's own work"], [
        [loop, f"{load.count(OK):,}", f"{load.count(LOST):,}", written(seen.median(loop)), written(seen.p99(loop)),
         f"{percent(load.busy)} of a core"] for loop, load in seen.loads.items()])


def fleet(machine: Machine, nodes: int = 1_000) -> TextTable:
    """Return how many requests a second many servers can take while p99 stays within some idle answers."""
    server = lab.service(machine)
    most = queueing.capacity(server, lab.MAX_BATCH)
    p99 = {load: lab.play(server, Queue(load * most, lab.MAX_BATCH, max_queue=lab.MAX_QUEUE)).percentile(99)[0]
           for load in np.arange(0.02, 1.2, effort.pick(quick=0.06, usual=0.02, long=0.02))}
    rows = []
    for times in (1.5, 2, 3, 5, 10):
        share = max((load for load, seconds in p99.items() if seconds <= times * server.idle), default=0)
        rows.append([f"{times:g} idle answers", f"{nodes * share * most:,.0f}", percent(share)])
    return TextTable(["p99 within", "requests/s", "of the capacity"], rows)


def flood(seen: lab.Flood, machine: Machine) -> TextTable:
    """Return what became of the flood, and what would have become of it without a limit."""
    return TextTable(["", ""], [
        ["turned away", written(seen.shed)],
        ["p99 of the others", written(seen.p99)],
        [f"p99 with endless room, after {queueing.ARRIVALS:,} requests, predicted", written(lab.endless(machine))],
        ["p50 afterwards", written(seen.median_after)]])


def replies(heard: Mapping[str, malformed.Reply]) -> TextTable:
    """Return what a service said to some requests."""
    return TextTable(["request", "answer"], [[name, str(reply)[:64]] for name, reply in heard.items()])


def verdict(rows: Mapping[str, tuple[Outcome | Unavailable, Outcome | Unavailable]]) -> TextTable:
    """Return what was predicted and measured of the quantities that decide the verdict."""
    return TextTable(["", "predicted", "measured"], [
        [name, written(predicted), written(outcome)] for name, (predicted, outcome) in rows.items()])
