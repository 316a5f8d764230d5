"""How often a model is in memory when it is asked for, and what it costs when it is not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from labkit.inputs import above_zero, whole

_HALVINGS = 60


def zipf(count: int, skew: float) -> list[float]:
    """Return the shares of the requests that ask for each of `count` models, the favourite first.

    The n-th favourite is asked for in proportion to 1 / n**skew, as pages of the web are, with a skew of 0.64 to 0.83
    (Breslau et al. 1999, doi:10.1109/INFCOM.1999.749260).

    Args:
        count: models.
        skew: 0 if all are asked for equally often.

    Raises:
        ValueError: no model, or a negative skew.
    """
    whole(count=count)
    if not 0 <= skew < math.inf:
        raise ValueError(f"A skew is 0 or more, not {skew!r}.")
    weights = [rank**-skew for rank in range(1, count + 1)]
    return [weight / sum(weights) for weight in weights]


def hits(shares: Sequence[float], held: int) -> float:
    """Return the share of the requests that find their model held, if the least recently used one makes room.

    Che's approximation: a model stays for a time T after it was asked for, the same for all, in which as many models
    are asked for as are held (Che, Tung and Wang 2002, doi:10.1109/JSAC.2002.801752, equations 3 to 6).

    Args:
        shares: of the requests, by model; they add up to 1.
        held: models that memory holds, all of one size.

    Raises:
        ValueError: shares that do not add up to 1, or fewer than no models held.
    """
    whole(least=0, held=held)
    if not math.isclose(sum(shares), 1) or min(shares) < 0:
        raise ValueError("The shares of the requests must add up to 1, and none may be negative.")
    return _hits(tuple(shares), held)


@lru_cache(maxsize=4096)
def _hits(shares: tuple[float, ...], held: int) -> float:
    if held >= len(shares):
        return 1.0
    low, high = 0.0, 1.0

    def there(time: float) -> float:
        return sum(-math.expm1(-share * time) for share in shares)

    while there(high) < held:
        high *= 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if there(middle) < held else (low, middle)
    return sum(share * -math.expm1(-share * low) for share in shares)


def mean(answer: float, miss: float, missing: float) -> float:
    """Return the mean seconds of a request.

    Args:
        answer: seconds of one that finds its model in memory.
        miss: seconds of one that must fetch it first.
        missing: the share of the requests that must fetch it, 0 to 1.

    Raises:
        ValueError: seconds that are not above 0, or a share that is none.
    """
    above_zero(answer=answer, miss=miss)
    _share(missing)
    return (1 - missing) * answer + missing * miss


def percentile(percent: float, answer: float, miss: float, missing: float) -> float:
    """Return the seconds that so many per cent of the requests do not exceed, if nothing but fetching varies.

    Fewer misses than the percentile leaves out do not show in it; more, and it is a miss.
    """
    above_zero(answer=answer, miss=miss)
    _share(missing)
    return miss if 100 * missing > 100 - percent else answer


def _share(missing: float) -> None:
    if not 0 <= missing <= 1:
        raise ValueError(f"A share of requests lies from 0 to 1, not {missing!r}.")
