"""The self-checks of Lab 3.6, *Language models*."""

from __future__ import annotations

from labkit.checks import SLACK, Verdict, holds, number, on_slider
from labkit.experiment import Experiment
from labkit.labs.language_models.at_scale import system
from labkit.predict import language_model as predicted
from labkit.specs.batching import WAYS, Request, Write, schedule
from labkit.specs.language_model import PUBLISHED


def cache_bytes(answer: float | None, model: str, users: int, tokens: int, size: float) -> Verdict:
    """Check the bytes of the cache of some users with so many tokens each, in numbers of `size` bytes."""
    network = PUBLISHED[model]
    return number(answer, users * tokens * network.layers * network.cached * size, tolerance=0.02, hint=(
        "A token leaves a key and a value in every layer: layers × cached numbers × bytes of a number. Then "
        "times tokens and users. Answer in bytes."))


def active_floor(answer: float | None, model: str, card: str, format: str) -> Verdict:
    """Check the most tokens a second for one user, if nothing but reading the active weights took time."""
    machine = system(card, format, 1)
    most = machine.bandwidth / (PUBLISHED[model].active * predicted.WEIGHT[format])
    return number(answer, most, tolerance=0.03, hint=(
        "The bytes that a token uses are the active parameters times the bytes of each. Divide the bandwidth by that."))


def steps(answer: int | None, requests: list[tuple[int, int]], places: int) -> Verdict:
    """Check how many steps static batching takes for requests of (prompt, answer), in batches of `places`."""
    batches = [requests[start: start + places] for start in range(0, len(requests), places)]
    return number(answer, sum(max(length for _, length in batch) - 1 for batch in batches), tolerance=0, hint=(
        "Each batch runs until its longest answer is done. The first token comes with the prompt, so that an answer of "
        "n tokens takes n - 1 steps."))


def most_users(answer: int | None, tokens: Experiment, width: int, context: int, limit: float) -> Verdict:
    """Check the most users on the slider whose tokens are all predicted within `limit` seconds; 0 for none."""
    kept = tokens.axis("cache").start
    times = {users: tokens.predict(width=width, users=users, context=context, cache=kept).value
             for users in tokens.axis("users").values}
    most = max((users for users, seconds in times.items() if seconds <= limit), default=0)
    near = {users for users, seconds in times.items() if limit / SLACK <= seconds <= limit * SLACK}
    return on_slider(answer, (0, *times), lambda users: users == most or users in near, right="all of them read along.",
                     hint="Set width and context as the exercise says, and move the users until a token takes longer "
                          "than the limit. The answer is a number of users on the slider, or 0.")


def better(answer: list[tuple[int, int]] | None) -> Verdict:
    """Check eight requests (prompt, answer) for which continuous batching at four places saves no step."""
    def same(pairs) -> bool:
        requests = [Request(int(prompt), int(length)) for prompt, length in pairs]
        if len(requests) != 8 or not all(1 <= part <= 256 for request in requests for part in request):
            raise ValueError("eight pairs of a prompt and an answer, each of 1 to 256 tokens")
        counts = [sum(isinstance(part, Write) for part in schedule(requests, 4, way)) for way in WAYS]
        return counts[0] == counts[1]

    return holds(answer, same, expected="as [(8, 5)] * 4 + [(8, 9)] * 4: alike within each batch of four",
                 right="no place is ever free while another still writes.", hint=(
                     "Continuous batching gains the steps in which places stand idle. When does none?"))
