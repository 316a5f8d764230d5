"""Lab 5.1: plans from workloads; the planner's formula for a training held against this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import yaml

from labkit.display import TextTable
from labkit.experiment import Axis, Experiment, Outcome, Point, Row, Unavailable
from labkit.labs.common import measured, product_rates
from labkit.machine import Machine
from labkit.plan import Bill, checked, compose, constants, example, examples, written
from labkit.plan.bill import ancestors, sensitivity
from labkit.plan.lines import LINES
from labkit.plan.workload import fields
from labkit.predict import training_time
from labkit.specs import network
from labkit.units import quantity

STEPS, WIDTHS = 100, (16, 32)
BATCHES = (32, 64, 128, 256)


def training(machine: Machine, budget: float = 0.4) -> Experiment:
    """Return the experiment on the time of a hundred steps of the cat network, as the planner would say it.

    The planner knows two things of a machine: the peak of its arithmetic, here the best measured matrix product, and
    the share of it that published trainings of convolutional networks reach.

    Args:
        machine: this machine, with its matrix products and its reference kernel.
        budget: seconds to spend on measuring a point.
    """
    peak, share = product_rates(machine)["fp32"], constants.convolution_training_share()
    reference = machine.calibration("operators").reference_seconds

    def predict(batch, width):
        work = STEPS * network.training_flop(network.cats(width), batch)
        value, low, high = (training_time.seconds(work, 1, peak, reached)
                            for reached in (share.value, share.high, share.low))
        return Outcome(value, "s", low=low, high=high, note="By a share of the peak that others published.")

    def measure(batch, width):
        from labkit.measure import step_time

        step = measured(*step_time.seconds("training step", width, batch, reference_seconds=reference, budget=budget))
        return Outcome(STEPS * step.value, "s", low=STEPS * step.low, high=STEPS * step.high, note=step.note,
                       speed=step.speed)

    return Experiment(
        title="A hundred steps of training, as a planner says it",
        quantity="Time",
        unit="s",
        axes=[Axis("batch", "Batch size", BATCHES, start=128, unit="pictures", log=True),
              Axis("width", "Width of the network", WIDTHS, unit="channels")],
        predict=predict,
        measure=measure,
        readout="A hundred steps over {batch}, {width} wide, take {value}.",
    )


def validation(machine: Machine) -> list[tuple[Experiment, list[Point]]]:
    """Return the experiment with the points that `labkit validate` measures."""
    return [(training(machine), [{"batch": batch, "width": width} for width in WIDTHS for batch in BATCHES])]


def reached(machine: Machine, row: Row) -> Outcome | Unavailable:
    """Return the share of its peak that this machine reached in a measured training."""
    if not row.measured:
        return row.measured
    peak = product_rates(machine)["fp32"]
    work = STEPS * network.training_flop(network.cats(row.point["width"]), row.point["batch"])
    low, value, high = (min(training_time.reached(work, seconds, peak), 1.0)
                        for seconds in (row.measured.high, row.measured.value, row.measured.low))
    return Outcome(value, "", low=low, high=high)


def here(machine: Machine, share: Outcome | Unavailable) -> dict[str, Outcome]:
    """Return this machine as figures of a plan, nothing where its share could not be measured."""
    peak = product_rates(machine)["fp32"]
    return {"training_peak": Outcome(peak, "FLOP/s"), "training_share": share} if share else {}


def bill(name: str, measured: Mapping[str, Outcome] | None = None, **changes: dict) -> Bill:
    """Return the plan for an example.

    Args:
        name: of the example.
        measured: figures of one's own, as in `labkit.plan.compose`.
        changes: fields of its sections, as in `training={"deadline_days": 10}`.
    """
    data = yaml.safe_load(example(name))
    changed = {section: data.get(section, {}) | more for section, more in changes.items()}
    return compose(checked(data | changed), measured)


def bill_table(plan: Bill, part: str = "") -> TextTable:
    """Return a plan's lines, or those of one part of it."""
    return TextTable(written.HEADS, [written.cells(entry) for entry in written.shown(plan)
                                     if part in ("", entry.line.part)])


def price_table(plans: dict[str, Bill]) -> TextTable:
    """Return plans side by side: how many accelerators, and what a month costs."""
    rows = []
    for name, plan in plans.items():
        month = plan["month_if_rented"]
        cost = "–" if month.value is None else (f"{quantity(month.value, 'USD')} ({quantity(month.low, '')} to "
                                                f"{quantity(month.high, '')})")
        count = plan["accelerators"].value
        rows.append([name, "–" if count is None else quantity(count, ""), cost,
                     "yes" if plan.met else f"no: {plan.broken[0]}"])
    return TextTable(["plan", "accelerators", "a month, rented", "meets it"], rows)


# What the guide's tips name, and the fields of a workload that put numbers to it; the claims stand in chapters 1 to 4.
TIPS = {
    "as many nodes as you can afford (T1)": ("deadline_days", "runs"),
    "more data, step by step (T3, T5)": ("samples", "sample_bytes", "growth_percent", "passes"),
    "the lowest latency (I1)": ("first_seconds", "each_seconds", "percentile"),
    "memory for the models, input bandwidth (I2)": ("parameters", "token_bytes", "precision"),
    "one instance, one stream (I3)": ("peak_rate", "read", "written"),
    "resources for each of many sources (E2)": ("sites", "streams", "frame_rate", "deadline_seconds"),
    "edge, cloud or both (E4)": ("cloud_percent", "round_trip_seconds", "link_mbit", "frame_bytes"),
}


def moved_by_tips() -> float:
    """Return the share of the bill's shown lines that depend on a field which some tip names."""
    named = {name for names in TIPS.values() for name in names}
    lines = [line for line in LINES.values() if line.shown]
    return sum(bool(ancestors(line.name) & named) for line in lines) / len(lines)


def decided_by() -> dict[str, list[tuple[str, float, bool]]]:
    """Return for every example the inputs that move its month most: label, change if doubled, whether a tip names it.
    """
    named = {name for names in TIPS.values() for name in names}
    labels = {field["name"]: field["label"] for field in fields()}
    return {workload.name: [(labels[name], change, name in named) for name, change in sensitivity(workload)]
            for workload in examples().values()}


def decided_table() -> TextTable:
    """Return the inputs that move each example's month most, and whether a tip names them."""
    return TextTable(["workload", "input, doubled", "the month costs", "named by a tip"], [
        [name, label, f"{abs(change):.0%} {'more' if change > 0 else 'less'}", "yes" if named else "no"]
        for name, moves in decided_by().items() for label, change, named in moves])


def unnamed(moves: Sequence[tuple[str, float, bool]] | None = None) -> int:
    """Return how many of the inputs that move the examples' months most are named by no tip."""
    found = moves or [each for some in decided_by().values() for each in some]
    return sum(not named for _, _, named in found)
