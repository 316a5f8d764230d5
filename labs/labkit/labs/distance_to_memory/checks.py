"""The self-checks of Lab 4.3, *Distance to memory*."""

from __future__ import annotations

from labkit.checks import Verdict, number, on_slider
from labkit.labs.distance_to_memory import at_scale
from labkit.predict import boards, memory_ladder


def waiting(answer: float | None, size: float, bandwidth: float, latency: float) -> Verdict:
    """Check the least seconds until weights of `size` bytes are there, over a bandwidth (bytes/s) and a latency (s)."""
    return number(answer, sum(memory_ladder.waiting(size, bandwidth, latency, 1).values()), tolerance=0.01, hint=(
        "The latency, and the bytes over the bandwidth: both in bytes, or both in bits."))


def trip(answer: float | None, near: float, far: float, size: float, bandwidth: float) -> Verdict:
    """Check the longest round trip in seconds over which asking is worth it; arguments as of `memory_ladder.worth`."""
    return number(answer, memory_ladder.worth(near, far, size, bandwidth), tolerance=0.01, hint=(
        "Take from the near answer what the far one takes, and the sending: what is left may be spent on the way."))


def least_bandwidth(answer: float | None, near: str, picture: str) -> Verdict:
    """Check the least bandwidth in Mbit/s on the slider of `at_scale.worth` with which asking can be worth it."""
    worth = at_scale.worth()
    enough = [rate for rate in at_scale.BITS if worth.predict(rate=rate, near=near, picture=picture)]
    return on_slider(answer, at_scale.BITS, lambda rate: rate == enough[0], right="and then only over a short way.",
                     hint=f"Take {near}, and step the bandwidth up until the page shows a round trip.")


def stays(answer: float | None, slow: tuple[float, float], fast: tuple[float, float]) -> Verdict:
    """Check the seconds that no clock shortens; arguments as of `boards.two_clocks`."""
    return number(answer, boards.two_clocks(slow, fast)[1], tolerance=0.01, hint=(
        "Write the time as cycles / clock + rest, once for each clock, and solve for the rest."))
