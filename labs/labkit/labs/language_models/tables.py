"""The tables of Lab 3.6, and the numbers that it states of them."""

from __future__ import annotations

from labkit.display import TextTable, written
from labkit.experiment import Comparison, Outcome, Unavailable, ratio
from labkit.labs.common import at
from labkit.labs.language_models import at_scale
from labkit.labs.language_models import experiments as lab
from labkit.specs.language_model import own, own_cache
from labkit.specs.network import FLOAT
from labkit.units import percent, quantity


def work(width: int = 1024, tokens: int = 128) -> TextTable:
    """Return what reading a prompt and writing one more token ask of a machine."""
    model = own(width)
    rows = []
    for what, count in ((f"reading {tokens} tokens", tokens), ("writing one token", 1)):
        flop, moved = count * model.flop(tokens / 2 if count > 1 else tokens), FLOAT * model.parameters
        moved += own_cache(width, tokens)
        rows.append([what, quantity(flop, "FLOP"), quantity(moved, "B"), f"{flop / moved:.1f} FLOP/B"])
    return TextTable(["", "operations", "bytes of weights and cache", "intensity"], rows)


def tokens(comparison: Comparison) -> TextTable:
    """Return the measured and predicted steps, and the rate at which the weights were read if each is read once."""
    rows = []
    for row in comparison.rows:
        point, weights = row.point, FLOAT * own(row.point["width"]).parameters
        pace = quantity(weights / row.measured.value, "B/s") if row.measured else ""
        rows.append([str(point["width"]), str(point["users"]), str(point["context"]), point["cache"],
                     written(row.predicted), written(row.measured), pace,
                     "" if row.error is None else percent(row.error)])
    return TextTable(["width", "users", "tokens so far", "keys and values", "predicted", "measured", "weights at",
                      "error"], rows)


def first_over_next(first: Comparison, each: Comparison, half: str = "measured") -> Outcome | Unavailable:
    """Return how many times as long as a further token the first takes after 128 tokens, at width 1024."""
    rows = at(first, width=1024, prompt=128), at(each, **lab.ONE)
    return ratio(*(getattr(row, half) for row in rows))


def cache_share(comparison: Comparison) -> Outcome | Unavailable:
    """Return the measured bytes of a cache as a share of those that were counted."""
    row = comparison.rows[0]
    return Outcome(row.measured.value / row.predicted.value, "") if row.measured else row.measured


def told(first: Comparison, each: Comparison, many: Comparison) -> dict[str, str]:
    """Return what the pages on I1 to I3 show of this run, by the key under which they find it."""
    numbers = {"first-over-next": first_over_next(first, each), "continuous-gain": lab.gain(many),
               "batch-16": lab.over(each, dict(users=16), {}),
               "without-cache": lab.over(each, dict(width=256, context=448, cache=lab.WITHOUT),
                                         dict(width=256, context=448))}
    times = {key: f"{value.value:.1f} times" if value else value.reason for key, value in numbers.items()}
    row = at(each, **lab.ONE)
    return times | {"error": percent(each.median_error) if each.errors else "not measured",
                    "one-user": written(row.measured), "dense-error": percent(at_scale.tested().median_error)}
