"""How long a schedule of a language model's requests takes, by the predicted time of each of its parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from labkit.inputs import whole
from labkit.specs.batching import WAYS, Read, Request, schedule


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
