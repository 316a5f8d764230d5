"""How many people one service answers in time, if each asks at random: a prediction without a lab."""

from __future__ import annotations

from labkit.experiment import Axis, Experiment, Outcome
from labkit.predict import erlang
from labkit.units import quantity

PEOPLE = (1, 2, 5, 10, 20, 30, 50, 70, 100, 200, 500)
EVERY = (5, 10, 30, 120)  # s
WORK = (0.1, 0.2, 0.5, 2.0)  # s
PATIENCE = (0.0, 0.2, 1.0, 5.0)  # s
INSTANCES = {"one": 1, "two": 2, "four": 4, "eight": 8}


def late() -> Experiment:
    """Return the experiment on the share of requests that wait for longer than people are patient."""

    def predict(people, every, work, patience, instances):
        busy = people / every * work / INSTANCES[instances]
        share = erlang.late(INSTANCES[instances], busy, patience / work)
        note = f"Busy for {quantity(100 * busy, '%')} of the time."
        if busy >= 1:
            note = f"{quantity(100 * busy, '%')} of what they can do is asked for: the queue grows without end."
        return Outcome(100 * share, "%", note=note)

    return Experiment(
        title="People at one service",
        quantity="Requests that wait too long",
        unit="%",
        axes=[
            Axis("people", "People", PEOPLE, start=50, unit="people", log=True),
            Axis("every", "Each asks once in", EVERY, start=30, unit="s", log=True),
            Axis("work", "Work for one answer", WORK, start=0.5, unit="s", log=True),
            Axis("patience", "Wait that is acceptable", PATIENCE, start=0.2, unit="s"),
            Axis("instances", "Instances", tuple(INSTANCES)),
        ],
        predict=predict,
        readout="Of {people}, each asking once in {every}, {value} of the requests wait for more than {patience}. "
                "Instances: {instances}.",
    )
