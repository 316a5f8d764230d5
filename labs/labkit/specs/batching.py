"""How requests share the steps of a language model: in whole batches, or each as soon as a place is free.

A step writes a token at every place. *Static* batching fills the places, and fills them again when the longest answer
is done. *Continuous* batching fills a place as soon as it is free (Yu et al. 2022, Orca, OSDI).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

STATIC, CONTINUOUS = WAYS = ("static", "continuous")


class Request(NamedTuple):
    """Tokens of a prompt, and tokens of its answer."""

    prompt: int
    answer: int


class Read(NamedTuple):
    """The prompt of a request is read, and the first token of its answer is there."""

    place: int
    request: int


class Write(NamedTuple):
    """One step: each of these places gets its next token."""

    places: tuple[int, ...]


def schedule(requests: Sequence[Request], places: int, way: str) -> Iterator[Read | Write]:
    """Yield what a server does one after another with requests that all wait at the start.

    Args:
        requests: in the order of their arrival.
        places: answers that are written at once.
        way: `STATIC` or `CONTINUOUS`.
    """
    waiting, left = deque(enumerate(requests)), [0] * places  # tokens that a place has yet to write
    while waiting or any(left):
        if way == CONTINUOUS or not any(left):
            for place in (place for place in range(places) if not left[place]):
                if waiting:
                    number, request = waiting.popleft()
                    left[place] = request.answer - 1
                    yield Read(place, number)
        if any(left):
            yield Write(tuple(place for place in range(places) if left[place]))
            left = [max(tokens - 1, 0) for tokens in left]
