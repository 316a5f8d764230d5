"""What Lab 4.4 runs: an edge device, a link and a cloud, by several strategies, also while the link is down."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import mean, median
from time import perf_counter, sleep

import torch

from labkit import effort
from labkit.display import TextTable
from labkit.experiment import Outcome, Unavailable
from labkit.machine import Machine
from labkit.measure.probes.offload import PAUSE_S
from labkit.models.datasets.cats import Pictures
from labkit.models.evaluation import evaluate
from labkit.models.networks.cats import CatNet
from labkit.netem import link as linking
from labkit.offload import cloud as clouds
from labkit.offload.edge import CLOUD as BY_CLOUD
from labkit.offload.edge import EDGE as BY_EDGE
from labkit.offload.edge import FALLBACK as BY_FALLBACK
from labkit.offload.edge import Answer, CloudConnection, Device
from labkit.offload.parts import LAYERS as ALL_LAYERS
from labkit.offload.wire import HEAD, NoAnswer
from labkit.processes import HelperFailed
from labkit.session import Session
from labkit.specs.link import LinkSpec, on_the_wire
from labkit.specs.network import payload
from labkit.stats import nearest_rank, wilson
from labkit.units import quantity

EDGE, EDGE_LARGE = "edge, small", "edge, large"
CUTS = {f"cut after {layers}": layers for layers in (1, 2, 3)}
CLOUD, CASCADE, HYBRID = "cloud", "cascade", "hybrid"
LAYERS = {EDGE_LARGE: ALL_LAYERS, **CUTS, CLOUD: 0}  # of the large network that run at the edge
WITHOUT_END = 60.0  # seconds: a deadline that nothing here misses
_WARM_UP = 4  # pictures, until TCP sends a message in one go
_LONG_S, _PATIENCE_S = 0.1, 20.0  # of the message that measures the bandwidth, and of whoever waits for it


@dataclass(frozen=True)
class Team:
    """A small network for the edge, a large one for the cloud, and pictures.

    Args:
        small, large: the networks, on the CPU.
        confidence: the probability from which the small network's answer stands.
        seen: pictures on which the share that leaves early is found, before anything is predicted.
        shown: other pictures, for the measurements.
    """

    small: CatNet
    large: CatNet
    confidence: float
    seen: Pictures
    shown: Pictures

    @property
    def widths(self) -> tuple[int, int]:
        """The networks' channels after the first convolution."""
        return self.small[0].out_channels, self.large[0].out_channels

    @cached_property
    def early(self) -> float:
        """The share of `seen` for which the small network is sure."""
        return float((evaluate(self.small, self.seen).confidence >= self.confidence).double().mean())

    @cached_property
    def sure(self) -> torch.Tensor:
        """Bool (n,): for which of `shown` the small network is sure."""
        return evaluate(self.small, self.shown).confidence >= self.confidence

    @cached_property
    def choices(self) -> dict[str, torch.Tensor]:
        """Int64 (n,) by strategy: what each answers on `shown` when the link is up."""
        small, large = (evaluate(network, self.shown).answers for network in (self.small, self.large))
        return {EDGE: small, **dict.fromkeys(LAYERS, large), CASCADE: torch.where(self.sure, small, large)}

    def accuracy(self, strategy: str) -> Outcome:
        """Return a strategy's share of right answers on `shown` in %, with its 95 % interval."""
        right = int((self.choices[strategy] == self.shown.truth).sum())
        value, low, high = wilson(right, len(self.shown))
        return Outcome(100 * value, "%", low=100 * low, high=100 * high)

    def sent(self, strategy: str) -> float:
        """Return the bytes that a strategy sends for a picture, on average."""
        if strategy == EDGE:
            return 0.0
        size = payload(self.widths[1], LAYERS.get(strategy, 0))
        return (size + HEAD.size if size else 0) * (1 - self.early if strategy == CASCADE else 1)


class EdgeTestbed:
    """An edge device, a link and a cloud that run, for as long as `open` holds them.

    Args:
        team: whose networks they use.
        backend: how the link is emulated; the best that the machine allows unless given.
    """

    def __init__(self, team: Team, backend: str | None = None):
        self.team, self.backend, self._session = team, backend, Session()

    @contextmanager
    def open(self) -> Iterator[EdgeTestbed]:
        """Start everything, or use what an outer block has started."""
        with self._session.open():
            self._session.start("cloud", lambda: clouds.running(self.team.large, self.link))
            yield self

    @property
    def link(self) -> linking.EmulatedLink:
        """The link, while the testbed is open."""
        return self._session.start("link", lambda: linking.emulated_link(backend=self.backend))

    @contextmanager
    def device(self, slower: int = 1) -> Iterator[Device]:
        """Yield a device that can reach the cloud."""
        with Device(self.team.small, self.team.large, self.link.dial, slower) as device:
            yield device

    def answer(self, device: Device, strategy: str, picture: torch.Tensor, deadline: float = WITHOUT_END) -> Answer:
        """Let the device answer one picture by a strategy."""
        if strategy == EDGE:
            return device.alone(picture)
        if strategy in (CASCADE, HYBRID):
            return device.hybrid(picture, self.team.confidence, deadline)
        return device.split(picture, LAYERS[strategy])

    def run(self, strategy: str, spec: LinkSpec, count: int, deadline: float = WITHOUT_END) -> list[Answer]:
        """Answer the first `count` pictures, one after the other, over a link."""
        self.link.set_link(spec)
        with self.device() as device:
            self.warm_up(device, strategy, deadline)
            return [self.paused(device, strategy, picture, deadline) for picture in self.team.shown.images[:count]]

    def paused(self, device, strategy, picture, deadline=WITHOUT_END) -> Answer:
        sleep(PAUSE_S)
        return self.answer(device, strategy, picture, deadline)

    def warm_up(self, device: Device, strategy: str, deadline: float = WITHOUT_END) -> None:
        """Let a strategy answer until its connection is there and TCP sends its messages in one go."""
        if strategy in (CASCADE, HYBRID):
            device.seek(deadline)
        for picture in self.team.shown.images[self.unsure[:_WARM_UP]]:
            self.answer(device, strategy, picture, deadline)

    @property
    def unsure(self) -> list[int]:
        """Which pictures the small network is not sure of; the one that it is least sure of where it is sure of all."""
        unsure = (~self.team.sure).nonzero().squeeze(1).tolist()
        return unsure or [int(evaluate(self.team.small, self.team.shown).confidence.argmin())]


def measured(spec: LinkSpec, backend: str | None = None) -> dict[str, tuple[float, float]]:
    """Lay a link and measure it: return what was asked for and what was found, by quantity.

    The round trip is that of an empty message and its answer, the median of 15; the bandwidth is that of a long
    message, the best of some, its round trip taken off. Both contain what sending and receiving costs the computer.
    """
    with linking.emulated_link(spec, backend) as link, clouds.running(CatNet(1), link), \
            CloudConnection(link.dial) as line:
        trip = median(line.echo(0, _PATIENCE_S) for _ in range(15))
        size = int(min(max(spec.rate * _LONG_S, 2**14), 2**18))
        fastest = min(line.echo(size, _PATIENCE_S) for _ in range(8))
    return {"round trip": (spec.round_trip, trip),
            "bandwidth": (spec.rate, on_the_wire(size) / (fastest - trip))}


@dataclass(frozen=True)
class Watch:
    """What a hybrid did while its link went down and came back.

    Args:
        answers: one for each picture, in order; their seconds count from the moment when the picture came, even if the
            device was still busy with an earlier one.
        moments: when each picture came, in seconds from the start.
        down: from when to when the link was down: the moments of the first picture without it and of the first with it.
    """

    answers: tuple[Answer, ...]
    moments: tuple[float, ...]
    down: tuple[float, float]

    def counts(self) -> dict[str, int]:
        """Return how many answers came from whom."""
        return {by: sum(answer.by == by for answer in self.answers) for by in (BY_EDGE, BY_CLOUD, BY_FALLBACK)}

    def asked_cloud(self, start: float, end: float) -> int:
        """Return how many pictures that were asked for between two moments the cloud answered."""
        return sum(answer.by == BY_CLOUD and start <= moment < end
                   for answer, moment in zip(self.answers, self.moments, strict=True))

    @property
    def recovery(self) -> float | None:
        """Seconds from the link's return to the first picture that the cloud answered again; None if it never did."""
        back = [moment - self.down[1] for answer, moment in zip(self.answers, self.moments, strict=True)
                if answer.by == BY_CLOUD and moment >= self.down[1]]
        return min(back, default=None)


def outage(testbed: EdgeTestbed, spec: LinkSpec, deadline: float, count: int = 150, every: float = 0.02) -> Watch:
    """Let a hybrid answer pictures that come at fixed times; for the middle third the link is down.

    Args:
        testbed: open.
        spec: what the link is while it is up.
        deadline: of the hybrid, in seconds.
        count: pictures.
        every: seconds from one picture to the next.

    Raises:
        NoAnswer: the cloud cannot keep the deadline even while the link is up.
    """
    testbed.link.set_link(spec)
    with testbed.device() as device:
        if not device.seek(deadline):
            raise NoAnswer(f"The cloud does not answer within {deadline:g} s over this link: choose a later deadline.")
        answers, moments, down, start = [], [], [], perf_counter()
        try:
            for place in range(count):
                due = start + place * every
                sleep(max(due - perf_counter(), 0.0))
                if place in (count // 3, 2 * count // 3):
                    (testbed.link.mend if down else testbed.link.cut)()
                    down.append(due - start)
                moments.append(due - start)
                picture = testbed.team.shown.images[place % len(testbed.team.shown)]
                answer = device.hybrid(picture, testbed.team.confidence, deadline)
                answers.append(replace(answer, seconds=perf_counter() - due))
        finally:
            testbed.link.mend()
    return Watch(tuple(answers), tuple(moments), tuple(down))


def in_time(testbed: EdgeTestbed, spec: LinkSpec, deadline: float, count: int = 25) -> float:
    """Return the share in % of pictures that need the cloud and get its answer within the deadline.

    Each is asked for on its own, so that one late answer does not decide over the next.
    """
    testbed.link.set_link(spec)
    kept = 0
    with testbed.device() as device:
        testbed.warm_up(device, CLOUD)
        for picture in itertools.islice(itertools.cycle(testbed.team.shown.images[testbed.unsure]), count):
            sleep(PAUSE_S)
            own, asked = device.alone(picture), device.split(picture, 0)
            kept += own.seconds + asked.seconds <= deadline
    return 100 * kept / count


def percentiles(answers: Sequence[Answer], shares: Sequence[int] = (50, 90, 99)) -> dict[int, float]:
    """Return the seconds that so many percent of the answers did not exceed: always times that occurred."""
    ordered = sorted(answer.seconds for answer in answers)
    return {share: nearest_rank(ordered, share) for share in shares}


def table(team: Team, runs: Mapping[str, Sequence[Answer] | Unavailable]) -> TextTable:
    """Return the strategies side by side: accuracy, percentiles of the time, bytes sent."""
    rows = []
    for strategy, answers in runs.items():
        right = f"{team.accuracy(strategy).value:.1f} %"
        if not answers:
            rows.append([strategy, right, "", "", "", "", answers.reason])
            continue
        times = [quantity(seconds, "s") for seconds in percentiles(answers).values()]
        sent = quantity(mean(answer.sent for answer in answers), "B")
        rows.append([strategy, right, *times, sent, str(len(answers))])
    return TextTable(["who computes", "right", "p50", "p90", "p99", "sent", "answers"], rows)


def every_backend(spec: LinkSpec) -> dict[str, dict[str, tuple[float, float]] | Unavailable]:
    """Return for each backend what was asked of the link and what was found, or why the machine does not allow it.

    Quick effort stops at the first that it allows.
    """
    outcomes = {}
    for backend in linking.BACKENDS:
        if effort.current() == effort.QUICK and any(outcomes.values()):
            outcomes[backend] = Unavailable("Quick effort tries the best backend alone.")
            continue
        try:
            outcomes[backend] = measured(spec, backend)
        except (linking.BackendUnavailable, HelperFailed, NoAnswer, OSError) as refusal:
            outcomes[backend] = Unavailable(str(refusal))
    return outcomes


def backend_table(outcomes: Mapping[str, dict[str, tuple[float, float]] | Unavailable]) -> TextTable:
    """Return what `every_backend` found, beside what was asked for."""
    rows = []
    for backend, outcome in outcomes.items():
        if not outcome:
            rows.append([backend, "not here", outcome.reason])
            continue
        (asked, trip), (wanted, rate) = outcome["round trip"], outcome["bandwidth"]
        rows.append([backend, f"{quantity(trip, 's')} (asked: {quantity(asked, 's')})",
                     f"{8 * rate / 1e6:.0f} Mbit/s (asked: {8 * wanted / 1e6:.0f})"])
    return TextTable(["backend", "round trip", "bandwidth"], rows)


def best_backend(outcomes: Mapping[str, dict[str, tuple[float, float]] | Unavailable], machine: Machine) -> str:
    """Return the first backend that works here and was calibrated; the relay, which works everywhere, if none did."""
    calibration = machine.calibration("offload")
    good = [backend for backend, outcome in outcomes.items() if outcome and not calibration.reason("message", backend)]
    return good[0] if good else list(linking.BACKENDS)[-1]


def over_asked(outcome: dict[str, tuple[float, float]] | Unavailable) -> tuple:
    """Return round trip and bandwidth of a link as multiples of what was asked for, or twice why there are none."""
    if not outcome:
        return outcome, outcome
    (asked, trip), (wanted, rate) = outcome["round trip"], outcome["bandwidth"]
    return trip / asked, rate / wanted


def run_each(testbed: EdgeTestbed, strategies: Sequence[str], spec: LinkSpec,
             count: int) -> dict[str, list[Answer] | Unavailable]:
    """Let each strategy answer the same pictures over a link; the testbed is open."""
    runs = {}
    for strategy in strategies:
        try:
            runs[strategy] = testbed.run(strategy, spec, count)
        except (NoAnswer, HelperFailed) as trouble:
            runs[strategy] = Unavailable(str(trouble))
    return runs


def percentile_of(answers: Sequence[Answer] | Unavailable, share: int) -> float | Unavailable:
    """Return the seconds that so many percent of the answers did not exceed, or why there are none."""
    return percentiles(answers, (share,))[share] if answers else answers


def bytes_share(some: Sequence[Answer] | Unavailable, all_: Sequence[Answer] | Unavailable) -> float | Unavailable:
    """Return the bytes that one strategy sent, as a share of another's for the same pictures."""
    if not (some and all_):
        return all_ if some else some
    return sum(answer.sent for answer in some) / sum(answer.sent for answer in all_)


def sweep_in_time(testbed: EdgeTestbed, round_trips: Sequence[float], rate: float, deadline: float,
                  count: int = 8) -> list[float]:
    """Return the share in % of answers that keep a deadline, for some round trips; 0 where the cloud does not answer.

    Args:
        testbed: open.
        round_trips: of the link, in seconds.
        rate: of the link, in bytes a second.
        deadline: seconds for the whole way.
        count: pictures at each.
    """
    shares = []
    for trip in round_trips:
        try:
            shares.append(in_time(testbed, LinkSpec(trip, rate), deadline, count))
        except NoAnswer:
            shares.append(0.0)
    return shares


def watch_outage(testbed: EdgeTestbed, spec: LinkSpec, deadline: float, count: int = 150) -> Watch | Unavailable:
    """Return what `outage` finds, or why it cannot be tried here."""
    try:
        return outage(testbed, spec, deadline, count)
    except (NoAnswer, HelperFailed) as trouble:
        return Unavailable(str(trouble))


def alone_without_link(testbed: EdgeTestbed) -> str:
    """Return what a device without a network of its own hears when it asks the cloud while the link is down."""
    testbed.link.cut()
    try:
        with testbed.device() as device:
            return f"answered by {device.split(testbed.team.shown.images[0], 0, limit=0.5).by}"
    except NoAnswer as trouble:
        return str(trouble)
    finally:
        testbed.link.mend()


def watch_table(watch: Watch | Unavailable) -> TextTable:
    """Return who answered while the link went down and came back."""
    if not watch:
        return TextTable(["the link went down", ""], [["could not be tried", watch.reason]])
    back = "never" if watch.recovery is None else f"{watch.recovery:.1f} s after the link"
    return TextTable(["answers by", "pictures"], [
        *([who, str(count)] for who, count in watch.counts().items()), ["together", str(len(watch.answers))],
        ["the cloud was back", back]])


def slowest(watch: Watch | Unavailable) -> float | Unavailable:
    """Return the seconds of the slowest answer."""
    return max(answer.seconds for answer in watch.answers) if watch else watch


def answered_while_down(watch: Watch | Unavailable) -> int | Unavailable:
    """Return how many pictures the cloud answered while the link was down."""
    return watch.asked_cloud(*watch.down) if watch else watch


def recovery(watch: Watch | Unavailable) -> float | Unavailable:
    """Return the seconds from the link's return to the cloud's next answer."""
    if not watch:
        return watch
    return Unavailable("The cloud gave no further answer in this time.") if watch.recovery is None else watch.recovery


def turn(round_trips: Sequence[float], shares: Sequence[float]) -> Outcome:
    """Return the round trip in ms at which answers begin to be late, between the last in time and the first late.

    Args:
        round_trips: seconds, rising.
        shares: of answers that were in time, in %, for each.
    """
    good = [trip for trip, share in zip(round_trips, shares, strict=True) if share >= 50]
    bad = [trip for trip, share in zip(round_trips, shares, strict=True) if share < 50]
    low, high = 1e3 * max(good, default=0.0), 1e3 * min(bad, default=round_trips[-1])
    return Outcome((low + high) / 2, "ms", low=min(low, high), high=max(low, high))
