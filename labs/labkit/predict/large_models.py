"""What one accelerator holds, and sends, when many train a large transformer, cut in three ways at once.

States by stage of ZeRO (Rajbhandari et al. 2020, arXiv:1910.02054, section 5), with the weights that are computed with,
their gradients, and what the optimiser keeps. Activations by Korthikanti et al. 2022 (arXiv:2205.05198, section 4.2:
tensor parallel with the sequence cut as well), counted for a Llama: grouped keys and values, a gated middle as one
operation, and attention that never writes its scores (FlashAttention). A floor: an allocator holds freed blocks beside.
"""

from __future__ import annotations

from dataclasses import dataclass

from labkit.inputs import whole
from labkit.predict.collectives import traffic
from labkit.specs.language_model import LanguageModel

VOCABULARY = 128_256  # of Llama 3 (Grattafiori et al. 2024, table 3)
LOSS = 12  # bytes for each score at the peak of the loss: its logarithm, and two gradients, in fp32
NONE, SOME, ALL = RECOMPUTED = ("nothing", "half of the products", "whole layers")
WEIGHTS, GRADIENTS, OPTIMISER, ACTIVATIONS, SCORES = PARTS = (
    "weights", "gradients", "optimiser", "activations", "scores")
# Bytes for each parameter: weights that are computed with, gradients, and the optimiser's: Adam's two moments, and a
# master copy in fp32 where the weights are narrower. Gradients are added up in fp32.
STATES = {"fp32": (4, 4, 8), "bf16 with fp32": (2, 4, 12), "bf16 alone": (2, 2, 4)}
NUMBER = {"fp32": 4, "bf16 with fp32": 2, "bf16 alone": 2}  # bytes of a number of the activations


@dataclass(frozen=True)
class Layout:
    """How accelerators share a training.

    Args:
        shards: copies of the model, among which ZeRO cuts its states.
        tensor, stages: parts into which a copy is cut, within layers and between them.
        zero: stage of ZeRO, 0 to 3: nothing, the optimiser, gradients too, weights too.

    Raises:
        ValueError: a number that is no whole number from 1 up, or no such stage.
    """

    shards: int
    tensor: int = 1
    stages: int = 1
    zero: int = 3

    def __post_init__(self):
        whole(shards=self.shards, tensor=self.tensor, stages=self.stages)
        if self.zero not in (0, 1, 2, 3):
            raise ValueError(f"ZeRO has the stages 0 to 3, not {self.zero!r}.")


def middle(model: LanguageModel) -> float:
    """Return the width of a layer's middle, from the parameters: three products, beside those of attention."""
    layer = (model.parameters - 2 * VOCABULARY * model.width) / model.layers
    return (layer - model.width * (2 * model.attention + model.cached)) / (3 * model.width)


def kept(model: LanguageModel, recomputed: str) -> float:
    """Return the numbers that a layer keeps of a token for the way back.

    Args:
        model: a Llama.
        recomputed: of `RECOMPUTED`. *Half of the products* keeps the layer's input, what attention read together, and
            every second product's result.
    """
    width, queries, wide = model.width, model.attention, middle(model)
    if recomputed == ALL:
        return width
    if recomputed == SOME:
        return width + queries + (queries + model.cached + 2 * width + 2 * wide) / 2
    return 4 * width + 2 * queries + model.cached + 3 * wide


def memory(model: LanguageModel, layout: Layout, format: str, tokens: int, recomputed: str) -> dict[str, float]:
    """Return the bytes that one accelerator holds at the peak of a step, by `PARTS`.

    The first stage of a pipeline holds as many micro-batches as there are stages; the last, one, and the scores.

    Args:
        model: a Llama.
        layout: how accelerators share it.
        format: of `STATES`.
        tokens: of a micro-batch of one copy of the model.
        recomputed: of `RECOMPUTED`.
    """
    whole(tokens=tokens)
    share = model.parameters / (layout.tensor * layout.stages)
    here = dict(zip(PARTS, (size * share / (layout.shards if layout.zero >= stage else 1)
                            for size, stage in zip(STATES[format], (3, 2, 1), strict=True)), strict=False))
    if layout.zero == 3:
        here[WEIGHTS] += 2 * STATES[format][0] * model.parameters / model.layers / layout.tensor  # this layer, the next
    each = tokens / layout.tensor
    layers = NUMBER[format] * each * model.layers / layout.stages * kept(model, recomputed)
    again = NUMBER[format] * each * (kept(model, NONE) - kept(model, recomputed))  # of the layer on its way back
    moments = [(layers, LOSS * VOCABULARY * each), (layout.stages * layers + again, 0.0)]
    return here | dict(zip((ACTIVATIONS, SCORES), max(moments, key=sum), strict=True))


def sent(model: LanguageModel, layout: Layout, format: str, tokens: int) -> dict[str, float]:
    """Return the bytes that one accelerator sends in a step of as many micro-batches as there are stages.

    Arguments are those of `memory`, whose activations are computed once.
    """
    share, (weights, gradients, _) = model.parameters / (layout.tensor * layout.stages), STATES[format]
    once = (layout.shards - 1) / layout.shards * share
    data = traffic(gradients * share, layout.shards) if layout.zero < 2 else once * (
        gradients + weights * (2 if layout.zero == 3 else 1))
    passed = NUMBER[format] * model.width * tokens
    sums = 4 * model.layers / layout.stages * traffic(passed, layout.tensor)  # Shoeybi et al. 2019: two each way
    return {"data parallel": data, "tensor parallel": layout.stages * sums,
            "pipeline": 2 * layout.stages * passed / layout.tensor if layout.stages > 1 else 0.0}
