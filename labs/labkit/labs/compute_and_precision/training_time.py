"""Days of training by number format and accelerator: a prediction from data sheets and from what trainings reached."""

from __future__ import annotations

from functools import cache
from statistics import median

from labkit import catalogue
from labkit.experiment import Axis, Experiment, Outcome, Published, PublishedComparison, Unavailable, compare_published
from labkit.predict import training_time as predicted
from labkit.units import quantity

DAY, HOUR = 86_400, 3_600  # s
# What a model is called here, its parameters and the tokens that it sees: 20 for each parameter, as Hoffmann et al.
# 2022 (arXiv:2203.15556) found best for the operations; the last one saw more (arXiv:2407.21783).
MODELS = {"1 billion": (1e9, 20e9), "8 billion": (8e9, 160e9), "70 billion": (70e9, 1.4e12),
          "405 billion": (405e9, 15.6e12)}
ACCELERATORS = {"A100": "NVIDIA A100 SXM4 80GB", "H100": "NVIDIA H100 SXM", "B200": "NVIDIA B200 SXM",
                "MI300X": "AMD MI300X"}
FORMATS = ("fp32", "tf32", "bf16", "fp8")
COUNTS = tuple(2**k for k in range(3, 15))
# Pairs of formats of data/precision-speed.csv, of which bf16 is one (fp16 has its peak wherever both are): the share
# of the peak in the other format follows from how much faster the narrow one was.
PAIRS = {"fp32": ("fp32", "fp16"), "tf32": ("tf32", "fp16"), "fp8": ("bf16", "fp8")}


def run() -> Experiment:
    """Return the experiment on the days that a training takes."""

    def predict(accelerators, model, format, accelerator):
        row = catalogue.by_name("hardware")[ACCELERATORS[accelerator]]
        peak = catalogue.peak(row, format)
        if peak is None:
            return Unavailable(f"The {accelerator} has no {format}, or no source gives its rate.")
        work = predicted.operations(*MODELS[model])
        low, share, high = shares()[format]
        value, longest, shortest = (predicted.seconds(work, accelerators, peak, reached) / DAY
                                    for reached in (share, low, high))
        energy = value * 24 * accelerators * row["tdp_w"] / 1e6
        note = (f"At {share:.0%} of the peak of {quantity(peak, 'FLOP/s')}. Rated energy of the accelerators: "
                f"{energy:,.3g} MWh.").replace("%", " %")
        return Outcome(value, "days", low=shortest, high=longest, note=note)

    return Experiment(
        title="Days of training by number format",
        quantity="Training time",
        unit="days",
        axes=[
            Axis("accelerators", "Accelerators", COUNTS, start=1024, log=True),
            Axis("model", "Parameters", tuple(MODELS), start="70 billion"),
            Axis("format", "Format", FORMATS, start="bf16"),
            Axis("accelerator", "Accelerator", tuple(ACCELERATORS), start="H100"),
        ],
        predict=predict,
        readout="On {accelerators} {accelerator}, a model of {model} parameters takes {value} in {format}.",
    )


@cache
def shares() -> dict[str, tuple[float, float, float]]:
    """Return the least, the usual and the most that trainings reach of the peak of a format.

    For bf16 these are whole published runs. For the others, the same runs, as much further from the peak or closer to
    it as the published pairs of formats were in the median.
    """
    found = sorted(reached(row) for row in catalogue.table("training-runs") if row["format"] == "bf16")
    base = found[0], median(found), found[-1]
    scale = {"bf16": 1.0, "fp8": fulfilled("fp8"), "tf32": 1 / fulfilled("tf32"), "fp32": 1 / fulfilled("fp32")}
    return {format: tuple(min(1.0, share * scale[format]) for share in base) for format in FORMATS}


def fulfilled(format: str) -> float:
    """Return how much of the promised factor between two formats arrived: the median of the published pairs."""
    wide, narrow = PAIRS[format]
    rows = [row for row in catalogue.table("precision-speed") if (row["wide"], row["narrow"]) == (wide, narrow)]
    return median(faster(row) / promised(row) for row in rows)


def faster(row: dict) -> float:
    """Return how many times as fast a network of data/precision-speed.csv trained in the narrow format."""
    return row["narrow_samples_per_s"] / row["wide_samples_per_s"]


def promised(row: dict) -> float:
    """Return the factor between the two peaks on the data sheet."""
    machine = catalogue.by_name("hardware")[row["accelerator"]]
    return catalogue.peak(machine, row["narrow"]) / catalogue.peak(machine, row["wide"])


def reached(row: dict) -> float:
    """Return the share of its peak that a training of data/training-runs.csv reached."""
    work = predicted.operations(row["parameters"], row["tokens"])
    peak = catalogue.peak(catalogue.by_name("hardware")[row["accelerator"]], row["format"])
    return predicted.reached(work, row["accelerator_hours"] * HOUR, peak)


def published() -> PublishedComparison:
    """Return the hours of published trainings beside a prediction from the others, their own share left out."""
    runs = catalogue.by_name("training-runs")

    def predict(training):
        row = runs[training]
        others = median(reached(other) for name, other in runs.items() if name != training and
                        other["format"] == "bf16")
        share = others * (fulfilled("fp8") if row["format"] == "fp8" else 1)
        work = predicted.operations(row["parameters"], row["tokens"])
        peak = catalogue.peak(catalogue.by_name("hardware")[row["accelerator"]], row["format"])
        return Outcome(predicted.seconds(work, 1, peak, share) / HOUR, "hours")

    return compare_published(Experiment(
        title="Hours of a training, all accelerators together", quantity="Time", unit="hours",
        axes=[Axis("training", "Training", tuple(runs))], predict=predict, readout="{training} takes {value}.",
        published=[Published({"training": name}, row["accelerator_hours"], name, row["source"])
                   for name, row in runs.items()]))
