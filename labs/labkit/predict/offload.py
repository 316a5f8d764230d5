"""How long an answer takes when an edge device and the cloud share the work, and how far a car goes meanwhile.

The parts follow each other: layers at the edge, a message over the link (Hockney's latency and bandwidth,
doi:10.1016/S0167-8191(06)80021-9), layers in the cloud, the answer. Nobody else uses the link or the cloud, so nothing
queues. Where to cut a network is the question of Kang et al. 2017 (doi:10.1145/3037697.3037698); letting the easy
examples leave early is the idea of Teerapittayanon et al. 2016 (doi:10.1109/ICPR.2016.7900006).
"""

from __future__ import annotations

from collections.abc import Sequence

from labkit.predict import links
from labkit.predict.layers import datasheet
from labkit.predict.operators import interpolate
from labkit.specs import network
from labkit.specs.calibration import Calibration
from labkit.specs.link import LinkSpec

HEAD, ANSWER = 16, 28  # bytes of a message's head, and of an answer (labkit.offload.wire; held by a test)
LATENCY, BYTES, LOSSES = "the link's round trip", "the bytes", "lost packets"
EDGE, CLOUD, MESSAGES = "layers at the edge", "layers in the cloud", "sending and receiving"
PARTS = (EDGE, MESSAGES, LATENCY, BYTES, LOSSES, CLOUD)
COMPUTED = (EDGE, MESSAGES, CLOUD)  # the parts that take longer on a slower machine; the others are the link's own


def compute(calibration: Calibration, layers: Sequence[network.Layer], times: int = 1) -> float:
    """Return the seconds of some layers for one picture on one core that was idle before.

    Args:
        calibration: what `labkit.measure.probes.offload` found.
        layers: in order; none take no time.
        times: how many times over they run.
    """
    if not layers:
        return 0.0
    alone = sum(interpolate(calibration.curve("layer", layer.kind), layer.probed_channels) for layer in layers)
    return times * alone + interpolate(calibration.curve("waking"), len(layers))


def alone(calibration: Calibration, width: int, slower: int = 1) -> float:
    """Return the seconds of an answer when the edge has the whole network; the arguments are those of `split`."""
    return compute(calibration, network.cats(width), slower)


def message(calibration: Calibration, backend: str, spec: LinkSpec, size: int) -> dict[str, float]:
    """Return the parts of the seconds from sending `size` bytes to having the answer, without any computing."""
    return {
        MESSAGES: links.seconds(calibration.curve("message", backend), HEAD + size),
        LATENCY: spec.round_trip,
        BYTES: spec.transfer(HEAD + size) + spec.transfer(ANSWER),
        LOSSES: spec.waiting(HEAD + size) + spec.waiting(ANSWER),
    }


def split(calibration: Calibration, backend: str, spec: LinkSpec, width: int, cut: int, slower: int = 1,
          cloud: tuple[float, float] | None = None) -> dict[str, float]:
    """Return the parts of an answer's seconds, with the first `cut` layers of a network at the edge.

    Args:
        calibration: what `labkit.measure.probes.offload` found.
        backend: how the link is emulated.
        spec: the link.
        width: of the network.
        cut: how many of its layers run at the edge.
        slower: how many times over the edge does its work.
        cloud: FLOP/s and bytes/s of a cloud that is known from its datasheet; this machine unless given.
    """
    layers = network.cats(width)
    parts = {EDGE: compute(calibration, layers[:cut], slower)}
    if cut < len(layers):
        there = layers[cut:]
        parts |= message(calibration, backend, spec, network.payload(width, cut))
        parts[CLOUD] = sum(datasheet(there, 1, *cloud).values()) if cloud else compute(calibration, there)
    return parts


def cascade(calibration: Calibration, backend: str, spec: LinkSpec, widths: tuple[int, int], early: float,
            deadline: float, slower: int = 1, cloud: tuple[float, float] | None = None) -> dict[str, float]:
    """Return the parts of an answer's seconds on average, when a small network asks the cloud where it is not sure.

    A cloud that cannot keep the deadline is not asked: then the small network's answer stands.

    Args:
        widths: of the small and the large network.
        early: the share of pictures for which the small network is sure.
        deadline: seconds for the whole way.
        The others are those of `split`.
    """
    small, large = widths
    parts = {EDGE: alone(calibration, small, slower)}
    asked = split(calibration, backend, spec, large, 0, cloud=cloud)
    if parts[EDGE] + usual(asked) <= deadline:
        parts |= {name: (1 - early) * seconds for name, seconds in asked.items() if name != EDGE}
    return parts


def usual(parts: dict[str, float]) -> float:
    """Return the seconds of an answer for which no packet is lost."""
    return sum(seconds for name, seconds in parts.items() if name != LOSSES)


def turning(parts: dict[str, float], deadline: float) -> float:
    """Return the round trip in seconds at which an answer with these parts just keeps a deadline; 0 if none does."""
    return max(0.0, deadline - (usual(parts) - parts[LATENCY]))


def braking(speed: float) -> float:
    """Return the metres in which a passenger car must at least be able to stop from `speed` in km/h.

    UN Regulation No. 13-H, annex 3: 0.1 v + 0.0060 v², for v in km/h; the first term is the time that the brakes need
    to act, the second a deceleration of 6.43 m/s². The test is from 100 km/h.

    Raises:
        ValueError: a speed that is not a number from 0 up.
    """
    if not 0 <= speed < float("inf"):
        raise ValueError(f"A car's speed is from 0 km/h up, not {speed}.")
    return 0.1 * speed + 0.0060 * speed**2


def travelled(seconds: float, speed: float) -> float:
    """Return the metres that a car at `speed` in km/h goes in some seconds."""
    return seconds * speed / 3.6
