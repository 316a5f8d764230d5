"""Lab 2.6 at other sizes: how much of its time a cluster that fails now and then gets on."""

from __future__ import annotations

from labkit.experiment import Axis, Experiment, Outcome
from labkit.predict import checkpoints
from labkit.units import quantity

DAY = 86_400
GPUS = 8  # of a node, in both sources below
LLAMA = dict(nodes=2048, days=54, failures=419)  # Grattafiori et al. 2024, section 3.3.4: 16,384 H100
LLAMA_NODE = LLAMA["days"] * LLAMA["nodes"] / LLAMA["failures"]  # days between failures of a node: 264
RSC_NODE = 1000 / 6.5  # Kokolis et al. 2025: 6.5 failures in 1,000 node-days of the cluster RSC-1
LLAMA_SAVE = checkpoints.size(405e9) / 2e12  # s: 12 B a parameter to storage of 2 TB/s, ibid., section 3.3.1
NODES = (64, 256, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536)
NODE_DAYS = (50, round(RSC_NODE), round(LLAMA_NODE), 1000)
SAVES = (0.5, round(LLAMA_SAVE, 1), 10, 60, 600)  # s
RESTARTS = (1, 3, 10, 30, 60)  # min
BEST = "at the best interval"
INTERVALS = {BEST: None, "every minute": 60, "every 10 minutes": 600, "every hour": 3600}
START = dict(nodes=2048, node=round(LLAMA_NODE), save=round(LLAMA_SAVE, 1), restart=10, every=BEST)


def plan() -> Experiment:
    """Return the experiment on the share of the time in which a training on many nodes gets on."""

    def predict(nodes, node, save, restart, every):
        between = checkpoints.between(nodes, node * DAY)
        best = checkpoints.best(save, between)
        seconds = INTERVALS[every] or best
        share = 100 * checkpoints.effective(save, between, restart * 60, seconds)
        note = (f"A failure every {_time(between)}; the best interval is {_time(best)}. The nodes do the work of "
                f"{nodes * share / 100:,.0f} that never fail.")
        return Outcome(share, "%", note=note)

    return Experiment(
        title="A cluster that fails",
        quantity="Effective training time",
        unit="%",
        axes=[
            Axis("nodes", "Nodes", NODES, start=2048, unit="nodes", log=True),
            Axis("node", "Between failures of a node", NODE_DAYS, start=START["node"], unit="days", log=True),
            Axis("save", "A save keeps waiting", SAVES, start=START["save"], unit="s", log=True),
            Axis("restart", "Noticed and started again", RESTARTS, start=10, unit="min", log=True),
            Axis("every", "Saved", tuple(INTERVALS), start=BEST),
        ],
        predict=predict,
        readout="{nodes}, {node} between failures of each, {save} for a save, {restart} to start again, saved {every}: "
                "{value} of the time is training.",
    )


def _time(seconds: float) -> str:
    for unit, length in (("days", DAY), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return quantity(float(f"{seconds:.2g}"), "s")
