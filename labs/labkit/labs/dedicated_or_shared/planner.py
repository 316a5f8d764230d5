"""From one node to a thousand: a training whose steps wait for the slowest node, and what others measured."""

from __future__ import annotations

from functools import cache

from labkit import catalogue
from labkit.display import TextTable
from labkit.experiment import Axis, Experiment, Outcome
from labkit.labs.dedicated_or_shared.experiments import bound
from labkit.measure.noisy_neighbour import MEMORY, PROCESSOR
from labkit.predict import neighbours as predicted
from labkit.predict.neighbours import Load

NODES = (1, 4, 16, 64, 256, 1024)
VISITED = (0, 0.1, 1, 10, 100)  # % of the nodes that have neighbours at a moment
STRENGTHS = (25, 50, 100, 200)  # % of a node's cores
CORES = (8, 32, 128)
WAITING = (0, 25, 50, 75, 100)  # % of a step
FILLING = (12.5, 25, 50, 100)  # % of the cores that fill the memory's bandwidth


def plan() -> Experiment:
    """Return the experiment on a training over many nodes, of which some have neighbours."""

    @cache
    def node(strength, cores, memory, neighbour, filling):
        full = filling / 100 * cores

        def stretch(part: str, other: str, count: float) -> float:
            return max((1 + count) / full, 1.0) if part == other == MEMORY else 1.0

        count = max(round(strength / 100 * cores), 1)
        loads = Load(bound(memory / 100)), Load({neighbour: 1.0}), count, cores, stretch
        return predicted.slowdown(*loads), predicted.others_kept(*loads)

    def predict(nodes, visited, **there):
        longer, others = node(**there)
        value = predicted.synchronous(longer, nodes, visited / 100)
        work = 100 / value + visited * others
        note = (f"A node with neighbours takes {longer:.2f} times as long. Training and neighbours together do "
                f"{work:.0f} % of what the training does alone.")
        return Outcome(value, "times", note=note)

    return Experiment(
        title="A training over many nodes, some of them with neighbours",
        quantity="Slowdown",
        unit="times",
        axes=[
            Axis("nodes", "Nodes", NODES, start=64, unit="nodes", log=True),
            Axis("visited", "Nodes with neighbours at a moment", VISITED, start=1, unit="%"),
            Axis("strength", "Cores that these would fill", STRENGTHS, start=100, unit="%", log=True),
            Axis("cores", "Cores of a node", CORES, start=32, unit="cores", log=True),
            Axis("memory", "A step waits for memory for", WAITING, start=50, unit="%"),
            Axis("neighbour", "The neighbours use", (PROCESSOR, MEMORY), start=MEMORY),
            Axis("filling", "Cores that fill the memory's bandwidth", FILLING, start=25, unit="%", log=True),
        ],
        predict=predict,
        readout="On {nodes} of {cores}, of which {visited} have neighbours of {neighbour} that would fill {strength} "
                "of the cores, a step that waits for memory for {memory} (which {filling} of the cores fill) takes "
                "{value} as long.",
    )


def published() -> TextTable:
    """Return what others measured of two trainings on one accelerator, with the pairs that did not run."""
    rows = [row for row in catalogue.table("sharing") if row["pair_percent"]]
    return TextTable(["two trainings on", "each keeps, in the median", "both together", "pairs that did not run"], [
        [row["accelerator"], f"{row['job_percent']:.0f} %", f"{row['pair_percent']:.0f} %",
         f"{row['pairs_failed']:.0f}"] for row in rows])
