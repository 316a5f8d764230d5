"""What a link is asked to be, in the words of netem (round trip, rate, loss), and what a message weighs on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real

# A packet of 1,500 bytes, the usual for Ethernet, less 20 bytes for IPv4 (RFC 791), 20 for TCP (RFC 9293) and 12 for
# TCP's time stamps (RFC 7323).
HEADERS = 52
SEGMENT = 1500 - HEADERS  # bytes of a message that one packet carries
RETRANSMISSION_S = 0.2  # the least time after which Linux sends a packet again (TCP_RTO_MIN, include/net/tcp.h)
DUPLICATES = 3  # packets that must arrive after a lost one until the sender notices the gap (RFC 5681, section 3.2)


@dataclass(frozen=True)
class LinkSpec:
    """A link between an edge device and the cloud, the same in both directions.

    Args:
        round_trip: seconds that an empty message and its answer travel; half of it in each direction.
        rate: bytes a second in each direction, headers included; infinite for no limit.
        loss: the share of packets that are lost, 0 to below 1.

    Raises:
        ValueError: a number that no link has.
    """

    round_trip: float = 0.0
    rate: float = math.inf
    loss: float = 0.0

    def __post_init__(self):
        for name in ("round_trip", "rate", "loss"):
            if isinstance(getattr(self, name), bool) or not isinstance(getattr(self, name), Real):
                raise ValueError(f"A link's {name} must be a number, not {getattr(self, name)!r}.")
        if not 0 <= self.round_trip < math.inf:
            raise ValueError(f"A link's round trip takes from 0 s up, not {self.round_trip} s.")
        if not self.rate > 0:
            raise ValueError(f"A link's rate is above 0 B/s, not {self.rate} B/s: where nothing passes, cut "
                             "the link instead.")
        if not 0 <= self.loss < 1:
            raise ValueError(f"A link loses a share of its packets from 0 to below 1, not {self.loss}.")

    def transfer(self, size: int) -> float:
        """Return the seconds for which a message of `size` bytes keeps the link busy, headers included."""
        return on_the_wire(size) / self.rate

    def stall(self, behind: int) -> float:
        """Return the seconds for which a lost packet holds up a message in which `behind` packets follow it.

        Where enough of them arrive, TCP sees the gap and sends the packet again, which costs a round trip. Else it
        first has to wait.
        """
        return self.round_trip + (RETRANSMISSION_S if behind < DUPLICATES else 0.0)

    def waiting(self, size: int) -> float:
        """Return the seconds for which a message of `size` bytes is held up by losses, on average.

        A packet that is sent again may be lost again.
        """
        lost = self.loss / (1 - self.loss)
        return lost * sum(self.stall(behind) for behind in range(packets(size)))


def packets(size: int) -> int:
    """Return how many packets a message of `size` bytes takes, one at least."""
    return max(1, -(-size // SEGMENT))


def on_the_wire(size: int) -> int:
    """Return the bytes of a message of `size` bytes with the headers of its packets."""
    return size + HEADERS * packets(size)
