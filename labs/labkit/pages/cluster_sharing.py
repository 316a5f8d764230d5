"""A job on its team's own part of a cluster, or in one pool with other teams': a prediction without a lab."""

from __future__ import annotations

import math

from labkit.experiment import Axis, Experiment, Outcome, Unavailable
from labkit.predict import cluster_sharing
from labkit.units import quantity

OWN, POOL = "each its own", "one pool"
TEAMS = (2, 4, 8, 16)
LOADS = (30, 50, 60, 70, 80, 90, 95)  # % of a team's part
OTHERS = (30, 50, 70, 80, 90)
PLACES = (1, 4)
LONGER = (1.0, 1.1, 1.25, 1.5, 2.0)
HOURS = 10  # of a job that runs undisturbed


def result() -> Experiment:
    """Return the experiment on the hours from asking for a job to its end, by who may run what where."""

    def predict(load, others, teams, places, longer, cluster):
        if cluster == OWN:
            servers, busy, stretch = places, load / 100, 1.0
            note = f"The part is busy for {load} % of the time."
        else:
            servers, busy, stretch = teams * places, (load + (teams - 1) * others) / teams / 100, longer
            note = f"The pool is busy for {quantity(100 * busy * stretch, '%')} of the time."
        parts = {name: HOURS * part for name, part in cluster_sharing.stay(servers, busy, stretch).items()}
        if math.isinf(sum(parts.values())):
            return Unavailable(
                f"The queue of {teams} teams grows without end: {load} % of your part and {others} % of the others', "
                f"with jobs {longer:g} times as long on {teams * places} places, "
                f"ask for {quantity(100 * busy * stretch, '%')} of what the pool can do.")
        return Outcome(sum(parts.values()), "h", parts=parts, note=note)

    return Experiment(
        title="From asking for a job to its end",
        quantity="Mean time to the end",
        unit="h",
        axes=[
            Axis("load", "Your jobs, of what your part can do", LOADS, start=70, unit="%"),
            Axis("others", "The other teams' jobs, of what theirs can", OTHERS, start=70, unit="%"),
            Axis("teams", "Teams", TEAMS, start=8, unit="teams", log=True),
            Axis("places", "Jobs that fit a part at a time", PLACES, unit="jobs"),
            Axis("longer", "A job in the pool runs so many times as long", LONGER),
            Axis("cluster", "Cluster", (OWN, POOL), start=OWN),
        ],
        predict=predict,
        readout="Cluster: {cluster}. Your load {load}, that of the others {others}, {teams}, {places} at a time in a "
                f"part, in the pool {{longer}} × as long: {{value}} until a job of {HOURS} hours ends.",
    )
