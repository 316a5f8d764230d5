"""Lab 3.4 at other sizes: what calls back to storage do to a service, by the place that it calls."""

from __future__ import annotations

from labkit import catalogue
from labkit.experiment import Axis, Experiment, Outcome
from labkit.labs.memory_and_io.experiments import ANSWERING, FETCHING
from labkit.predict import model_cache
from labkit.units import quantity

PLACES = {  # the name in a table of the catalogue
    "the host's memory": ("links", "PCIe 5 x16, host to GPU (H200)"),
    "100 Gbit Ethernet": ("links", "100 GbE"),
    "an NVMe drive": ("storage", "NVMe SSD, PCIe 4"),
    "a SATA drive": ("storage", "SATA SSD"),
}
SIZES = (0.1, 1, 16, 140)  # GB: a network for pictures to a language model of 70 billion in 16 bits
MISSING = (0, 0.01, 0.1, 0.5, 2, 10, 100)  # %
ANSWERS = (10, 100, 1000, 10_000)  # ms
PERCENTILES = (50, 99, 99.9)


def bandwidth(place: str) -> float:
    """Return the bytes/s from one of `PLACES`."""
    table, name = PLACES[place]
    return catalogue.by_name(table)[name]["bytes_per_s"]


def plan() -> Experiment:
    """Return the experiment on a percentile of a service that fetches a model now and then."""

    def predict(place, size, missing, answer, percentile):
        alone, fetch = answer / 1e3, size * 1e9 / bandwidth(place)
        whole = model_cache.percentile(percentile, alone, alone + fetch, missing / 100)
        mean = model_cache.mean(alone, alone + fetch, missing / 100)
        shown = "shows" if whole > alone else "does not show"
        note = (f"Fetching takes {quantity(float(f'{fetch:.2g}'), 's')}, and this percentile {shown} it. A server that "
                f"waits for it gives {quantity(float(f'{alone / mean:.2g}') * 100, '%')} of its answers.")
        return Outcome(whole, "s", parts={ANSWERING: alone, FETCHING: whole - alone}, note=note)

    return Experiment(
        title="A service that fetches a model now and then",
        quantity="Time of a request",
        unit="s",
        axes=[
            Axis("place", "The models lie in", tuple(PLACES), start="an NVMe drive"),
            Axis("size", "Weights of a model", SIZES, start=16, unit="GB", log=True),
            Axis("missing", "Requests that fetch theirs", MISSING, start=0.5, unit="%"),
            Axis("answer", "An answer from memory", ANSWERS, start=100, unit="ms", log=True),
            Axis("percentile", "Percentile", PERCENTILES, start=99),
        ],
        predict=predict,
        readout="{missing} of the requests fetch {size} from {place}, and an answer takes {answer}: percentile "
                "{percentile} is {value}.",
    )
