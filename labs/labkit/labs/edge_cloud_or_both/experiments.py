"""Lab 4.4: at the edge, in the cloud, or both: the time of an answer over a link, and how far a car goes meanwhile."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from statistics import mean, median, stdev
from time import perf_counter

import torch

from labkit import catalogue
from labkit.display import TextTable, written
from labkit.experiment import Axis, Comparison, Experiment, Outcome, Point, Unavailable
from labkit.labs.common import BAND, banded, drifted
from labkit.labs.edge_cloud_or_both.testbed import (
    CASCADE,
    CLOUD,
    CUTS,
    EDGE,
    EDGE_LARGE,
    HYBRID,
    LAYERS,
    WITHOUT_END,
    EdgeTestbed,
    Team,
)
from labkit.machine import Machine
from labkit.measure.probes import offload as probe
from labkit.models.evaluation import evaluate
from labkit.models.networks.cats import CatNet
from labkit.netem import link as linking
from labkit.offload.wire import NoAnswer
from labkit.predict import offload as predicted
from labkit.processes import HelperFailed
from labkit.progress import report
from labkit.specs.link import LinkSpec
from labkit.specs.network import payload
from labkit.stats import Z
from labkit.units import quantity

CLOUD_H100, H100 = "cloud, H100", "NVIDIA H100 SXM"
STRATEGIES = (EDGE, EDGE_LARGE, *CUTS, CLOUD, CLOUD_H100, CASCADE)
ROUND_TRIPS = (0.001, 0.003, 0.006, 0.01, 0.02, 0.047, 0.1, 0.25, 0.5)
RATES = (1, 5, 10, 50, 100)  # Mbit/s
LOSSES = (0, 0.1, 1, 5)
SLOWER = (1, 8, 64)
DEADLINES = (0.01, 0.033, 0.1, 0.3, 1.0)
SPEEDS = (50, 70, 80, 100, 120, 130)
DRIVER = "a human driver"
DRIVER_S = 1.25  # from an unexpected signal to the brake (Green 2000, doi:10.1207/STHF0203_1)
_FEWEST, _MOST = 8, 60  # pictures in each group of a measured point


def time(machine: Machine, testbed: EdgeTestbed, budget: float = 1.0) -> Experiment:
    """Return the experiment on the mean time of an answer, by strategy and link.

    Args:
        machine: this machine, with what the probe `offload` finds.
        testbed: the edge device, the link and the cloud; what it holds open already is used.
        budget: seconds to spend on measuring a point, about.

    Raises:
        ValueError: a machine that lacks the probe, or the testbed's backend.
    """
    calibration, team, backend = machine.calibration("offload"), testbed.team, testbed.backend
    calibration.curve("message", backend)
    sheet = catalogue.machine(H100)

    def predict(strategy, round_trip, rate, loss, slower):
        spec = _spec(round_trip, rate, loss)
        if strategy == CASCADE:
            parts = predicted.cascade(calibration, backend, spec, team.widths, team.early, WITHOUT_END, slower)
        elif strategy == EDGE:
            parts = {predicted.EDGE: predicted.alone(calibration, team.widths[0], slower)}
        else:
            far = (sheet.flops, sheet.bandwidth) if strategy == CLOUD_H100 else None
            parts = predicted.split(calibration, backend, spec, team.widths[1], LAYERS.get(strategy, 0), slower, far)
        note = "The cloud's computing by the datasheet: a floor." if strategy == CLOUD_H100 else ""
        return banded({name: parts.get(name, 0.0) for name in predicted.PARTS}, note=note,
                      widening=calibration.widening)

    def measure(strategy, round_trip, rate, loss, slower):
        if strategy == CLOUD_H100:
            return Unavailable("There is no H100 here: it can only be predicted.")
        try:
            with testbed.open():
                return _mean(testbed, strategy, _spec(round_trip, rate, loss), slower,
                             calibration.reference_seconds, budget)
        except (NoAnswer, HelperFailed) as trouble:
            return Unavailable(str(trouble))

    return Experiment(
        title=f"From a picture to its answer, over the {backend}",
        quantity="Mean time",
        unit="s",
        axes=[
            Axis("strategy", "Who computes", STRATEGIES, start=CASCADE),
            Axis("round_trip", "Round trip of the link", ROUND_TRIPS, start=0.02, unit="s", log=True),
            Axis("rate", "Bandwidth of the link", RATES, start=50, unit="Mbit/s", log=True),
            Axis("loss", "Packets lost", LOSSES, start=0, unit="%"),
            Axis("slower", "The edge does its work", SLOWER, start=1, unit="times", log=True),
        ],
        predict=predict,
        measure=measure,
        readout="{strategy}: over a link of {round_trip} and {rate} that loses {loss}, with the edge's work done "
                "{slower}, an answer takes {value} on average.",
        session=testbed.open,
    )


def distance(machine: Machine, testbed: EdgeTestbed, budget: float = 1.0) -> Experiment:
    """Return the experiment on the distance in which a car stops, by who sees the obstacle and over which link.

    The picture is one that takes the whole way: where there is a choice, the small network is not sure. A hybrid
    answers at its deadline at the latest. The arguments are those of `time`.
    """
    calibration, team, backend = machine.calibration("offload"), testbed.team, testbed.backend
    alone = predicted.alone(calibration, team.widths[0])

    def parts(strategy, round_trip, rate, deadline):
        """Return the seconds until the answer: before the link, and for it."""
        if strategy == DRIVER:
            return DRIVER_S, 0.0
        if strategy == EDGE:
            return alone, 0.0
        asked = sum(predicted.split(calibration, backend, _spec(round_trip, rate, 0), team.widths[1], 0).values())
        if strategy == CLOUD:
            return 0.0, asked
        return alone, max(min(asked, deadline - alone), 0.0)

    def predict(strategy, speed, round_trip, rate, deadline):
        near, far = (predicted.travelled(seconds, speed) for seconds in parts(strategy, round_trip, rate, deadline))
        stop = predicted.braking(speed)
        note = "Measured of drivers who did not expect to brake." if strategy == DRIVER else ""
        return Outcome(near + far + stop, "m", low=stop + (near + far) / (1 + BAND),
                       high=stop + (near + far) / (1 - BAND),
                       parts={"seeing": near, "waiting for the cloud": far, "braking": stop}, note=note)

    def measure(strategy, speed, round_trip, rate, deadline):
        if strategy == DRIVER:
            return Unavailable("You are not in a car.")
        try:
            with testbed.open():
                seconds = _whole_way(testbed, strategy, _spec(round_trip, rate, 0), deadline,
                                     calibration.reference_seconds, budget)
        except (NoAnswer, HelperFailed) as trouble:
            return Unavailable(str(trouble))
        stop = predicted.braking(speed)
        value, low, high = (stop + predicted.travelled(s, speed) for s in (seconds.value, seconds.low, seconds.high))
        return Outcome(value, "m", low=low, high=high, note="The answer is measured, the car is computed.")

    return Experiment(
        title="How far the car goes",
        quantity="Stopping distance",
        unit="m",
        axes=[
            Axis("round_trip", "Round trip of the link", ROUND_TRIPS, start=0.047, unit="s", log=True),
            Axis("speed", "Speed of the vehicle", SPEEDS, start=130, unit="km/h"),
            Axis("rate", "Bandwidth of the link", RATES[1:], start=50, unit="Mbit/s", log=True),
            Axis("deadline", "Deadline of the hybrid", DEADLINES, start=0.1, unit="s", log=True),
            Axis("strategy", "Who sees the obstacle", (EDGE, CLOUD, HYBRID, DRIVER), start=CLOUD),
        ],
        predict=predict,
        measure=measure,
        readout="{strategy}: at {speed}, over {round_trip} and {rate}, with a deadline of {deadline}, the car stands "
                "after {value}, of which it brakes for {part:braking}.",
        session=testbed.open,
    )


def turning(machine: Machine, team: Team, backend: str, deadline: float, rate: float = 50) -> float:
    """Return the predicted round trip in seconds from which the cloud's answers miss a deadline."""
    spec = _spec(0.0, rate, 0)
    calibration = machine.calibration("offload")
    asked = predicted.split(calibration, backend, spec, team.widths[1], 0)
    asked[predicted.EDGE] += predicted.alone(calibration, team.widths[0])
    return predicted.turning(asked, deadline)


def break_even(machine: Machine, team: Team, backend: str, slower: int, rate: float = 50) -> float:
    """Return the predicted round trip in seconds up to which the cloud is the faster place for the large network.

    Args:
        machine, team, backend: as in `time`.
        slower: how many times over the edge does its work.
        rate: of the link, in Mbit/s.

    Returns:
        0 where the edge is faster over any link.
    """
    calibration, width = machine.calibration("offload"), team.widths[1]
    asked = predicted.split(calibration, backend, _spec(0.0, rate, 0), width, 0)
    return predicted.turning(asked, predicted.alone(calibration, width, slower))


def links() -> dict[str, dict]:
    """Return published links by name, as points of the sliders; their sources stand in the catalogue."""
    rows = [row for row in catalogue.table("links") if row["kind"] in ("wireless", "wide area")]
    return {row["name"]: {"round_trip": row["latency_s"]} for row in rows if row["latency_s"] in ROUND_TRIPS}


def break_even_table(machine: Machine, team: Team, backend: str) -> TextTable:
    """Return the round trip up to which the cloud is predicted to be faster, by how much slower the edge is."""
    trips = {slower: break_even(machine, team, backend, slower) for slower in (1, 8, 64, 512)}
    return TextTable(["the edge is slower by", "the cloud is faster up to a round trip of"], [
        [f"{slower} times", quantity(trip, "s") if trip else "none: the edge is faster over any link"]
        for slower, trip in trips.items()])


def measured_break_even(comparison: Comparison, round_trip: float, slower: int = 64) -> Outcome | Unavailable:
    """Return the round trip in ms up to which the cloud is faster than a weak edge, from two measured means.

    Args:
        comparison: of `time`.
        round_trip: of the link over which the cloud was measured, in seconds.
        slower: how many times over the edge did its work.
    """
    weak = _measured(comparison, strategy=EDGE_LARGE, slower=slower)
    far = _measured(comparison, strategy=CLOUD, slower=1, round_trip=round_trip)
    if not (weak and far):
        return far if weak else weak
    even = weak.value - (far.value - round_trip)
    margin = (weak.high - weak.low + far.high - far.low) / 2
    return Outcome(1e3 * even, "ms", low=1e3 * (even - margin), high=1e3 * (even + margin))


def farther(stops: Comparison, speed: int) -> Outcome | Unavailable:
    """Return how many metres farther a car at `speed` in km/h goes because it asks the cloud, as it was measured."""
    cloud, edge = (_measured(stops, strategy=strategy, speed=speed) for strategy in (CLOUD, EDGE))
    return Outcome(cloud.value - edge.value, "m") if cloud and edge else edge if cloud else cloud


def _measured(comparison: Comparison, **point) -> Outcome | Unavailable:
    for row in comparison.rows:
        if point.items() <= row.point.items():
            return row.measured
    return Unavailable("This point was not measured.")


def accuracy_table(team: Team) -> TextTable:
    """Return which share of the pictures each strategy is right about."""
    rights = {name: team.accuracy(name) for name in (EDGE, CLOUD, CASCADE)}
    return TextTable(["who answers", "right"], [
        [name, f"{right.value:.1f} % ({right.low:.1f} to {right.high:.1f} %)"] for name, right in rights.items()])


def payload_table(widths: Sequence[int] = (2, 4, 24)) -> TextTable:
    """Return the bytes that are sent for a picture, by where a network of some width is cut."""
    names = ("the picture", "after layer 1", "after layer 2", "after layer 3", "all layers at the edge")
    return TextTable(["sent for one picture", *(f"width {width}" for width in widths)], [
        [name, *(quantity(payload(width, cut), "B") for width in widths)]
        for cut, name in enumerate(names)])


def prediction_table(experiment: Experiment, link: Point) -> TextTable:
    """Return the predicted mean time of an answer over a link, by strategy."""
    return TextTable(["who computes", "predicted mean"], [
        [strategy, written(experiment.predict(strategy=strategy, **link))] for strategy in STRATEGIES])


def fleet_table(machine: Machine, team: Team, devices: int = 1_000, pictures: int = 10) -> TextTable:
    """Return what many devices ask of the link and of the cloud, by arithmetic.

    Args:
        machine, team: as in `time`.
        devices: how many.
        pictures: a second, for each.
    """
    core = predicted.alone(machine.calibration("offload"), team.widths[1])
    rows = []
    for name in (CLOUD, CASCADE):
        asked = 1.0 if name == CLOUD else 1 - team.early
        rows.append([name, f"{8 * devices * pictures * team.sent(name) / 1e6:,.0f} Mbit/s",
                     f"{devices * pictures * asked * core:.1f}"])
    raw = 8 * pictures * 1920 * 1080 * 3 * devices / 1e9
    rows.append(["uncompressed pictures of 1920 × 1080", f"{raw:,.0f} Gbit/s", ""])
    return TextTable([f"{devices:,} devices, {pictures} pictures a second", "up", "busy cores in the cloud"], rows)


def link_table(turn: float) -> TextTable:
    """Return which of the published links keeps the deadline whose turn is at a round trip of `turn` seconds."""
    return TextTable(["link", "round trip", "the answer is"], [
        [name, quantity(point["round_trip"], "s"), "in time" if point["round_trip"] < turn else "too late"]
        for name, point in links().items()])


def _spec(round_trip: float, rate: float, loss: float) -> LinkSpec:
    return LinkSpec(round_trip, rate * 1e6 / 8, loss / 100)


def _mean(testbed, strategy, spec, slower, reference_seconds, budget) -> Outcome:
    """Measure the mean; of a cascade, in two groups that count as they do among all pictures shown."""
    everything = list(range(len(testbed.team.shown)))
    groups = [(1.0, everything)]
    if strategy == CASCADE:
        sure = testbed.team.sure.nonzero().squeeze(1).tolist()
        share = len(sure) / len(everything)
        groups = [(weight, some) for weight, some in ((share, sure), (1 - share, testbed.unsure)) if some]
    return _timed(testbed, strategy, spec, WITHOUT_END, slower, reference_seconds, budget, groups)


def _whole_way(testbed, strategy, spec, deadline, reference_seconds, budget) -> Outcome:
    return _timed(testbed, strategy, spec, deadline, 1, reference_seconds, budget, [(1.0, testbed.unsure)])


def _timed(testbed, strategy, spec, deadline, slower, reference_seconds, budget, groups) -> Outcome:
    """Measure groups of pictures in turn, and the machine's speed, which the link's own time does not share."""
    testbed.link.set_link(spec)
    reference, references = probe.reference(), []
    found: list[list[float]] = [[] for _ in groups]
    with testbed.device(slower) as device:
        testbed.warm_up(device, strategy, deadline)
        turns = [itertools.cycle(some) for _, some in groups]
        start = perf_counter()
        while len(found[0]) < _FEWEST or (perf_counter() < start + budget and len(found[0]) < _MOST):
            report(max(len(found[0]) / _MOST, (perf_counter() - start) / budget), "Answering pictures")
            for times, turn in zip(found, turns, strict=True):
                if strategy == HYBRID:  # it has just asked with success: the worst moment for the link to be slow
                    device.seek(WITHOUT_END)
                answer = testbed.paused(device, strategy, testbed.team.shown.images[next(turn)], deadline)
                references.append(reference())
                times.append(answer.seconds)
    speed = reference_seconds / median(references)
    value = reach = 0.0
    for (weight, _), seconds in zip(groups, found, strict=True):
        value += weight * mean(seconds)
        reach += weight**2 * stdev(seconds) ** 2 / len(seconds)
    reach = Z * reach**0.5
    return Outcome(value, "s", low=value - min(reach, value), high=value + reach, note=drifted(speed),
                   speed=dict.fromkeys(predicted.COMPUTED, speed))


def untrained(widths: tuple[int, int] = (4, 24), early: float = 0.7) -> Team:
    """Return a team whose networks know nothing, sure of a given share of pictures: enough for the time of answers."""
    from labkit.models.datasets import cats

    torch.manual_seed(0)
    small, large = map(CatNet, widths)
    seen, shown = cats.load(400, coats=cats.COATS, seed=61), cats.load(400, coats=cats.COATS, seed=62)
    confidence = float(evaluate(small, seen).confidence.quantile(1 - early))
    return Team(small, large, confidence, seen, shown)


def validation(machine: Machine) -> list[tuple[Experiment, list[Point]]]:
    """Return the experiments with the points that `labkit validate` measures: whole networks over links of all shapes,
    none of which the calibration ran, on every backend that this machine allows.
    """
    shapes = [(0.003, 50), (0.006, 10), (0.02, 100), (0.047, 50), (0.1, 5)]
    points = [dict(strategy=strategy, round_trip=trip, rate=rate, loss=0, slower=1)
              for strategy in (*CUTS, CLOUD, CASCADE) for trip, rate in shapes]
    points += [dict(strategy=strategy, round_trip=0.02, rate=50, loss=0, slower=slower)
               for strategy in (EDGE, EDGE_LARGE, *CUTS) for slower in SLOWER]
    team, calibration = untrained(), machine.calibration("offload")
    return [(time(machine, EdgeTestbed(team, backend), budget=0.7), points) for backend in linking.BACKENDS
            if not calibration.reason("message", backend)]
