"""One language model that several processes train together: how it is cut, and how large it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from labkit.inputs import whole
from labkit.specs.language_model import own

DATA_PARALLEL, ZERO_2, ZERO_3, OFFLOADED, PIPELINE = WAYS = (
    "data parallel", "ZeRO-2", "ZeRO-3", "ZeRO-3, moments in a file", "pipeline")
SHARDED = (ZERO_2, ZERO_3, OFFLOADED)
KINDS = REDUCED, GATHERED, SCATTERED, SENT = "all-reduce", "all-gather", "reduce-scatter", "send"  # of messages
TOKENS = 64  # of a sequence
MICRO_BATCHES = 2  # for each stage of a pipeline


@dataclass(frozen=True)
class ShardedJob:
    """What the processes train together.

    Args:
        way: one of `WAYS`.
        width: numbers that pass from layer to layer for a token, a multiple of 64.
        layers: how many.
        batch: sequences for each process; in a pipeline all of them pass through every process.
        recompute: whether a layer keeps its input alone, and computes the rest again on the way back.
        seed: of the weights and the sequences.

    Raises:
        ValueError: a way that there is not, or a number that cannot be.
    """

    way: str = ZERO_3
    width: int = 256
    layers: int = 8
    batch: int = 2
    recompute: bool = False
    seed: int = 0

    def __post_init__(self):
        if self.way not in WAYS:
            raise ValueError(f"A model is not cut by {self.way!r}: choose one of {', '.join(WAYS)}.")
        whole(batch=self.batch)
        whole(seed=self.seed, least=0)
        own(self.width, self.layers)

    def check(self, processes: int) -> None:
        """Raise `ValueError` with the reason where so many processes cannot share the model in this way."""
        whole(processes=processes)
        if self.way == PIPELINE and self.layers % processes:
            raise ValueError(f"{self.layers} layers cannot be cut into {processes} equal stages: choose a number of "
                             "processes that divides them.")
        if self.way == PIPELINE and self.batch % MICRO_BATCHES:
            raise ValueError(f"A pipeline cuts the batch of each process into {MICRO_BATCHES}: {self.batch} cannot be.")
        if self.way in SHARDED and processes > self.width:
            raise ValueError(f"{processes} processes cannot share tensors of {self.width} rows: some would hold "
                             "nothing. Choose fewer processes, or a wider model.")

    def as_dict(self) -> dict:
        """Return the fields as numbers and words that go over JSON."""
        return asdict(self)
