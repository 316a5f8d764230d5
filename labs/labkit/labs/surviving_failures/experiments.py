"""Lab 2.6: a training that is killed and goes on, and what a save costs."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from labkit import effort, needs, session
from labkit.distributed.elastic import Kill
from labkit.distributed.saving import WAYS
from labkit.experiment import Axis, Experiment, Point, Unavailable
from labkit.labs.common import banded
from labkit.labs.surviving_failures import measuring
from labkit.labs.surviving_failures.measuring import REPEATING, RESTARTING, SAVING, STARTING, TRAINING
from labkit.machine import Machine
from labkit.measure.probes import failures as probe
from labkit.measure.probes.failures import AGAIN, FIRST, size
from labkit.predict.operators import interpolate
from labkit.units import quantity

ONE, TWO = HOSTS = ("one machine", "two hosts")
KILLS = (0, 1, 2, 3, 4, 8)
EVERY = (5, 10, 20, 40, 80, 160)  # steps between two saves
STEPS = (80, 160, 320, 640, 1280)
SIZES = (256, 384, 512, 768, 1024)  # width of the network that is saved
KILLED = dict(hosts=ONE, kills=1, every=20, steps=160)


def kills(count: int, steps: int, ranks: int) -> list[Kill]:
    """Return where a training is killed: at a random step of each of `count` equal parts, and which rank.

    The dice are the same for every training of as many steps, so that only what differs between two trainings does.
    """
    dice, part = random.Random(f"2026 {count}"), steps / max(count, 1)
    return [Kill(max(1, int(part * (number + dice.random()))), dice.randrange(ranks)) for number in range(count)]


@dataclass(frozen=True)
class Trainings:
    """Trainings of real processes, some of which are killed.

    Args:
        experiment: on the seconds until they are done.
        run: returns what was measured at a point, or why it was not.
    """

    experiment: Experiment
    run: Callable[..., measuring.Training | Unavailable]


def trainings(machine: Machine) -> Trainings:
    """Return the experiment on the time of a training that is killed; raises `ValueError` without the probe."""
    calibration = machine.calibration("failures")
    ranks, train = probe.processes(), measuring.Trainer(calibration.reference_seconds)

    def predict(hosts, kills, every, steps):
        if reason := calibration.reason("step") or _no_host(hosts, ranks):
            return Unavailable(reason)
        first, again, step = (calibration.curve(*key)[0][1]
                              for key in (("starting", FIRST), ("starting", AGAIN), ("step",)))
        save = interpolate(calibration.curve("saving", WAYS[0]), 3 * probe.JOB.gradients())
        parts = {STARTING: first, TRAINING: steps * step, SAVING: steps // every * save, RESTARTING: kills * again,
                 REPEATING: kills * min(every, steps / 2) / 2 * step}
        lost = sum(parts.values()) - first - steps * step
        return banded(parts, note=f"Failures and saves take {quantity(float(f'{lost:.2g}'), 's')} of it.",
                      widening=calibration.widening)

    def run(hosts, kills, every, steps):
        if not (expected := predict(hosts, kills, every, steps)):
            return expected
        return train(hosts == TWO, kills_at(kills, steps), every, steps, ranks)

    def kills_at(count, steps):
        return tuple(kills(count, steps, ranks))

    def measure(**point):
        return found.outcome if (found := run(**point)) else found

    return Trainings(Experiment(
        title="A training that is killed",
        quantity="Time until it is done",
        unit="s",
        axes=[
            Axis("hosts", "Workers on", HOSTS),
            Axis("kills", "Kills", KILLS, start=2),
            Axis("every", "A save every", EVERY, start=20, unit="steps", log=True),
            Axis("steps", "Steps in all", STEPS, start=320, unit="steps", log=True),
        ],
        predict=predict,
        measure=measure,
        readout="{steps} on {hosts}, kills: {kills}, a save every {every}: {value} until it is done.",
    ), run)


def _no_host(hosts: str, ranks: int) -> str:
    return ("Two hosts need two workers at once, and this machine has room for one." if (hosts, ranks) == (TWO, 1)
            else "")


def saves(machine: Machine) -> Experiment:
    """Return the experiment on what a save costs; raises `ValueError` for a machine that lacks the probe."""
    calibration = machine.calibration("failures")

    def predict(way, width):
        if reason := calibration.reason("saving", way):
            return Unavailable(reason)
        return banded({"": interpolate(calibration.curve("saving", way), size(width))},
                      note=f"Weights and Adam's two moments: {quantity(float(f'{size(width):.2g}'), 'B')}.",
                      widening=calibration.widening)

    def measure(way, width):
        if not (expected := predict(way, width)):
            return expected
        return measuring.save(way, width, calibration.reference_seconds)

    return Experiment(
        title="What a save keeps training waiting",
        quantity="Time that training waits",
        unit="s",
        axes=[Axis("way", "Saved", WAYS), Axis("width", "Width of the network", SIZES, start=1024, unit="neurons",
                                               log=True)],
        predict=predict,
        measure=measure,
        readout="A network of four layers, {width} wide, saved {way}: training waits for {value}.",
        session=session.KEPT.open,
    )


def killed_points() -> list[Point]:
    """Return the trainings of the lab: killed, saved often and seldom, and on two hosts.

    With quick effort it is one: on two hosts where this machine allows them.
    """
    two = dict(KILLED, hosts=TWO)
    if effort.current() == effort.QUICK:
        return [two if probe.processes() == 2 and not needs.missing(("emulated hosts",)) else KILLED]
    return [KILLED, dict(KILLED, kills=2, every=5), dict(KILLED, kills=2, every=80), two]


def save_points() -> list[Point]:
    """Return the saves of the lab: every way at sizes that were not calibrated, with quick effort at the larger."""
    widths = effort.pick(quick=(768,), usual=(384, 768), long=(384, 768))
    return [dict(way=way, width=width) for way in WAYS for width in widths]


def validation(machine: Machine) -> list[tuple[Experiment, list[Point]]]:
    """Return what `labkit validate` measures of this lab."""
    several = [dict(KILLED, kills=count, every=every) for count, every in ((0, 20), (1, 40), (2, 10), (3, 20))]
    return [(trainings(machine).experiment, several), (saves(machine), save_points())]
