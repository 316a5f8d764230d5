"""How fast a language model can write at best: weights and conversations that come from memory for every token.

A step writes one token for each conversation of the batch. It reads all weights once, and of each conversation what it
remembers of every token so far (the key-value cache), and it multiplies by every weight once for each conversation. The
larger of the two times is the floor: the roofline (Williams et al. 2009, doi:10.1145/1498765.1498785). The operations
of attention itself, and whatever passes between several cards, come on top. It is a floor for dense models that write
one token a step: not for mixtures of experts, nor where a smaller model guesses tokens ahead.
"""

from __future__ import annotations

import math

from labkit.inputs import above_zero


def step(weights: float, conversation: float, flop: float, batch: int, flops: float, bandwidth: float) -> dict:
    """Return the parts of the least seconds in which each of `batch` conversations gets its next token.

    Args:
        weights: bytes of weights, read once a step.
        conversation: bytes that one conversation remembers.
        flop: operations for one token: 2 for each parameter.
        batch: conversations, from 1 up.
        flops: operations/s of the card.
        bandwidth: bytes/s of its memory.

    Raises:
        ValueError: an amount that is negative or not finite, no weights, speed or conversation.
    """
    above_zero(weights=weights, flop=flop, flops=flops, bandwidth=bandwidth)
    if not (math.isfinite(conversation) and conversation >= 0 and batch >= 1):
        raise ValueError(f"A step needs one conversation or more, of 0 bytes or more, not {batch} of {conversation!r}.")
    reading = {"weights": weights / bandwidth, "conversations": batch * conversation / bandwidth}
    arithmetic = {"arithmetic": batch * flop / flops}
    return max(reading, arithmetic, key=lambda parts: sum(parts.values()))


def prompt(flop: float, tokens: int, flops: float) -> float:
    """Return the least seconds for reading a prompt of `tokens` tokens at once: arithmetic; arguments as above."""
    above_zero(flop=flop, flops=flops)
    if tokens < 1:
        raise ValueError(f"A prompt has one token or more, not {tokens}.")
    return tokens * flop / flops


def held(memory: float, weights: float, conversation: float) -> int:
    """Return how many conversations find room beside the weights: 0 where the weights themselves do not fit."""
    above_zero(memory=memory, weights=weights, conversation=conversation)
    return max(math.floor((memory - weights) / conversation), 0)
