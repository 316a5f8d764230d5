"""A small experiment for the tests: three axes, 2,304 points, parts, bands, notes, and points that are refused."""

from __future__ import annotations

from labkit.experiment import Axis, Experiment, Outcome, Published, Unavailable
from labkit.progress import report

NODES = tuple(range(1, 33))
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
LINKS = (1, 2, 5, 10, 25, 50)


def predict(nodes: int, batch: int, link: float) -> Outcome | Unavailable:
    if batch < nodes:
        return Unavailable(f"{nodes} nodes cannot share a batch of {batch}: every node needs at least one picture.")
    compute = 2e-3 + 4e-4 * batch / nodes
    communication = 0.0 if nodes == 1 else 1e-4 * nodes + 0.04 / link * (nodes - 1) / nodes
    parts = {"compute": compute, "communication": communication, "waiting for the slowest": 3e-5 * (nodes - 1)}
    value = sum(parts.values())
    note = "One node needs no link." if nodes == 1 else ""
    return Outcome(value, "s", low=value * 0.88, high=value * 1.15, parts=parts, note=note)


def measure(nodes: int, batch: int, link: float) -> Outcome | Unavailable:
    if nodes > 4:
        return Unavailable(f"This machine runs at most 4 nodes, not {nodes}.")
    for tenth in range(10):
        report(tenth / 10, "Training")
    value = predict(nodes, batch, link).value * 1.1
    return Outcome(value, "s", low=value * 0.97, high=value * 1.04)


def step_time(measure=measure, predict=predict, **changes) -> Experiment:
    """Return the toy experiment; `changes` replace arguments of `Experiment`."""
    arguments = {
        "title": "One training step on several nodes",
        "quantity": "Time of one step",
        "unit": "s",
        "axes": [
            Axis("nodes", "Nodes", NODES, start=4, unit="nodes"),
            Axis("batch", "Global batch", BATCHES, start=256, unit="pictures", log=True),
            Axis("link", "Link", LINKS, start=10, unit="Gbit/s", log=True),
        ],
        "predict": predict,
        "measure": measure,
        "readout": (
            "With {nodes} and a batch of {batch}, one step takes {value} ({low} to {high}), "
            "of which {part:communication} is communication."
        ),
        "published": [
            Published({"nodes": 8, "batch": 256, "link": 10}, 0.0196, "A rack of eight", "https://example.org/rack"),
        ],
    }
    return Experiment(**{**arguments, **changes})
