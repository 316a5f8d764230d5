"""Training the small language model on text that Python ships, and letting it write: alone, and for many at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from labkit import device as devices
from labkit.inputs import above_zero, whole
from labkit.models import training
from labkit.models.networks.transformer import Cache, Transformer
from labkit.progress import report
from labkit.specs.batching import Read, Request, schedule
from labkit.specs.language_model import CONTEXT, VOCABULARY

TOKENS, BATCH = 128, 8  # of an example, and examples in a step
HELD = 20_000  # bytes of the text that training does not see
LR, WARM_UP = 4e-3, 8  # the learning rate, and the steps until it is reached


def text() -> bytes:
    """Return the help texts of Python itself (`help("topics")`), under Python's own licence: about 400 kB.

    Runs of spaces and line ends are one space: a model that has seen little writes nothing but them else.
    """
    from pydoc_data.topics import topics

    return " ".join(" ".join(topics[name] for name in sorted(topics)).split()).encode()


def encode(prompt: str | bytes, device: torch.device | None = None) -> Tensor:
    """Return a prompt as tokens (bytes,): any byte is one, whether it is text or not."""
    return torch.tensor(list(prompt.encode() if isinstance(prompt, str) else prompt), dtype=torch.int64, device=device)


def decode(tokens: Sequence[int]) -> str:
    """Return tokens as text; bytes that are none come out as �."""
    return bytes(tokens).decode(errors="replace")


def letters(data: bytes) -> float:
    """Return the loss in nats a byte of whoever knows how often each byte comes, and nothing else."""
    counts = torch.bincount(encode(data), minlength=VOCABULARY).double()
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * shares.log()).sum())


def train(network: Transformer, data: bytes, *, seconds: float, seed: int = 0) -> list[float]:
    """Train a network in place for some seconds; return the loss in nats a byte of every step.

    On a processor one thread does it: so small a model gains little from more, and threads that wait for each other
    lose much where something else runs.

    Raises:
        ValueError: fewer bytes than an example has, or no time.
    """
    above_zero(seconds=seconds)
    if len(data) <= TOKENS:
        raise ValueError(f"Training needs more than {TOKENS} bytes of text, not {len(data)}.")
    devices.settle()
    with devices.threads(1):
        return _train(network, data, seconds, seed)


def _train(network, data, seconds, seed) -> list[float]:
    device = network.head.weight.device
    tokens, order = encode(data, device), torch.Generator().manual_seed(seed)
    adam, span = training.optimiser(network, LR), torch.arange(TOKENS + 1, device=device)
    losses, begin, spent = [], perf_counter(), 0.0
    network.train()
    while spent < 1:
        for group in adam.param_groups:
            group["lr"] = LR * min(1, (len(losses) + 1) / WARM_UP) * (1 + math.cos(math.pi * spent)) / 2
        starts = torch.randint(len(tokens) - TOKENS, (BATCH, 1), generator=order).to(device)
        examples = tokens[starts + span]
        adam.zero_grad()
        loss = cross_entropy(network(examples[:, :-1]).flatten(0, 1), examples[:, 1:].flatten())
        loss.backward()
        adam.step()
        losses.append(loss.item())
        spent = (perf_counter() - begin) / seconds
        report(min(spent, 1.0), "Training")
    network.eval()
    return losses


@torch.inference_mode()
def loss(network: Transformer, data: bytes) -> float:
    """Return the loss in nats a byte on a text, in pieces of the length that training saw."""
    tokens = encode(data, network.head.weight.device)
    pieces = tokens[: len(tokens) // (TOKENS + 1) * (TOKENS + 1)].view(-1, TOKENS + 1)
    return float(cross_entropy(network(pieces[:, :-1]).flatten(0, 1), pieces[:, 1:].flatten()))


@torch.inference_mode()
def with_cache(network: Transformer, prompt: Tensor, count: int) -> tuple[list[int], Tensor]:
    """Write `count` tokens after a prompt, the likeliest each time; return them and all scores (count, 256)."""
    whole(count=count)
    cache = Cache(network, places=1)
    scores = [network.read(cache, 0, prompt)]
    while len(scores) < count:
        scores.append(network.write(cache, scores[-1].argmax()[None])[0])
    return [int(each.argmax()) for each in scores], torch.stack(scores)


@torch.inference_mode()
def without_cache(network: Transformer, prompt: Tensor, count: int) -> tuple[list[int], Tensor]:
    """Do as `with_cache`, and read everything anew for every token."""
    whole(count=count)
    tokens, scores = prompt, []
    for _ in range(count):
        scores.append(network(tokens[None])[0, -1])
        tokens = torch.cat([tokens, scores[-1].argmax()[None]])
    return [int(each.argmax()) for each in scores], torch.stack(scores)


@torch.inference_mode()
def sample(network: Transformer, prompt: str, count: int, *, temperature: float = 0.7, seed: int = 0) -> str:
    """Return a prompt and `count` bytes after it, drawn by their probabilities; lower temperatures dare less."""
    whole(count=count)
    above_zero(temperature=temperature)
    cache, order = Cache(network, places=1), torch.Generator().manual_seed(seed)
    scores, written = network.read(cache, 0, encode(prompt, network.head.weight.device)), []
    while len(written) < count:
        drawn = torch.multinomial((scores.cpu() / temperature).softmax(0), 1, generator=order)
        written.append(int(drawn))
        if cache.lengths[0] == CONTEXT:
            break
        scores = network.write(cache, drawn.to(scores.device))[0]
    return prompt + decode(written)


@dataclass(frozen=True)
class Served:
    """What became of some requests.

    Args:
        answers: the tokens of each.
        seconds: of all together.
        first, each: seconds from the start to the first token, by request, and from one to the next.
    """

    answers: list[list[int]]
    seconds: float
    first: list[float]
    each: list[float]


def serve(network: Transformer, requests: Sequence[tuple[Tensor, int]], places: int, way: str) -> Served:
    """Answer requests that all wait at the start, as `labkit.predict.batching.schedule` says.

    Args:
        network: that writes, the likeliest token each time.
        requests: the prompt of each (tokens,), and how many tokens it is answered with.
        places: answers that are written at once.
        way: of batching.
    """
    cache, device = Cache(network, places), network.head.weight.device
    last = torch.zeros(places, dtype=torch.int64, device=device)  # the last token at each place
    answers, times, at = [[] for _ in requests], [[] for _ in requests], [0] * places
    begin = perf_counter()
    for part in schedule([Request(len(prompt), answer) for prompt, answer in requests], places, way):
        if isinstance(part, Read):
            at[part.place] = part.request
            last[part.place] = network.read(cache, part.place, requests[part.request][0]).argmax()
            written = (part.place,)
        else:
            last, written = network.write(cache, last, part.places).argmax(1), part.places
        now, tokens = perf_counter() - begin, last.tolist()
        for place in written:
            answers[at[place]].append(tokens[place])
            times[at[place]].append(now)
    return Served(answers, perf_counter() - begin, [moments[0] for moments in times],
                  [(moments[-1] - moments[0]) / (len(moments) - 1) for moments in times if len(moments) > 1])
