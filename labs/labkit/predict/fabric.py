"""The switches that join nodes so that all can send at full rate at once: a fat tree of equal switches.

With switches of k ports one joins k ends, two tiers join k²/2, three join k³/4; of each tier below the last, half the
ports lead up (Al-Fares et al. 2008, doi:10.1145/1402958.1402967).
"""

from __future__ import annotations


def fabric_ports(ends: float, ports: float) -> float:
    """Return the switch ports of a network that is nowhere narrower, for so many ends.

    Args:
        ends: links from nodes, at most `most_ends(ports)`.
        ports: of one switch.
    """
    if ends <= ports:
        return ends
    return 3 * ends if ends <= ports**2 / 2 else 5 * ends


def most_ends(ports: float) -> float:
    """Return how many ends three tiers of switches with so many ports join."""
    return ports**3 / 4
