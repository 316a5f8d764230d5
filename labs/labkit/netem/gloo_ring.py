"""How long gloo's ring takes over a link that has a round trip and a rate. No torch, no I/O.

A ring of n processes cuts a message into n chunks, and every process sends 2 (n - 1) of them on, one after the other
(Patarasuk and Yuan 2009, doi:10.1016/j.jpdc.2008.09.002). gloo cuts each chunk into two segments or more, of 1 MiB at
most, and has two of them on their way at a time (gloo/allreduce.cc, `maxSegmentSize`). The receiver first tells that it
is ready, and then the data comes: a round trip for every two segments.
"""

from __future__ import annotations

from labkit.specs.link import LinkSpec

SEGMENT = 2**20  # bytes at most


def round_trips(size: int, processes: int) -> int:
    """Return how many round trips an all-reduce of `size` bytes has to wait for."""
    segments = max(2, -(-size // (SEGMENT * processes)))  # of each chunk
    return (processes - 1) * segments


def sending(size: int, processes: int, spec: LinkSpec) -> float:
    """Return the seconds for which each process's link is busy with its share of the message.

    Headers do not count: they are less than 1 % of packets of 9,000 bytes and more, as clusters send.
    """
    return 2 * (processes - 1) / processes * size / spec.rate


def waiting(size: int, processes: int, spec: LinkSpec) -> float:
    """Return the seconds of an all-reduce in which the link carries nothing of it."""
    return round_trips(size, processes) * spec.round_trip
