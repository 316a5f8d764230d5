"""Lab 3.6: a small language model on this machine: its first token, each further one, and many answers at once."""

from __future__ import annotations

import random
from functools import cache

from labkit import effort
from labkit.experiment import Axis, Comparison, Experiment, Outcome, Point, Unavailable
from labkit.labs.common import banded, drifted, like, measured, times
from labkit.machine import Machine
from labkit.measure import generation
from labkit.measure.probes.generation import LENGTHS, LOOKING, PRODUCTS, READING, STEP
from labkit.predict import batching
from labkit.predict.batching import Played
from labkit.predict.operators import interpolate, layer_time
from labkit.specs.batching import CONTINUOUS, STATIC, WAYS, Request
from labkit.specs.calibration import Calibration
from labkit.specs.language_model import own, own_cache
from labkit.specs.network import FLOAT
from labkit.units import quantity

WEIGHTS, ATTENTION, CHANGING = "products with the weights", "attention", "changing between the two"
PROMPT, ANSWER = "reading prompts", "writing answers"
WITH, WITHOUT = CACHES = ("with a cache", "without a cache")
WIDTHS = (128, 256, 512, 1024)
USERS = (1, 2, 4, 8, 16)
CONTEXTS = (32, 128, 256, 448)
ALIKE, SPREAD = ANSWERS = ("all 48 tokens", "8 to 192 tokens")
ONE = dict(width=1024, users=1, context=128, cache=WITH)
SMALL = dict(width=256, places=8, answers=SPREAD)
LONGEST_S = 1.5  # of a step that is measured
SERVED_S = 12.0  # of a run of requests that is measured
_REQUESTS = 32  # in a run
_PROMPTS = (16, 32, 64)


def seconds_a_point() -> float:
    """Return the seconds for which a point is measured, by the effort that holds now."""
    return effort.pick(quick=0.15, usual=0.6, long=2.0)


# Predictions


def products(calibration: Calibration, width: int, tokens: float) -> float:
    """Return the seconds of the products with all weights, for so many tokens at once."""
    return layer_time(calibration.group(PRODUCTS), width, tokens)


def _like(calibration: Calibration, width: int, tokens: float) -> generation.Like:
    """Return the calibrated products that are most like those of so many tokens."""
    return generation.Like(*like(calibration.group(PRODUCTS), width, tokens))


def looking_back(calibration: Calibration, width: int, users: int, context: float) -> float:
    """Return the seconds in which a token of each user looks back at `context` tokens in the cache."""
    curves = calibration.group(LOOKING)
    seconds = {places: layer_time({known: curve for (known, at), curve in curves.items() if at == places}, width,
                                  context) for places in sorted({places for _, places in curves})}
    return interpolate([[places, seconds[places]] for places in seconds], users)


def writing(calibration: Calibration, width: int, users: int, context: float) -> dict[str, float]:
    """Return the parts of a step that writes a token for each user, who looks back at `context` tokens in the cache."""
    short = LENGTHS[0]
    whole = layer_time(calibration.group(STEP), width, short)
    apart = products(calibration, width, 1) + looking_back(calibration, width, 1, short)
    return {WEIGHTS: products(calibration, width, users),
            ATTENTION: looking_back(calibration, width, users, context),
            CHANGING: max(whole - apart, 0.0)}


def reading(calibration: Calibration, width: int, tokens: float, users: int = 1) -> dict[str, float]:
    """Return the parts of reading so many tokens of each user at once: a prompt, or all so far without a cache."""
    return {WEIGHTS: products(calibration, width, users * tokens),
            ATTENTION: users * layer_time(calibration.group(READING), width, tokens)}


def each(machine: Machine) -> Experiment:
    """Return the experiment on the time of each token after the first: of a step, in which every user gets one.

    Args:
        machine: this machine, with what the probe `generation` finds.

    Raises:
        ValueError: a machine that lacks the probe.
    """
    calibration = machine.calibration("generation")

    def predict(width, users, context, cache):
        part = (writing(calibration, width, users, context) if cache == WITH else
                reading(calibration, width, context, users))
        weights = FLOAT * own(width).parameters
        kept = f" beside {quantity(own_cache(width, users * context), 'B')} of cache" if cache == WITH else ""
        rate = float(f"{users / sum(part.values()):.2g}")
        return banded(part, widening=calibration.widening,
                      note=f"{quantity(rate, 'tokens/s')} for all, from {quantity(weights, 'B')} of weights{kept}.")

    def measure(width, users, context, cache):
        if (expected := predict(width, users, context, cache).value) > LONGEST_S:
            return Unavailable(f"A step would take about {quantity(expected, 's')}: too long to wait.")
        run = generation.writing if cache == WITH else generation.recomputing
        kind = _like(calibration, width, users if cache == WITH else users * context)
        return measured(*run(width, users, context, kind, budget=seconds_a_point()))

    return Experiment(
        title="Time of each further token",
        quantity="Time of a token",
        unit="s",
        axes=[
            Axis("width", "Width of the model", WIDTHS, start=1024),
            Axis("users", "Users at once", USERS, unit="users", log=True),
            Axis("context", "Each has so far", CONTEXTS, start=128, unit="tokens", log=True),
            Axis("cache", "Keys and values", CACHES),
        ],
        predict=predict,
        measure=measure,
        readout="Width {width}, {users} with {context} each, {cache}: a token of each takes {value}, of which "
                f"{{part:{ATTENTION}}} is attention.",
    )


def first(machine: Machine) -> Experiment:
    """Return the experiment on the time to the first token of a user who is alone; as for `each`."""
    calibration = machine.calibration("generation")

    def predict(width, prompt):
        parts = reading(calibration, width, prompt)
        longer = sum(parts.values()) / sum(writing(calibration, width, 1, prompt).values())
        return banded(parts, widening=calibration.widening,
                      note=f"As long as {quantity(float(f'{longer:.2g}'), 'further tokens')}.")

    def measure(width, prompt):
        if (expected := predict(width, prompt).value) > LONGEST_S:
            return Unavailable(f"Reading would take about {quantity(expected, 's')}: too long to wait.")
        return measured(*generation.reading(width, prompt, _like(calibration, width, prompt),
                                             budget=seconds_a_point()))

    return Experiment(
        title="Time to the first token",
        quantity="Time to first token",
        unit="s",
        axes=[Axis("width", "Width of the model", WIDTHS, start=1024),
              Axis("prompt", "Prompt", CONTEXTS, start=128, unit="tokens", log=True)],
        predict=predict,
        measure=measure,
        readout="Width {width}, a prompt of {prompt}: the first token comes after {value}.",
    )


def requests(answers: str) -> tuple[Request, ...]:
    """Return requests whose answers are of one length, or of many, with prompts of 16 to 64 tokens: always the same."""
    return _drawn(answers)[:effort.pick(quick=24, usual=_REQUESTS, long=_REQUESTS)]


@cache
def _drawn(answers: str) -> tuple[Request, ...]:
    draw = random.Random(36)
    spread = [min(8 + int(draw.expovariate(1 / 40)), 192) for _ in range(_REQUESTS)]
    return tuple(Request(draw.choice(_PROMPTS), 48 if answers == ALIKE else length) for length in spread)


def played(calibration: Calibration, width: int, places: int, way: str, answers: str) -> Played:
    """Return how long the requests take by the predicted time of every prompt and every step."""
    prompts = {tokens: sum(reading(calibration, width, tokens).values()) for tokens in _PROMPTS}
    return batching.play(requests(answers), places, way, prompts.__getitem__,
                         lambda longest: sum(writing(calibration, width, places, longest + 1).values()))


def serving(machine: Machine) -> Experiment:
    """Return the experiment on the tokens a second of many answers, by how they are batched; as for `each`."""
    calibration = machine.calibration("generation")

    def predict(width, places, way, answers):
        run = played(calibration, width, places, way, answers)
        share = run.reading / (run.reading + run.writing)
        return banded({"": run.tokens / (run.reading + run.writing)}, "tokens/s", widening=calibration.widening,
                      note=f"{quantity(float(f'{100 * share:.2g}'), '%')} of the time goes into reading prompts.")

    def measure(width, places, way, answers):
        run = played(calibration, width, places, way, answers)
        if (expected := run.reading + run.writing) > SERVED_S:
            return Unavailable(f"The requests would take about {quantity(expected, 's')}: too long to wait.")
        served, speed = generation.serving(width, requests(answers), places, way,
                                           _like(calibration, width, places))
        return Outcome(run.tokens / served.seconds, "tokens/s", note=drifted(speed), speed=speed)

    return Experiment(
        title="Many answers at once",
        quantity="Tokens of all together",
        unit="tokens/s",
        axes=[
            Axis("width", "Width of the model", WIDTHS, start=256),
            Axis("places", "Answers at once, at most", USERS, start=8, log=True),
            Axis("way", "Batching", WAYS),
            Axis("answers", "Answers of", ANSWERS, start=SPREAD),
        ],
        predict=predict,
        measure=measure,
        readout="Width {width}, {places} answers at once, {way} batching, answers of {answers}: {value}.",
    )


def cache_memory() -> Experiment:
    """Return the experiment on the memory that a cache of full length takes: 512 tokens for each user."""

    def predict(width, users):
        return Outcome(own_cache(width, users * 512), "B")

    def measure(width, users):
        expected = predict(width, users).value
        if not 2**26 <= expected <= 2**29:
            return Unavailable(f"{quantity(expected, 'B')} cannot be told here from what else the process takes, or is "
                               "more than a lab should: 64 to 512 MiB are measured.")
        return Outcome(generation.cache_bytes(width, users), "B")

    return Experiment(
        title="Memory of the cache",
        quantity="Memory",
        unit="B",
        axes=[Axis("width", "Width of the model", WIDTHS, start=1024),
              Axis("users", "Users at once", (1, 4, 16, 64), start=16, unit="users", log=True)],
        predict=predict,
        measure=measure,
        readout="Width {width}, {users} of 512 tokens each: {value}.",
    )


# What the lab looks at


def token_points() -> list[Point]:
    """Return the steps that the lab measures."""
    points = [dict(ONE, **change) for change in (
        {}, dict(width=256), dict(users=16), dict(context=448), dict(users=16, context=448),
        dict(width=256, cache=WITHOUT), dict(width=256, context=448), dict(width=256, context=448, cache=WITHOUT))]
    more = [dict(ONE, width=128), dict(ONE, width=512, users=4, context=256)]
    return points + effort.pick(quick=[], usual=more, long=more)


def prompt_points() -> list[Point]:
    """Return the prompts that the lab measures."""
    return [dict(width=width, prompt=prompt) for width, prompt in ((1024, 128), (256, 32), (256, 448))]


def serving_points() -> list[Point]:
    """Return the runs of many requests that the lab measures: each way of batching, answers alike and not."""
    points = [dict(SMALL, way=way, answers=answers) for answers in reversed(ANSWERS) for way in WAYS]
    one = [dict(SMALL, places=1, way=STATIC)]
    return points + effort.pick(quick=[], usual=one, long=one)


def gain(comparison: Comparison, half: str = "measured", answers: str = SPREAD) -> Outcome | Unavailable:
    """Return how many times the tokens a second of static batching the continuous one brings."""
    return times(comparison, dict(answers=answers, places=8, way=CONTINUOUS),
                 dict(answers=answers, places=8, way=STATIC), half)


def over(comparison: Comparison, more: Point, less: Point, half: str = "measured") -> Outcome | Unavailable:
    """Return how many times as long as at one point of `each` a token takes at another, by what differs from `ONE`."""
    return times(comparison, {**ONE, **more}, {**ONE, **less}, half)


def validation(machine: Machine) -> list[tuple[Experiment, list[Point]]]:
    """Return the experiments with the points that `labkit validate` measures: none of them was calibrated."""
    steps = [dict(width=width, users=users, context=context, cache=WITH)
             for width in WIDTHS for users in (1, 2, 8) for context in (32, 256)]
    anew = [dict(width=width, users=1, context=context, cache=WITHOUT) for width in (128, 256) for context in (32, 256)]
    prompts = [dict(width=width, prompt=prompt) for width in WIDTHS for prompt in (32, 128)]
    many = [dict(width=width, places=places, way=way, answers=answers)
            for width in (128, 256) for places in (2, 8) for way in WAYS for answers in ANSWERS]
    caches = [dict(width=1024, users=users) for users in (4, 16)]
    return [(each(machine), steps + anew), (first(machine), prompts), (serving(machine), many),
            (cache_memory(), caches)]
