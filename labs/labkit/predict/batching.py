"""How requests share the steps of a language model: in whole batches, or each as soon as a place is free.

A step writes a token at every place. *Static* batching fills the places, and fills them again when the longest answer
is done. *Continuous* batching fills a place as soon as it is free (Yu et al. 2022, Orca, OSDI).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from labkit.inputs import whole

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


class Played(NamedTuple):
    """Seconds of a whole schedule: reading prompts, and writing; and the tokens of all answers."""

    reading: float
    writing: float
    tokens: int


def play(requests: Sequence[Request], places: int, way: str, reading: Callable[[int], float],
         writing: Callable[[float], float]) -> Played:
    """Return how long a schedule takes by the predicted time of each of its parts.

    Args:
        requests, places, way: as in `schedule`.
        reading: returns the seconds of reading a prompt of so many tokens.
        writing: returns the seconds of a step, by the longest of its answers so far with its prompt.

    Raises:
        ValueError: no place, another way, or a request without a token to read or to write.
    """
    whole(places=places)
    if way not in WAYS:
        raise ValueError(f"Requests are batched in a {' or '.join(WAYS)} way, not {way!r}.")
    for request in requests:
        whole(**request._asdict())
    lengths, prompts, steps = [0] * places, 0.0, 0.0
    for part in schedule(requests, places, way):
        if isinstance(part, Read):
            lengths[part.place] = requests[part.request].prompt
            prompts += reading(lengths[part.place])
        else:
            steps += writing(max(lengths))
            for place in part.places:
                lengths[place] += 1
    return Played(prompts, steps, sum(request.answer for request in requests))
