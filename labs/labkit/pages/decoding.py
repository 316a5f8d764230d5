"""Tokens a second of accelerators at most, by the conversations at once: a prediction from data sheets."""

from __future__ import annotations

from dataclasses import dataclass

from labkit import catalogue
from labkit.experiment import Axis, Experiment, Outcome, Published, PublishedComparison, Unavailable, compare_published
from labkit.predict import decoding as predicted
from labkit.units import quantity


@dataclass(frozen=True)
class Model:
    """A language model as it lies in memory.

    Args:
        parameters: how many.
        layers, heads: of which every token leaves a key and a value, for each head that has its own.
        head: numbers of a key, and of a value.
        format: `bf16` or `fp8`, of the weights.
    """

    parameters: float
    layers: int
    heads: int
    head: int
    format: str

    @property
    def weights(self) -> float:
        """Bytes of weights."""
        return self.parameters * BYTES[self.format]

    @property
    def token(self) -> float:
        """Bytes that a conversation remembers of one token, in 16 bits: keys and values of all layers."""
        return 2 * self.layers * self.heads * self.head * BYTES["bf16"]

    @property
    def flop(self) -> float:
        """Operations for one token: 2 for each parameter (Kaplan et al. 2020)."""
        return 2 * self.parameters


BYTES = {"bf16": 2, "fp8": 1}
# Layers, key-value heads and their size: Grattafiori et al. 2024, table 3 (Llama 3).
MODELS = {
    "8 billion, 16-bit": Model(8e9, 32, 8, 128, "bf16"),
    "70 billion, 16-bit": Model(70e9, 80, 8, 128, "bf16"),
    "70 billion, 8-bit": Model(70e9, 80, 8, 128, "fp8"),
    "405 billion, 8-bit": Model(405e9, 126, 8, 128, "fp8"),
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
