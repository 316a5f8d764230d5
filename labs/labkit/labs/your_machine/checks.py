"""The self-checks of Lab 1.1, *Your machine*: each asks the reader's own profile."""

from __future__ import annotations

from labkit.checks import Verdict, holds, not_here, number, on_slider
from labkit.labs.common import memory_bandwidth, product_rates
from labkit.labs.your_machine.experiments import SETS
from labkit.machine import Machine
from labkit.predict import links
from labkit.predict.roofline import ridge
from labkit.units import quantity

FACTOR = 2.0  # a reading off a curve, and a measurement against a roofline, may be this far off
_ADDED = 2**24  # numbers in each array of exercise 5


def operations_a_number(answer: float | None, machine: Machine) -> Verdict:
    """Check how many fp32 operations the machine must do with each number from memory to stay busy."""
    expected = 4 * ridge(product_rates(machine)["fp32"], memory_bandwidth(machine))
    return number(answer, expected, tolerance=0.15, hint=(
        "Divide the best rate in 32 bit by the bandwidth of memory, the right end of the ladder: that is operations "
        "for each byte. A 32-bit number has four of them."))


def fastest_format(answer: str | None, machine: Machine) -> Verdict:
    """Check the name of the number format with the highest rate."""
    rates = product_rates(machine)
    top = max(rates.values())

    right = f"no other format is faster by a tenth or more than {answer}."
    return on_slider(answer, tuple(rates), lambda name: rates[name] > 0.9 * top, right=right, hint=(
        "Set the slider to the largest matrices and step through the number formats, or read the bars."))


def cached(answer: int | None, machine: Machine) -> Verdict:
    """Check the largest set in bytes that is still read at twice the bandwidth of memory or more."""
    from labkit.labs.your_machine.experiments import reads

    experiment = reads(machine)
    within = [size for size in SETS if experiment.predict(size=size).value >= 2 * memory_bandwidth(machine)]
    expected = max(within, default=0)
    right = f"beyond about {quantity(expected, 'B')} memory decides." if within else "no set is read that fast here."
    return holds(answer, lambda size: expected / FACTOR <= size <= expected * FACTOR,
                 expected=f"{expected / FACTOR:,.0f} to {expected * FACTOR:,.0f} bytes", right=right, hint=(
        "Start the slider at the right end and go left until the bandwidth is at least twice what it was there. "
        "Answer in bytes: 2**20 is 1 MiB; 0 if it never is."))


def half_latency(answer: float | None, machine: Machine) -> Verdict:
    """Check the bytes of a message at which as much time goes into the bytes as into the latency."""
    found = machine.calibration("loopback")
    if reason := found.reason("message"):
        return not_here(reason)
    expected = links.half_size(found.curve("message"))
    return holds(answer, lambda size: expected / FACTOR**2 <= size <= expected * FACTOR**2,
                 expected=f"{expected / FACTOR**2:,.0f} to {expected * FACTOR**2:,.0f} bytes",
                 right=f"Hockney's n½ of your machine is {expected:,.0f} bytes, and you are near it.", hint=(
        "Multiply the latency, the time of the shortest message, by the bandwidth, the bytes a second of the longest. "
        "The breakdown under the curve shows both parts equal there."))


def addition(answer: tuple[float, float] | None, machine: Machine) -> Verdict:
    """Check the pair of seconds, predicted and measured, of adding two arrays of 2²⁴ 32-bit numbers into a third."""

    expected = 3 * 4 * _ADDED / memory_bandwidth(machine)

    def fits(pair):
        predicted, measured = pair
        if not expected / FACTOR <= predicted <= expected * FACTOR:
            raise ValueError("the prediction is not what memory's bandwidth gives: two arrays are read and one is "
                             "written, of 4 bytes a number")
        return predicted / 4 <= measured <= predicted * 4

    floor = f"{expected / FACTOR:.2g} to {expected * FACTOR:.2g} s, and a time within a factor of 4 of it"
    right = "an addition does one operation for 12 bytes: memory alone decides."
    return holds(answer, fits, expected=floor, right=right, hint=(
        "Time torch.add(a, b, out=c) with labkit.timing.clock.time, on arrays that exist before the clock starts. On "
        "a GPU, put them there and give sync=torch.cuda.synchronize, or nothing will have happened yet."))
