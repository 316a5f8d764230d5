"""Tokens a second of accelerators at most, by the conversations at once: a prediction from data sheets."""

from __future__ import annotations

from dataclasses import dataclass, replace

from labkit import catalogue
from labkit.experiment import Axis, Experiment, Outcome, Published, PublishedComparison, Unavailable, compare_published
from labkit.predict import decoding as predicted
from labkit.predict.language_model import WEIGHT
from labkit.specs.language_model import PUBLISHED, LanguageModel
from labkit.units import quantity


@dataclass(frozen=True)
class Model:
    """A dense language model as it lies in memory.

    Args:
        network: its shape.
        format: of the weights, a key of `labkit.predict.language_model.WEIGHT`.
    """

    network: LanguageModel
    format: str

    @property
    def weights(self) -> float:
        """Bytes of weights."""
        return self.network.parameters * WEIGHT[self.format]

    @property
    def token(self) -> float:
        """Bytes that a conversation remembers of one token, in 16 bits: keys and values of all layers."""
        return self.network.layers * self.network.cached * WEIGHT["bf16"]

    @property
    def flop(self) -> float:
        """Operations for one token, without those of attention: 2 for each parameter (Kaplan et al. 2020)."""
        return self.network.flop(0)


def _model(name: str, parameters: float, format: str) -> Model:
    """Return a model of the shape of a published one, its parameters rounded."""
    return Model(replace(PUBLISHED[name], parameters=parameters, active=parameters), format)


MODELS = {
    "8 billion, 16-bit": _model("Llama 8B", 8e9, "bf16"),
    "70 billion, 16-bit": _model("Llama 70B", 70e9, "bf16"),
    "70 billion, 8-bit": _model("Llama 70B", 70e9, "fp8"),
    "405 billion, 8-bit": _model("Llama 405B", 405e9, "fp8"),
}
CARDS = {"L4": "NVIDIA L4", "H100 SXM": "NVIDIA H100 SXM", "H200 SXM": "NVIDIA H200 SXM", "B200 SXM": "NVIDIA B200 SXM"}
BATCHES = tuple(2**k for k in range(11))
CONTEXTS = tuple(2**k for k in (9, 11, 13, 15, 17))
MANY = (1, 2, 8)
REACHED = 0.58  # of the floor's rate: the least of the published ones, held by a test


def rate() -> Experiment:
    """Return the experiment on the tokens a second that accelerators write at most, all conversations together.

    Several accelerators hold equal parts of everything, and what passes between them takes no time: a floor.
    """
    rows = catalogue.by_name("hardware")

    def predict(batch, context, model, card, cards):
        sheet, network = rows[CARDS[card]], MODELS[model]
        memory, conversation = cards * sheet["memory_bytes"], context * network.token
        wanted = f"{batch:,} × {context:,} tokens do not fit {cards} × {card}"
        if network.weights > memory:
            return Unavailable(f"{wanted}: the weights alone take {quantity(network.weights, 'B')} of the "
                               f"{quantity(memory, 'B')}.")
        room = predicted.held(memory, network.weights, conversation)
        if room < batch:
            return Unavailable(f"{wanted}: beside the weights, {quantity(network.weights, 'B')}, there is room for "
                               f"{room:,} conversations of this length.")
        parts = predicted.step(network.weights, conversation, network.flop, batch,
                               cards * catalogue.peak(sheet, network.format), cards * sheet["memory_bytes_per_s"])
        seconds, binds = sum(parts.values()), max(parts, key=parts.get)
        return Outcome(batch / seconds, "tokens/s", low=REACHED * batch / seconds,
                       note=f"At least {quantity(seconds, 's')} for each token of a conversation; most of it: {binds}.")

    return Experiment(
        title="Writing, by the conversations at once",
        quantity="Tokens of all together",
        unit="tokens/s",
        axes=[
            Axis("batch", "Conversations at once", BATCHES, unit="chats", log=True),
            Axis("context", "Length of each so far", CONTEXTS, start=2048, unit="tokens", log=True),
            Axis("model", "Parameters", tuple(MODELS)),
            Axis("card", "Accelerator", tuple(CARDS), start="H100 SXM"),
            Axis("cards", "Accelerators that share the work", MANY, unit="accelerators"),
        ],
        predict=predict,
        readout="With {batch} of {context} each, {cards} of type {card} write at most {value}; parameters: {model}.",
    )


def published() -> PublishedComparison:
    """Return what others measured for one conversation beside the floor: bandwidth over bytes of weights."""
    rows = catalogue.by_name("decoding")
    sheets = catalogue.by_name("hardware")

    def predict(system):
        row = rows[system]
        return Outcome(sheets[row["machine"]]["memory_bytes_per_s"] / row["weights_bytes"], "tokens/s")

    return compare_published(Experiment(
        title="One conversation", quantity="Rate", unit="tokens/s", axes=[Axis("system", "System", tuple(rows))],
        predict=predict, readout="{system} writes {value}.",
        published=[Published({"system": name}, row["tokens_per_s"], name, row["source"])
                   for name, row in rows.items()]))
