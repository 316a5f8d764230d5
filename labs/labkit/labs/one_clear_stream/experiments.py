"""Lab 3.5: what a second voice does to a recogniser, and how many clear streams one core follows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate

import numpy as np

from labkit.experiment import Axis, Experiment, Outcome, Point, Unavailable
from labkit.labs.common import banded
from labkit.labs.hundreds_of_instances import measuring
from labkit.labs.hundreds_of_instances.experiments import best_batch
from labkit.labs.one_clear_stream.listening import Recogniser, pairs
from labkit.machine import Machine
from labkit.measure.instances import BATCHES, OWN, SHARED
from labkit.measure.probes import hearing
from labkit.measure.probes.instances import NETWORKS
from labkit.models.datasets import digits
from labkit.predict import instances as predicted
from labkit.predict.operators import interpolate
from labkit.session import KEPT
from labkit.specs.calibration import Calibration
from labkit.units import quantity

RATIOS = (-10, -6, -3, 0, 3, 6, 10, 20)  # dB by which the wanted voice is the louder
ONE, EACH = MICROPHONES = ("one for both", "one each")
APART = 20  # dB by which a voice is softer in the other's microphone: our assumption, for two headsets in a room
WAYS = (BATCHES, SHARED, OWN)
HOPS = (0.02, 0.05, 0.1, 0.2, 0.5)  # s
DEADLINES = (0.02, 0.05, 0.1, 0.2)  # s
CORES = (1, 2, 4, 8, 16, 32, 64)
STREAMS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
HEARING, RECOGNISING = "making its picture", "the network"
EQUAL = dict(ratio=0, microphones=ONE)
START = dict(way=SHARED, hop=0.1, deadline=0.05)
FOLLOWED = [START, dict(START, way=BATCHES), dict(START, way=OWN), dict(START, hop=0.02), dict(START, hop=0.5)]


def voices(recogniser: Recogniser, noise: Mapping[int, Outcome | Unavailable]) -> Experiment:
    """Return the experiment on the digits that are recognised while another voice says another one.

    The prediction takes the other voice for noise: what disturbs is its loudness.

    Args:
        recogniser: that learned from single voices.
        noise: what it gets right in noise, by dB.
    """
    missing = [outcome for outcome in noise.values() if not outcome]

    def predict(ratio, microphones):
        if missing:
            return missing[0]
        softer = ratio + (APART if microphones == EACH else 0)
        low, value, high = (float(np.interp(softer, list(noise), [getattr(outcome, part)
                                                                  for outcome in noise.values()]))
                            for part in ("low", "value", "high"))
        return Outcome(value, "%", low=low, high=high)

    def measure(ratio, microphones):
        wanted, other = pairs()
        softer = ratio + (APART if microphones == EACH else 0)
        return recogniser.right(digits.mixed(wanted.sound, other.sound, softer), wanted.digits)

    return Experiment(
        title="A digit while another voice speaks",
        quantity="Digits recognised",
        unit="%",
        axes=[
            Axis("ratio", "The wanted voice is louder by", RATIOS, start=0, unit="dB"),
            Axis("microphones", "Microphones", MICROPHONES),
        ],
        predict=predict,
        measure=measure,
        readout="The wanted voice is {ratio} louder than the other, microphones: {microphones}. If the other were "
                "noise, {value} of the digits would be recognised.",
    )


def clip(calibration: Calibration, way: str, streams: int, deadline: float) -> float:
    """Return the seconds of the core that a clip takes, infinite where no answer can be in time.

    Args:
        calibration: what the probe `hearing` found.
        way: one of `WAYS`.
        streams: how many there are.
        deadline: seconds.
    """
    if way == BATCHES:
        return best_batch(calibration.curve(BATCHES), deadline)[0]
    seconds = interpolate(calibration.curve(OWN), 1 if way == SHARED else min(streams, NETWORKS[-1]))
    return seconds if seconds <= deadline else math.inf


def most(calibration: Calibration, way: str, hop: float, deadline: float) -> int:
    """Return the most streams that one core follows, each with a clip every `hop` seconds; the rest as in `clip`."""
    counts = range(1, NETWORKS[-1] + 1) if way == OWN else (1,)  # else any number of streams shares one network
    times = (clip(calibration, way, streams, deadline) for streams in counts)
    known = [*accumulate(times, max)]  # with more streams a clip takes no less time, however disturbed a calibration is
    return predicted.served(lambda streams: known[min(streams, len(known)) - 1], hop)


def followed(machine: Machine) -> Experiment:
    """Return the experiment on the number of clear streams that one core follows.

    Raises:
        ValueError: a machine that lacks the probe `hearing`.
    """
    calibration = machine.calibration("hearing")

    def predict(way, hop, deadline):
        if not (count := most(calibration, way, hop, deadline)):
            return Unavailable(f"Not one stream is followed: an answer has {quantity(deadline, 's')}, and the next "
                               f"clip comes after {quantity(hop, 's')}.")
        return banded({"": count}, "streams", widening=calibration.widening)

    def measure(way, hop, deadline):
        if not (expected := predict(way, hop, deadline)):
            return expected
        if reason := measuring.refusal(way, count := int(expected.value), 0.0):
            return Unavailable(reason)
        batch = best_batch(calibration.curve(BATCHES), deadline)[1] if way == BATCHES else 1
        found = measuring.in_time(way, hearing.opened, hop, deadline, False, count,
                                  calibration.reference_seconds, batch)
        return found and replace(found, unit="streams")

    return Experiment(
        title="Clear streams that one core follows",
        quantity="Streams",
        unit="streams",
        axes=[
            Axis("way", "Followed by", WAYS, start=SHARED),
            Axis("hop", "Each stream is listened to every", HOPS, start=0.1, unit="s", log=True),
            Axis("deadline", "Deadline of an answer", DEADLINES, start=0.05, unit="s", log=True),
        ],
        predict=predict,
        measure=measure,
        readout="Followed by {way}, listened to every {hop}, each answer within {deadline}: {value}.",
        session=KEPT.open,
    )


def load(machine: Machine) -> Experiment:
    """Return the experiment on how busy cores are with some streams; it is predicted alone. As for `followed`.

    Each core follows as many as one does: what they share, such as the bandwidth of memory, is left out.
    """
    calibration = machine.calibration("hearing")
    picture = max(calibration.curve(BATCHES)[0][1] - calibration.curve(hearing.NETWORK)[0][1], 0.0)  # s

    def predict(streams, cores, hop, way):
        room = cores * most(calibration, way, hop, START["deadline"])
        if not streams:
            return Unavailable(f"Without a stream there is nothing to follow. Up to {room:,} would fit.")
        if streams > room:
            return Unavailable(f"{streams:,} streams are too many for {quantity(cores, 'cores')}, if each is listened "
                               f"to every {quantity(hop, 's')}: {room:,} would fit.")
        each = clip(calibration, way, math.ceil(streams / cores), START["deadline"])
        busy, share = 100 * streams * each / hop / cores, min(picture / each, 1.0)
        return banded({HEARING: share * busy, RECOGNISING: (1 - share) * busy}, "%", f"{room:,} would fit.",
                      widening=calibration.widening)

    return Experiment(
        title="Cores that follow streams",
        quantity="Busy",
        unit="%",
        axes=[
            Axis("streams", "Clear streams", STREAMS, start=100, unit="streams"),
            Axis("cores", "Cores like this one", CORES, unit="cores", log=True),
            Axis("hop", "Each stream is listened to every", HOPS, start=0.1, unit="s", log=True),
            Axis("way", "Followed by", WAYS, start=SHARED),
        ],
        predict=predict,
        readout="{streams}, each listened to every {hop}, followed by {way}, keep {cores} busy for {value} of the "
                "time.",
    )


def validation(machine: Machine) -> list[tuple[Experiment, list[Point]]]:
    """Return the experiment with the points that `labkit validate` measures: no stream was followed to calibrate."""
    return [(followed(machine), [dict(way=way, hop=hop, deadline=deadline) for way in WAYS
                                 for hop in (0.05, 0.1, 0.2) for deadline in (0.02, 0.05)])]
