"""A language model of 1.3 billion parameters on nodes of eight H100: predicted and published, never measured here."""

from __future__ import annotations

from labkit.data import data_folder, read_csv
from labkit.experiment import Outcome
from labkit.labs.more_nodes import cluster
from labkit.predict import collectives, data_parallel
from labkit.predict.training_time import EACH
from labkit.specs import network

NAME = "1.3 billion, on nodes of 8 H100"
PARAMETERS, TOKENS = 1_315_950_592, 2048  # of the model, and in one of its examples
TABLE, SERIES = data_folder() / "published" / "training-scaling.csv", "llmfoundry|1b|h100_80gb|seq2048"
_DELIVERED = 1 / 2  # of a round trip is what a message travels that nobody has to ask for


def step(nodes: int, each: int, round_trip: float, rate: float) -> Outcome:
    """Return the step of the language model on nodes of eight H100, of published figures alone.

    Each accelerator has a link of its own, of `rate` Gbit/s; here the fastest has its limit too.
    """
    size = network.FLOAT * PARAMETERS
    count = round(size / data_parallel.BUCKET)
    between = collectives.Link(cluster.latency() + _DELIVERED * round_trip, cluster.ACCELERATORS * rate * 1e9 / 8)
    bucket = collectives.two_levels(size / count, nodes, cluster.ACCELERATORS, cluster.inside(), between)
    computing = each / cluster.ACCELERATORS * TOKENS * EACH * PARAMETERS / cluster.rate()
    parts = data_parallel.parts(computing, [((place + 1) / count, bucket) for place in range(count)],
                               data_parallel.BACKWARD, nodes)
    return Outcome(sum(parts.values()), "s", parts=parts,
                   note="From published rates and all-reduces, without stragglers: nobody has published those.")


def published() -> list[tuple[int, int, float, str]]:
    """Return nodes, batch of all nodes, seconds of a step, and source, of each published training of the model."""
    return [(int(row["nodes"]), int(row["global_batch"]),
             int(row["global_batch"]) * TOKENS / (float(row["value"]) * int(row["total_accelerators"])), row["source"])
            for row in read_csv(TABLE) if row["series_id"] == SERIES]
