"""A language model on accelerators: the memory it takes, the time to its first token and for each, and who can write.

Reading a prompt (*prefill*) multiplies all its tokens at once: arithmetic. Writing (*decode*) takes a step for each
token of all users together; it reads the weights once, and of each user the cache of all tokens so far. The roofline
(Williams et al. 2009, doi:10.1145/1498765.1498785) with what is reached of the two peaks. The accelerators hold equal
parts of everything (tensor parallelism), and exchange what they found twice a layer. While one prompt is read, all
others wait: with users who come again and again, a token of each takes a step and the reading that falls on it.

Valid where no smaller model guesses tokens ahead, where prompts are read anew (no shared beginning is kept), and where
every expert of a mixture is asked equally often. It knows no queue: `rate` holds while all users fit the memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from labkit.inputs import above_zero, whole
from labkit.specs.language_model import LanguageModel

WEIGHT = {"bf16": 2.0, "fp8": 1.0, "fp4": 0.5625}  # bytes; NVFP4 has a scale of 8 bits for 16 numbers
NUMBER = {"bf16": 2.0, "fp8": 1.0, "fp4": 1.0}  # bytes of a number in the cache beside such weights
PASSED = 2.0  # bytes of a number that accelerators exchange: bf16
# What is reached of the peak and of the bandwidth. Fitted once, to TensorRT-LLM's 20 rows of Llama 8B in
# data/llm-serving.csv (a test does it again); every other row tests them.
ARITHMETIC, BANDWIDTH = 0.58, 0.78
LINK = 0.55  # of the links' bandwidth that sums reach: all-gather and reduce-scatter, 8 × H100, data/collectives.csv
RUNTIME = 4.9 * 2**30  # bytes on each accelerator beside weights and cache: vLLM with Llama 8B, data/llm-memory.csv
USED = 0.9  # of the memory is what vLLM takes unless told otherwise: its option gpu-memory-utilization
EXCHANGES = 2  # sums over all accelerators in a layer: after attention, and after the rest (Shoeybi et al. 2019)


@dataclass(frozen=True)
class System:
    """Accelerators that hold a model together.

    Args:
        flops: peak of one in the format of the weights, in FLOP/s.
        bandwidth, memory: of one, in bytes/s and bytes.
        link: bytes/s that one sends to the others.
        count: how many.
    """

    flops: float
    bandwidth: float
    memory: float
    link: float
    count: int = 1

    def __post_init__(self):
        above_zero(flops=self.flops, bandwidth=self.bandwidth, memory=self.memory)
        whole(count=self.count)
        if self.count > 1:
            above_zero(link=self.link)


def memory(model: LanguageModel, system: System, format: str, tokens: float) -> dict[str, float]:
    """Return the bytes of all accelerators together that weights, the cache of `tokens` tokens and the rest take."""
    return {"weights": model.parameters * WEIGHT[format],
            "cache": tokens * model.layers * model.cached * NUMBER[format],
            "activations and runtime": system.count * RUNTIME}


def room(model: LanguageModel, system: System, format: str, length: float) -> int:
    """Return how many users of `length` tokens each find room, 0 where the weights themselves do not fit."""
    above_zero(length=length)
    taken = memory(model, system, format, length)
    left = USED * system.count * system.memory - taken["weights"] - taken["activations and runtime"]
    return max(math.floor(left / taken["cache"]), 0)


def reading(model: LanguageModel, system: System, format: str, prompt: float) -> dict[str, float]:
    """Return the parts of the seconds in which a prompt of so many tokens is read alone: the time to its first token.

    A token of the prompt looks back at half of it on average.
    """
    weights = model.read(prompt) * WEIGHT[format] / (system.count * BANDWIDTH * system.bandwidth)
    arithmetic = prompt * model.flop(prompt / 2) / (system.count * ARITHMETIC * system.flops)
    return {"weights": max(weights - arithmetic, 0.0), "arithmetic": arithmetic,
            "exchange": prompt * _exchange(model, system)}


def step(model: LanguageModel, system: System, format: str, users: float, context: float) -> dict[str, float]:
    """Return the parts of the seconds in which each of `users` gets a token, with `context` tokens in its cache."""
    each = system.count * BANDWIDTH * system.bandwidth
    arithmetic = users * 2 * model.active / (system.count * ARITHMETIC * system.flops)
    return {"weights": max(model.read(users) * WEIGHT[format] / each - arithmetic, 0.0), "arithmetic": arithmetic,
            "cache": users * context * model.layers * model.cached * NUMBER[format] / each,
            "exchange": users * _exchange(model, system)}


def each_token(model: LanguageModel, system: System, format: str, prompt: float, answer: float,
               users: float) -> dict[str, float]:
    """Return the parts of the mean seconds between two tokens of a user, while `users` ask again and again.

    Each gets `answer` tokens for a prompt; in that time every other user's prompt is read once.
    """
    parts = step(model, system, format, users, prompt + answer / 2)
    return parts | {"prompts of others": users * sum(reading(model, system, format, prompt).values()) / answer}


def rate(model: LanguageModel, system: System, format: str, prompt: float, answer: float, users: float) -> float:
    """Return the tokens a second that all users get together."""
    above_zero(prompt=prompt, answer=answer, users=users)
    return users / sum(each_token(model, system, format, prompt, answer, users).values())


def joules(watts: float, rate: float) -> float:
    """Return the joules of a million tokens, of accelerators that take so many watts and write `rate` a second."""
    return 1e6 * watts / rate


def price(hourly: float, rate: float) -> float:
    """Return what a million tokens cost, in the money in which `hourly` is an hour of all accelerators."""
    return 1e6 * hourly / 3600 / rate


def _exchange(model: LanguageModel, system: System) -> float:
    """Return the seconds that the sums of a token take: a ring sends each number twice, but for its own share."""
    if system.count == 1:
        return 0.0
    sent = 2 * (system.count - 1) / system.count * model.width * PASSED
    return EXCHANGES * model.layers * sent / (LINK * system.link)
