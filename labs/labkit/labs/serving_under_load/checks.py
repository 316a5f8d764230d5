"""The self-checks of Lab 3.3, *Serving under load*."""

from __future__ import annotations

from labkit.checks import SLACK, Verdict, holds, number
from labkit.labs.serving_under_load import experiments as lab
from labkit.machine import Machine
from labkit.predict import queueing


def inside(answer: float | None, rate: float, seconds: float) -> Verdict:
    """Check how many requests are in the server on average, at a rate and with a mean time in seconds."""
    return number(answer, rate * seconds, tolerance=0.05, hint=(
        "Little's law: what is inside is what comes in a second, times how long it stays in seconds."))


def waits(answer: float | None, load: float) -> Verdict:
    """Check the mean wait in service times when requests are served one at a time and all take the same time."""
    return number(answer, queueing.pollaczek_khinchine(load, 1.0), tolerance=0.02, hint=(
        "With ρ the share of its time that the server is busy, Pollaczek and Khinchine say ρ (1 + c²) / (2 (1 - ρ)) "
        "service times, and c is 0 where the service never varies."))


def fastest(answer: float | None, machine: Machine, deadline: float) -> Verdict:
    """Check the highest rate of the slider at which p99 is within a deadline in seconds, in batches of 4 at most."""
    server = lab.service(machine)

    def kept(rate):
        queue = queueing.Queue(rate, lab.MAX_BATCH, max_queue=lab.MAX_QUEUE)
        return lab.play(server, queue).percentile(99)[0] <= deadline

    good = [rate for rate in lab.rates(machine) if kept(rate)]
    if not good:
        return holds(answer, lambda rate: rate == 0, expected="0", right="here no rate keeps it.", hint=(
            "On this machine not even the lowest rate of the slider keeps that deadline: the answer is 0."))
    return number(answer, max(good), tolerance=0.005, hint=(
        "Choose p99 in the Explorer, batches of up to 4, no window and one replica; answer with the rate below the "
        "slider, the highest with a time within the deadline."))


def setting(answer: tuple[int, float] | None, machine: Machine, rate: float) -> Verdict:
    """Check the limit of a batch and the window in seconds that give the shortest p99 at a rate, within 5 %."""
    server = lab.service(machine)

    def p99(max_batch, window):
        return lab.play(server, queueing.Queue(rate, max_batch, window, lab.MAX_QUEUE)).percentile(99)[0]

    best = p99(*lab.shortest(machine, rate))

    def fits(pair):
        max_batch, window = pair
        if max_batch not in lab.MAX_BATCHES or window not in lab.WINDOWS:
            raise ValueError(f"the limits are {lab.MAX_BATCHES}, the windows {lab.WINDOWS} s")
        reached = p99(max_batch, window)
        return reached <= SLACK * best, f"p99 is {1e3 * reached:.1f} ms."

    expected = f"a setting with a p99 of {1e3 * SLACK * best:.1f} ms or less"
    return holds(answer, fits, expected=expected, right="none of the slider's settings is faster.", hint=(
        f"Some setting brings p99 to {1e3 * best:.1f} ms. Move one slider at a time, and answer (limit, window)."))
