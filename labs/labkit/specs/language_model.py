"""Language models as they lie in memory and as they compute: transformers, dense or as mixtures of experts.

A layer of a mixture has many experts, networks of which a token uses a few; what all tokens share is read for each.
"""

from __future__ import annotations

from dataclasses import dataclass

from labkit.inputs import above_zero, whole
from labkit.specs.network import FLOAT

HEAD = 64  # numbers of a head in the course's own model
LAYERS, CONTEXT, VOCABULARY = 4, 512, 256  # of that model: it reads bytes


@dataclass(frozen=True)
class LanguageModel:
    """A transformer that writes one token after another.

    Args:
        parameters: how many.
        layers: of them all.
        width: numbers that pass from layer to layer for a token.
        attention: numbers of the queries of a token in a layer: heads times their size.
        cached: numbers that a token leaves in the cache in a layer: its keys and values.
        active: parameters that a token uses; all of them in a dense model.
        experts, chosen: networks in a layer, and how many of them a token uses; one and one in a dense model.

    Raises:
        ValueError: a number that is not above 0, more active parameters than there are, or more chosen than experts.
    """

    parameters: float
    layers: int
    width: int
    attention: int
    cached: int
    active: float = 0.0
    experts: int = 1
    chosen: int = 1

    def __post_init__(self):
        object.__setattr__(self, "active", self.active or self.parameters)
        above_zero(parameters=self.parameters, active=self.active)
        whole(layers=self.layers, width=self.width, attention=self.attention, cached=self.cached,
              experts=self.experts, chosen=self.chosen)
        if self.active > self.parameters:
            raise ValueError(f"A token cannot use {self.active:,.0f} parameters of a model that has "
                             f"{self.parameters:,.0f}: active parameters are a part of all.")
        if self.chosen > self.experts or (self.experts == 1) != (self.active == self.parameters):
            raise ValueError(f"{self.chosen} of {self.experts} experts and {self.active:,.0f} of "
                             f"{self.parameters:,.0f} parameters do not belong together: a mixture has several "
                             "experts, and uses some.")

    def read(self, tokens: float) -> float:
        """Return the parameters that a step of so many tokens reads at least, if each chooses its experts at random."""
        if self.experts == 1:
            return self.parameters
        expert = (self.parameters - self.active) / (self.experts - self.chosen)  # one of each layer together
        asked = self.experts * (1 - (1 - self.chosen / self.experts) ** tokens)
        return self.active - self.chosen * expert + asked * expert

    def flop(self, context: float) -> float:
        """Return the operations for a token that looks back at `context` others: 2 a parameter, and attention's own.

        Each of its queries is multiplied with as many keys, and their weights with as many values.
        """
        return 2 * self.active + 4 * self.layers * self.attention * context


def own(width: int, layers: int = LAYERS) -> LanguageModel:
    """Return the course's own model, of some heads of 64 numbers; a test holds the count to the network itself.

    Raises:
        ValueError: a width that is no multiple of 64, or layers that are no whole number from 1 up.
    """
    whole(width=width, layers=layers)
    if width % HEAD:
        raise ValueError(f"The model is made of heads of {HEAD} numbers: its width is a multiple of that, not {width}.")
    return LanguageModel(parameters=layers * own_layer(width) + (2 * VOCABULARY + CONTEXT + 2) * width, layers=layers,
                         width=width, attention=width, cached=2 * width)


def own_layer(width: int) -> int:
    """Return the parameters of a layer of that model: four products with their biases, and two normalisations."""
    return 12 * width**2 + 13 * width


def own_cache(width: int, tokens: float) -> float:
    """Return the bytes that so many tokens leave in the cache of the course's own model."""
    model = own(width)
    return FLOAT * model.layers * model.cached * tokens


# Llama: Grattafiori et al. 2024, table 3. gpt-oss: OpenAI 2025, arXiv:2508.10925 (every second layer looks back at 128
# tokens only, which is left out). Qwen3: Yang et al. 2025, arXiv:2505.09388, tables 1 and 2, and the models' own
# configurations. DeepSeek-V3: DeepSeek-AI 2024, arXiv:2412.19437, section 4.2; its latent cache has 512 + 64 numbers.
PUBLISHED = {
    "Llama 8B": LanguageModel(8.03e9, 32, 4096, 4096, 2048),
    "Llama 70B": LanguageModel(70.6e9, 80, 8192, 8192, 2048),
    "Llama 405B": LanguageModel(405.9e9, 126, 16384, 16384, 2048),
    "gpt-oss-120b": LanguageModel(116.8e9, 36, 2880, 4096, 1024, active=5.13e9, experts=128, chosen=4),
    "Qwen3-30B-A3B": LanguageModel(30.5e9, 48, 2048, 4096, 1024, active=3.3e9, experts=128, chosen=8),
    "Qwen3-235B-A22B": LanguageModel(235e9, 94, 4096, 8192, 1024, active=22e9, experts=128, chosen=8),
    "DeepSeek-V3": LanguageModel(671e9, 61, 7168, 20480, 576, active=37e9, experts=256, chosen=8),
}
