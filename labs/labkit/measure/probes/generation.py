"""What the small language model's two kinds of work cost, each alone: the products with its weights, and attention.

On a processor, one thread does it. Many short operations follow each other, and threads that wait for each other at the
end of each would say more of what else runs than of the model. The products are those of all layers one after another,
so that the weights come from where they do in the model: from memory, where they fit no cache. One short step of each
model is timed whole: what it takes longer than its two parts is the changing between them. All other steps, prompts and
answers are left to the prediction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache

import torch
from torch.nn.functional import scaled_dot_product_attention

from labkit import device as devices
from labkit.measure.probes import operators
from labkit.models.networks.transformer import Cache, Transformer
from labkit.progress import report
from labkit.specs.calibration import Calibration
from labkit.specs.language_model import HEAD, LAYERS, VOCABULARY, own
from labkit.timing import clock
from labkit.timing.drift import DriftCorrected, thinned

SECONDS = 32  # about how long it takes
PRODUCTS, LOOKING, READING, STEP = "products", "looking back", "reading", "step"
WIDTHS = (128, 256, 1024)
TOKENS = (1, 2, 4, 8, 16, 32, 128, 448)  # of which a product is made at once
PLACES, LENGTHS = (1, 16), (16, 128, 448)  # of the cache that a token looks back at
PROMPTS = (16, 64, 256, 448)
LARGEST = 1.5e10  # FLOP of a probe: more would take too long on a small machine
_BUDGET = 0.05
KEYS = (*((kind, width) for kind in (PRODUCTS, READING, STEP) for width in WIDTHS),
        *((LOOKING, width, places) for width in WIDTHS for places in PLACES))


def calibrate(device: torch.device) -> Calibration:
    """Time the products and the attention of the model at some widths.

    Returns:
        `("products", width)`: seconds of all products with weights; the work is the tokens at once.
        `("looking back", width, places)`: seconds in which a token at each place looks back at what is in the cache, in
        all layers; the work is the tokens there at each place. `("reading", width)`: seconds in which the tokens of a
        prompt look at each other, in all layers; the work is the tokens. `("step", width)`: seconds of a whole step of
        one place; the work is the tokens there, the fewest of `LENGTHS`.
    """
    with one_thread():
        return _calibrate(device)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let the processor work on one thread inside the block, with nothing between an operation and the processor."""
    devices.settle()
    with devices.threads(1):
        yield


def _calibrate(device: torch.device) -> Calibration:
    sync, timed = devices.sync(device), DriftCorrected(operators.reference(device), _BUDGET, SECONDS)
    curves = {}
    for done, width in enumerate(reversed(WIDTHS)):  # the widest first: where time is short, what is left is short
        report(done / len(WIDTHS), f"Calibrating: a language model of width {width}")
        some = [count for count in TOKENS if 2 * own(width).parameters * count <= LARGEST]
        network = random_network(width, device)
        curves[PRODUCTS, width] = timed.curve(thinned(some), lambda count, network=network: clock.sampler(
            products(network, count), sync))
        curves[STEP, width] = [[LENGTHS[0], timed(clock.sampler(step(network, 1, LENGTHS[0]), sync))]]
        curves[READING, width] = timed.curve(thinned(PROMPTS), lambda count, width=width: clock.sampler(
            reading(width, count, device), sync))
        for places in PLACES:
            curves[LOOKING, width, places] = timed.curve(thinned(LENGTHS), lambda length, at=(network, places):
                                                         clock.sampler(looking_back(*at, length), sync))
    return timed.calibration(curves)


@lru_cache(maxsize=2)
def random_network(width: int, device: torch.device) -> Transformer:
    """Return a network that has learned nothing: it takes as long as one that has."""
    return Transformer(width).to(device).eval()


def products(network: Transformer, tokens: int) -> Callable[[], None]:
    """Return a call of all that a network does with so many tokens but attention, and of the scores that follow."""
    some = torch.zeros(1, tokens, dtype=torch.int64, device=network.head.weight.device)

    @torch.inference_mode()
    def run():
        network.head(network.through(some, some, lambda layer, queries, keys, values: values))

    return run


def reading(width: int, tokens: int, device: torch.device) -> Callable[[], None]:
    """Return a call of the attention of a prompt in all layers."""
    some = torch.rand(1, width // HEAD, tokens, HEAD, device=device)

    @torch.inference_mode()
    def run():
        for _ in range(LAYERS):
            scaled_dot_product_attention(some, some, some, is_causal=True)

    return run


def looking_back(network: Transformer, places: int, length: int) -> Callable[[], None]:
    """Return a call of the attention of one token at each place to `length` others in the cache, in all layers."""
    cache, device = Cache(network, places), network.head.weight.device
    query = torch.rand(places, network.width // HEAD, 1, HEAD, device=device)
    seen = torch.ones(places, 1, 1, length, dtype=torch.bool, device=device)
    every, last = torch.arange(places, device=device), torch.full((places,), length - 1, device=device)

    @torch.inference_mode()
    def run():
        for layer in range(LAYERS):
            cache.keys[layer][every, :, last] = cache.values[layer][every, :, last] = query[:, :, 0]
            scaled_dot_product_attention(query, cache.keys[layer, :, :, :length], cache.values[layer, :, :, :length],
                                         attn_mask=seen)

    return run


def step(network: Transformer, places: int, context: int) -> Callable[[], None]:
    """Return a call of one step: each place has so many tokens, of which the last is read now."""
    cache, last = Cache(network, places), torch.zeros(places, dtype=torch.int64, device=network.head.weight.device)

    def run():
        cache.lengths = [context - 1] * places
        network.write(cache, last).argmax(1).tolist()

    return run


def prompt(tokens: int, device: torch.device) -> torch.Tensor:
    """Return a prompt of so many tokens that says nothing."""
    return torch.arange(tokens, device=device) % VOCABULARY
