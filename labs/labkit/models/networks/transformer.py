"""A small language model that reads bytes: a transformer with a key-value cache (Vaswani et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from labkit.specs.language_model import CONTEXT, HEAD, LAYERS, VOCABULARY, own


class Block(nn.Module):
    """One layer: tokens look at each other, then each is worked on by itself."""

    def __init__(self, width: int):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.queries_keys_values, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor, attend: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Tensor:
        """Return the tokens (n, tokens, width); `attend` maps queries, keys and values (n, heads, tokens, head)."""
        heads = (part.unflatten(-1, (-1, HEAD)).transpose(1, 2)
                 for part in self.queries_keys_values(self.norm1(x)).chunk(3, -1))
        x = x + self.out(attend(*heads).transpose(1, 2).flatten(2))
        return x + self.down(gelu(self.up(self.norm2(x))))


class Cache:
    """The keys and values of all tokens so far, at each of some places: (layers, places, heads, context, head).

    Args:
        network: whose.
        places: answers that are written at once.
    """

    def __init__(self, network: Transformer, places: int):
        self.keys = network.head.weight.new_zeros(len(network.blocks), places, network.width // HEAD, CONTEXT, HEAD)
        self.values = torch.zeros_like(self.keys)
        self.lengths = [0] * places  # tokens at each place


class Transformer(nn.Module):
    """Predicts the next byte.

    Args:
        width: numbers that pass from layer to layer for a token, a multiple of 64.
        layers: how many.

    Raises:
        ValueError: another width, or layers that are no whole number from 1 up.
    """

    def __init__(self, width: int = 128, layers: int = LAYERS):
        super().__init__()
        self.width = own(width, layers).width
        self.tokens, self.positions = nn.Embedding(VOCABULARY, width), nn.Embedding(CONTEXT, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, VOCABULARY, bias=False)

    def through(self, tokens: Tensor, positions: Tensor, attend: Callable[..., Tensor]) -> Tensor:
        """Return tokens (n, tokens) at their positions after all layers; `attend` gets the layer's number first."""
        x = self.tokens(tokens) + self.positions(positions)
        for layer, block in enumerate(self.blocks):
            x = block(x, partial(attend, layer))
        return self.norm(x)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the scores (n, tokens, 256) of what follows each of the tokens (n, tokens), without any cache."""
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        return self.head(self.through(tokens, positions, causal))

    @torch.inference_mode()
    def read(self, cache: Cache, place: int, prompt: Tensor) -> Tensor:
        """Prefill: read a prompt (tokens,) at once, and keep its keys and values.

        Returns:
            The scores (256,) of the first token of the answer.

        Raises:
            ValueError: an empty prompt, or one that leaves no room for an answer.
        """
        count = len(prompt)
        if not 0 < count < CONTEXT:
            raise ValueError(f"A prompt has 1 to {CONTEXT - 1} tokens here, one less than the context that the model "
                             f"was made for, not {count}. Shorten it, or ask for something.")

        def attend(layer, queries, keys, values):
            cache.keys[layer, place, :, :count], cache.values[layer, place, :, :count] = keys[0], values[0]
            return causal(layer, queries, keys, values)

        positions = torch.arange(count, device=prompt.device)
        cache.lengths[place] = count
        return self.head(self.through(prompt[None], positions, attend)[0, -1])

    @torch.inference_mode()
    def write(self, cache: Cache, tokens: Tensor, places: Sequence[int] | None = None) -> Tensor:
        """Decode: one step, in which every place reads its last token and all that it remembers.

        Args:
            cache: of all places.
            tokens: the last at each place (places,).
            places: where an answer goes on; at the others nothing is kept. All of them unless given.

        Returns:
            The scores (places, 256) of the next tokens.

        Raises:
            ValueError: a place whose context is full.
        """
        if max(cache.lengths) >= CONTEXT:
            raise ValueError(f"A conversation has {CONTEXT} tokens at most: the model has learned no position beyond.")
        lengths = torch.tensor(cache.lengths, device=tokens.device)
        every, longest = torch.arange(len(tokens), device=tokens.device), max(cache.lengths) + 1
        seen = (torch.arange(longest, device=tokens.device) <= lengths[:, None])[:, None, None]

        def attend(layer, queries, keys, values):
            cache.keys[layer][every, :, lengths] = keys[:, :, 0]
            cache.values[layer][every, :, lengths] = values[:, :, 0]
            return scaled_dot_product_attention(queries, cache.keys[layer, :, :, :longest],
                                                cache.values[layer, :, :, :longest], attn_mask=seen)

        for place in range(len(tokens)) if places is None else places:
            cache.lengths[place] += 1
        return self.head(self.through(tokens[:, None], lengths[:, None], attend)[:, 0])


def causal(layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Let every token look at itself and at those before it."""
    return scaled_dot_product_attention(queries, keys, values, is_causal=True)
