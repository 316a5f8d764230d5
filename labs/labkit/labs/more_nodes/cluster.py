"""A training step on nodes of eight H100: what Lab 2.2 predicts, for a cluster from data sheets.

Computing takes its operations at the usual share of the peak (`labs.compute_and_precision.training_time`). An
all-reduce takes the ring's time over the data sheet's bandwidth, with the latency of a round fitted to published
all-reduces. It is predicted for a library that adds up inside each node first (`BY_NODE`), and may take as long as one
ring through every accelerator (`THROUGH_ALL`): published steps of a whole training lie near the first, published
all-reduces near the second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from statistics import NormalDist

from labkit import catalogue
from labkit.experiment import Axis, Experiment, Outcome, Unavailable
from labkit.labs.compute_and_precision.training_time import shares
from labkit.predict import collectives, data_parallel
from labkit.predict.training_time import EACH
from labkit.specs import network
from labkit.units import quantity

ACCELERATORS = 8  # in a node
MACHINE, INSIDE = "NVIDIA H100 SXM", "NVLink 4 (H100, H200)"
# What joins the nodes, and its row of data/links.csv, which counts one port or all of a node's.
LINKS = {"10 Gbit Ethernet": "10 GbE", "100 Gbit Ethernet": "100 GbE", "400 Gbit InfiniBand": "InfiniBand NDR 4x",
         "8 × 400 Gbit InfiniBand": "NVIDIA DGX H100 NDR"}
# Parameters, and the operations of one example in a training step. ResNet-50: 4.1e9 multiplications and additions
# forward (He et al. 2016, arXiv:1512.03385: 3.8e9 for its first version), and twice that backward; the others 512
# tokens long.
TOKENS = 512
MODELS = {"ResNet-50": (25.6e6, 3 * 2 * 4.1e9), "BERT-Large": (340e6, EACH * 340e6 * TOKENS),
          "3 billion": (3e9, EACH * 3e9 * TOKENS)}
NODES = tuple(2**k for k in range(11))
BATCHES = (512, 4096, 32_768)
SPREADS = (0, 2, 10)  # % of a node's step: its standard deviation
BY_NODE, THROUGH_ALL = collectives.two_levels, collectives.through_all  # how an all-reduce goes
BACKWARD = 1 / 3  # of computing is over when the backward pass begins: it takes twice the forward one


def step() -> Experiment:
    """Return the experiment on the time of one step."""

    def predict(nodes, batch, scaling, model, link, spread):
        if scaling == data_parallel.STRONG and batch < ACCELERATORS * nodes:
            return Unavailable(f"{ACCELERATORS * nodes:,} accelerators cannot share a batch of {batch:,}.")
        point = {"batch": batch, "scaling": scaling, "model": model, "link": link, "spread": spread}
        here = parts(nodes, **point)
        value, worst = sum(here.values()), sum(parts(nodes, **point, way=THROUGH_ALL).values())
        return Outcome(value, "s", high=max(value, worst), parts=here, note=_note(nodes, point))

    return Experiment(
        title="One step on nodes of eight H100",
        quantity="Time of one step",
        unit="s",
        axes=[
            Axis("nodes", "Nodes", NODES, start=64, unit="nodes", log=True),
            Axis("batch", "Batch", BATCHES, start=4096, log=True),
            Axis("scaling", "The batch is that of", data_parallel.SCALING),
            Axis("model", "Model", tuple(MODELS), start="BERT-Large"),
            Axis("link", "Link between nodes", tuple(LINKS), start="100 Gbit Ethernet"),
            Axis("spread", "Spread of a node's step", SPREADS, unit="%"),
        ],
        predict=predict,
        readout="A step of {model} on {nodes} over {link} takes {value}, with a batch of {batch} for {scaling} and a "
                "spread of {spread}.",
    )


@cache
def parts(nodes: int, batch: int, scaling: str, model: str, link: str, spread: float,
          way: Callable[..., float] = BY_NODE) -> Mapping[str, float]:
    """Return the parts of a step's seconds.

    Args:
        nodes, batch, scaling, model, link, spread: a point of the axes of `step`.
        way: how an all-reduce goes, `BY_NODE` or `THROUGH_ALL`.
    """
    parameters, work = MODELS[model]
    each = data_parallel.share(batch, nodes, scaling) / ACCELERATORS
    computing = each * work / rate()
    count = max(1, round(network.FLOAT * parameters / data_parallel.BUCKET))  # equal buckets, evenly filled
    bucket = way(network.FLOAT * parameters / count, nodes, ACCELERATORS, inside(), between(link))
    filled = [((place + 1) / count, bucket) for place in range(count)]
    return data_parallel.parts(computing, filled, (BACKWARD, 1.0), nodes, _steps(spread))


def efficiency(nodes: int, **point) -> float:
    """Return the share of so many times one node's rate that arrives, at a point of the other axes of `step`."""
    alone, together = (sum(parts(n, **point).values()) for n in (1, nodes))
    return data_parallel.efficiency(alone, together, nodes, point["scaling"])


def last_doubling(nodes: int, **point) -> float:
    """Return how many times as fast so many nodes are as half of them."""
    return 2 * efficiency(nodes, **point) / efficiency(nodes // 2, **point)


@cache
def rate() -> float:
    """Return the FLOP/s that one accelerator reaches."""
    return catalogue.machine(MACHINE).formats["bf16"] * shares()["bf16"][1]


@cache
def inside() -> collectives.Link:
    """Return the link from accelerator to accelerator in a node; its latency is left out."""
    return collectives.Link(0.0, _rows("links")[INSIDE]["bytes_per_s"])


@cache
def between(link: str) -> collectives.Link:
    """Return the link from node to node, one of `LINKS`: its bandwidth, and the latency of published all-reduces."""
    return collectives.Link(latency(), _rows("links")[LINKS[link]]["bytes_per_s"])


@cache
def latency() -> float:
    """Return the seconds of a round among nodes, fitted to the published all-reduces of four of them."""
    rows = [row for name, row in _rows("collectives").items() if name.startswith("All-reduce, 4 nodes")]
    return collectives.fit((int(row["nodes"]), row["payload_bytes"], collectives.traffic(
        row["payload_bytes"], int(row["nodes"])) / row["bytes_per_s"]) for row in rows).latency


def published(way: Callable[..., float] = BY_NODE) -> dict[int, tuple[float, float]]:
    """Return the seconds of an all-reduce of 256 MB by nodes of eight H100: predicted, and published.

    The source does not say how it counts its bandwidth. It is taken as what each accelerator's links carry, the *bus
    bandwidth* of nccl-tests: on one node that is 97 % of what they promise.
    """
    rows = [row for name, row in _rows("collectives").items() if name.startswith("All-reduce") and "× H100" in name]
    return {int(row["nodes"]): (
        way(row["payload_bytes"], int(row["nodes"]), ACCELERATORS, inside(), between("8 × 400 Gbit InfiniBand")),
        collectives.traffic(row["payload_bytes"], int(row["accelerators"])) / row["bytes_per_s"]) for row in rows}


@cache
def slower(way: Callable[..., float] = BY_NODE) -> float:
    """Return how many times as long as predicted published all-reduces between nodes took, at most."""
    return max(measured / formula for nodes, (formula, measured) in published(way).items() if nodes > 1)


def _note(nodes: int, point: Mapping) -> str:
    if nodes == 1:
        return "One node: nothing goes from node to node."
    share = quantity(float(f"{100 * efficiency(nodes, **point):.2g}"), "%")
    return f"Efficiency {share}; the last doubling made it {last_doubling(nodes, **point):.2g} times as fast."


@cache
def _steps(spread: float) -> tuple[float, ...]:
    """Return steps of a node in units of their mean, spread like a bell by some per cent.

    There are twice as many as there are nodes at most: fewer would cut off the tail in which the slowest of all lies.
    """
    if not spread:
        return (1.0,)
    bell = NormalDist(1.0, spread / 100)
    count = 2 * NODES[-1]
    return tuple(bell.inv_cdf((k + 0.5) / count) for k in range(count))


def _rows(table: str) -> dict[str, dict]:
    return {row["name"]: row for row in catalogue.table(table)}
