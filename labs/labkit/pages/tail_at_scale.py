"""How many requests wait for a slow server when each needs many of them: a prediction that is exact arithmetic."""

from __future__ import annotations

from labkit.experiment import Axis, Experiment, Outcome, Published
from labkit.predict import tail_at_scale as predicted

ONE, TWO = "one copy", "two copies"
COPIES = {ONE: 1, TWO: 2}
SERVERS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
EACH = {"1 in 10": 0.1, "1 in 100": 0.01, "1 in 1,000": 0.001, "1 in 10,000": 0.0001}


def fan_out() -> Experiment:
    """Return the experiment on the share of requests that are slow, by how many servers each one needs."""

    def predict(servers, each, copies):
        share = predicted.slow_share(EACH[each], servers, COPIES[copies])
        return Outcome(100 * share, "%", note="If nothing slows several servers at once.")

    return Experiment(
        title="Waiting for the slowest",
        quantity="Requests that wait",
        unit="%",
        axes=[
            Axis("servers", "Servers that must all answer", SERVERS, start=100, unit="servers", log=True),
            Axis("each", "Slow answers of each server", tuple(EACH), start="1 in 100"),
            Axis("copies", "Each question sent as", tuple(COPIES)),
        ],
        predict=predict,
        readout="If {each} of each server's answers is slow, {value} of the requests to {servers} are, with {copies}.",
        published=[Published({"servers": 100, "each": "1 in 100", "copies": ONE}, 63, "Dean and Barroso",
                             "doi:10.1145/2408776.2408794"),
                   Published({"servers": 2000, "each": "1 in 10,000", "copies": ONE}, 18, "Dean and Barroso",
                             "doi:10.1145/2408776.2408794")],
    )
