"""How long people wait for one service, if each asks at random: a prediction without a lab."""

from __future__ import annotations

from labkit.experiment import Axis, Experiment, Outcome, Unavailable
from labkit.predict import erlang
from labkit.units import quantity

PEOPLE = (1, 2, 5, 10, 20, 30, 40, 50, 70, 100, 150, 200, 300, 500)
EVERY = (5, 10, 30, 120)  # s
WORK = (0.1, 0.2, 0.5, 2.0)  # s
PERCENTILES = (50, 90, 99)
INSTANCES = {"one": 1, "two": 2, "four": 4, "eight": 8}


def wait() -> Experiment:
    """Return the experiment on the time of an answer: its work, after a wait that so many in a hundred stay below."""

    def predict(people, every, work, percentile, instances):
        busy = people / every * work / INSTANCES[instances]
        if busy >= 1:
            return Unavailable(
                f"There is no p{percentile}: {people:,} people, each once in {every} s with {quantity(work, 's')} of "
                f"work, ask for {quantity(100 * busy, '%')} of what can be done, and the queue grows without end.")
        parts = {"waiting": work * erlang.longest(INSTANCES[instances], busy, percentile / 100), "work": work}
        return Outcome(sum(parts.values()), "s", parts=parts, note=f"Busy for {quantity(100 * busy, '%')} of the time.")

    return Experiment(
        title="People at one service",
        quantity="Time of an answer",
        unit="s",
        axes=[
            Axis("people", "People", PEOPLE, start=20, unit="people", log=True),
            Axis("every", "Each asks once in", EVERY, start=30, unit="s", log=True),
            Axis("work", "Work for one answer", WORK, start=0.5, unit="s", log=True),
            Axis("percentile", "Percentile of the wait", PERCENTILES, start=99),
            Axis("instances", "Instances", tuple(INSTANCES)),
        ],
        predict=predict,
        readout="{people}, each asking once in {every}: the p{percentile} of the wait, and the work, take {value}. "
                "Instances: {instances}.",
    )
