"""The tables of Lab 2.2, and the numbers that it states of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean

from labkit.display import TextTable, written
from labkit.experiment import Comparison, Experiment, Outcome, Unavailable, ratio
from labkit.labs.more_nodes import experiments as lab
from labkit.labs.more_nodes.exchange import ExchangeCost, handshake_round_trips
from labkit.machine import Machine
from labkit.measure.probes import data_parallel as probe
from labkit.measure.probes.data_parallel import LOOPBACK
from labkit.predict import data_parallel
from labkit.predict.data_parallel import COMPUTING, EXPOSED
from labkit.specs.link import LinkSpec
from labkit.units import quantity

Reached = Mapping[int, tuple[float, int]]


def exchange(machine: Machine) -> TextTable | Unavailable:
    """Return what exchanging adds to a step, beside the all-reduce by itself, by the bytes of the gradients."""
    calibration = machine.calibration("data_parallel")
    if reason := calibration.reason("exchange", LOOPBACK):
        return Unavailable(reason)
    cost = ExchangeCost(calibration, LOOPBACK, probe.PROCESSES, LinkSpec())
    return TextTable(["gradients", "all-reduce by itself", "longer step"],
                     [[quantity(size, "B"), quantity(cost.alone(size), "s"), quantity(longer, "s")]
                      for size, longer in calibration.curve("exchange", LOOPBACK)])


def exchange_share(machine: Machine) -> float | Unavailable:
    """Return by how many all-reduces of the most gradients a step takes longer because it exchanges them."""
    calibration = machine.calibration("data_parallel")
    if reason := calibration.reason("exchange", LOOPBACK):
        return Unavailable(reason)
    size, longer = calibration.curve("exchange", LOOPBACK)[-1]
    return longer / ExchangeCost(calibration, LOOPBACK, probe.PROCESSES, LinkSpec()).alone(size)


def buckets() -> TextTable:
    """Return the buckets that each network's gradients fill."""
    return TextTable(["network", "buckets"],
                     [[what, ", ".join(quantity(size, "B") for _, size in lab.buckets_of(what))]
                      for what in lab.NETWORKS])


def predicted(steps: Experiment, points: Mapping[str, Mapping]) -> TextTable:
    """Return the predicted times of some points by name."""
    return TextTable(["step", "predicted"], [[name, written(steps.predict(**point))] for name, point in points.items()])


def measured(comparison: Comparison, name: str) -> Outcome | Unavailable:
    """Return the measured time of one of `experiments.STEPS`."""
    return comparison.rows[list(lab.STEPS).index(name)].measured


def gains(comparison: Comparison, network: str, batch: str) -> tuple[Outcome | Unavailable, Outcome | Unavailable]:
    """Return how many times as fast a step with two nodes is as with one: predicted, and measured."""
    one, two = (comparison.rows[list(lab.STEPS).index(f"{network}, {batch} together, {nodes}")]
                for nodes in ("1 node", "2 nodes"))
    return ratio(one.predicted, two.predicted), ratio(one.measured, two.measured)


def efficiencies(steps: Experiment, point: Mapping, nodes: Sequence[int] = (2, 16, 128, 1024)) -> TextTable:
    """Return how much of perfect scaling is predicted to remain at a point, by nodes."""
    rows, alone = [], steps.predict(**{**point, "nodes": 1})
    for count in nodes:
        together = steps.predict(**{**point, "nodes": count})
        kept = (f"{data_parallel.efficiency(alone.value, together.value, count, point['scaling']):.0%}"
                if alone and together else "")
        rows.append([quantity(count, "nodes"), written(together), kept])
    return TextTable(["nodes", "time of a step", "of perfect"], rows)


def share_of_communication(outcome: Outcome | Unavailable) -> Outcome | Unavailable:
    """Return the communication that shows, in % of a predicted step."""
    return Outcome(100 * outcome.parts[EXPOSED] / outcome.value, "%") if outcome else outcome


def published(steps: Experiment) -> TextTable:
    """Return the published steps of the language model beside their predictions."""
    rows = []
    for figure in steps.published:
        model = steps.predict(**figure.point).value
        rows.append([figure.label, quantity(figure.value, "s"), quantity(model, "s"),
                     f"{model / figure.value - 1:+.0%}"])
    return TextTable(["cluster", "published", "predicted", "off"], rows)


def over_links(comparisons: Mapping[str, Comparison], reasons: Mapping[str, str]) -> TextTable:
    """Return the measured and predicted steps over emulated links, by backend, or why one is not here."""
    rows = [[name, quantity(row.point["round_trip"], "s"), f"{row.point['rate']:g} Gbit/s", written(row.measured),
             written(row.carried)] for name, comparison in comparisons.items() for row in comparison.rows]
    rows += [[name, "", "", reason, ""] for name, reason in reasons.items() if reason]
    return TextTable(["backend", "round trip", "rate", "measured", "predicted"], rows)


def backends_agree(comparisons: Mapping[str, Comparison]) -> dict[str, float | Unavailable]:
    """Return the least and the most by which namespaces take longer than the hook, as `least` and `most`."""
    if len(comparisons) < 2:
        return dict.fromkeys(("least", "most"),
                             Unavailable("Only one backend was measured: quick effort takes the best."))
    pairs = [ratio(*(row.measured for row in rows))
             for rows in zip(*(comparison.rows for comparison in comparisons.values()), strict=True)]
    values = [pair.value for pair in pairs if pair]
    if not values:
        return dict.fromkeys(("least", "most"), pairs[0])
    return {"least": min(values), "most": max(values)}


def training_runs(runs: Sequence[probe.TrainingRun]) -> TextTable:
    """Return the pictures and the time until the network had learned, in the mean of the runs with each batch."""
    rows = []
    for batch in sorted({run.batch for run in runs}):
        some = [run for run in runs if run.batch == batch]
        learned = [run.samples for run in some if run.samples]
        rows.append([f"{batch:,}", f"{len(learned)} of {len(some)}", f"{mean(learned):,.0f}" if learned else "",
                     quantity(mean(run.seconds for run in some), "s")])
    return TextTable(["batch", "runs that learned", "pictures", "time"], rows)


def samples_ratio(runs: Sequence[probe.TrainingRun], small: int = 16, large: int = 1024) -> float | Unavailable:
    """Return how many times the pictures of a small batch a large one needs, in the mean of the runs."""
    learned = {batch: [run.samples for run in runs if run.batch == batch and run.samples] for batch in (small, large)}
    if not all(learned.values()):
        return Unavailable(f"No run with a batch of {small} or of {large:,} has learned in the time that there is.")
    return mean(learned[large]) / mean(learned[small])


def times_to_learn(learned: Experiment, point: Mapping, batches: Sequence[int]) -> dict[int, dict[int, float]]:
    """Return the predicted seconds until the network has learned, by batch and nodes, where they can be predicted."""
    times = {batch: {nodes: outcome.value for nodes in lab.NODES
                     if (outcome := learned.predict(nodes=nodes, batch=batch, **point))} for batch in batches}
    return {batch: values for batch, values in times.items() if values}


def fastest(times: Mapping[int, Mapping[int, float]]) -> Reached:
    """Return the least seconds for each number of nodes, and the batch with which they are reached."""
    nodes = sorted({count for values in times.values() for count in values})
    return {count: min((values[count], batch) for batch, values in times.items() if count in values)
            for count in nodes}


def soonest(reached: Reached) -> int | None:
    """Return the nodes that have learned soonest, or None where nothing can be said."""
    return data_parallel.best({nodes: seconds for nodes, (seconds, _) in reached.items()}) if reached else None


def by_nodes(reached: Reached) -> TextTable:
    """Return the least time until the network has learned by some numbers of nodes."""
    shown = [nodes for nodes in (1, 2, soonest(reached), 64, 1024) if nodes in reached]
    return TextTable(["nodes", "learned after", "at a batch of"],
                     [[quantity(nodes, "nodes"), quantity(reached[nodes][0], "s"), f"{reached[nodes][1]:,}"]
                      for nodes in sorted(set(shown))])


def turn_ratio(reached: Reached) -> float | Unavailable:
    """Return how many times as long as the best number of nodes 1,024 take to learn."""
    if 1024 not in reached:
        return Unavailable("1,024 nodes cannot be predicted here.")
    return reached[1024][0] / reached[soonest(reached)][0]


def learned_as_predicted(runs: Sequence[probe.TrainingRun], times: Mapping[int, Mapping[int, float]],
                         nodes: int) -> dict[str, float | Unavailable]:
    """Return the least and the most by which learning took longer than predicted, as `least` and `most`."""
    learned = {batch: [run.seconds for run in runs if run.batch == batch and run.samples] for batch in times}
    ratios = [mean(learned[batch]) / values[nodes] for batch, values in times.items()
              if nodes in values and learned[batch]]
    if not ratios:
        return dict.fromkeys(("least", "most"), Unavailable("Nothing was trained that was predicted, too."))
    return {"least": min(ratios), "most": max(ratios)}


def takes_over(steps: Experiment, batch: int = 1024) -> TextTable:
    """Return from how many nodes on communication takes longer than computing, for each network."""
    rows = []
    for what in lab.NETWORKS:
        outcomes = {nodes: steps.predict(**{**lab.CATS, "what": what, "nodes": nodes, "batch": batch})
                    for nodes in lab.NODES}
        first = next((nodes for nodes, outcome in outcomes.items()
                      if outcome and outcome.parts[EXPOSED] > outcome.parts[COMPUTING]), None)
        known = outcomes[2] or outcomes[1]
        rows.append([what, quantity(first, "nodes") if first else
                     "no number of nodes" if outcomes[2] else outcomes[2].reason if known else known.reason])
    return TextTable([f"network, batch {batch:,}", "communication takes over at"], rows)


def over(comparisons: Mapping[str, Comparison], place: int) -> Outcome | Unavailable:
    """Return the measured time at a point of `experiments.OVER_LINKS`, over the best backend that was measured."""
    if not comparisons:
        return Unavailable("No link could be emulated here.")
    return next(iter(comparisons.values())).rows[place].measured


def handshakes(machine: Machine, comparisons: Mapping[str, Comparison]) -> TextTable:
    """Return how many round trips of the link a short all-reduce of two takes, by backend."""
    calibration = machine.calibration("data_parallel")
    return TextTable(["backend", "round trips of a short all-reduce"],
                     [[name, f"{probe.PROCESSES * handshake_round_trips(calibration, name):.1f}"]
                      for name in comparisons])


def verdict(cats: tuple, dense: tuple, reached: Reached) -> TextTable:
    """Return the numbers of this run that decide."""
    rows = [[f"two nodes against one, {name}", written(gain[1])] for name, gain in (("cats", cats), ("dense", dense))]
    if best := soonest(reached):
        rows.append(["soonest learned", f"with {quantity(best, 'nodes')}"])
        rows += [[f"{quantity(nodes, 'nodes')} against one, until learned",
                  f"{reached[1][0] / reached[nodes][0]:.2f} times as fast"]
                 for nodes in (best, 1024) if nodes in reached]
    return TextTable(["of this run", ""], rows)
