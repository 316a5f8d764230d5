"""What grows when training grows: computation with the data, and samples with the batch. Predictions without a lab."""

from __future__ import annotations

from functools import cache

from labkit.experiment import Axis, Experiment, Outcome, Published, Unavailable
from labkit.pages import published_scaling
from labkit.predict import compute_optimal as law
from labkit.predict import convergence
from labkit.published import EPOCHS, Training, convergence_points
from labkit.units import quantity

START = 1e9  # tokens, with the model that is best for them
TIMES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
SAME, BEST = "stays the same", "grows to the best size"
# Accelerators, and the MLPerf series in which one submitter trained ResNet-50 on them.
SERIES = {
    "A100": "mlperf_v2.0|resnet|NVIDIA|NVIDIA A100-SXM4-80GB",
    "H100": "mlperf_v3.0|resnet|NVIDIA|NVIDIA H100-SXM5-80GB",
}
RESNET = "resnet"
ACCELERATORS = (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4216)
BATCHES = (408, 1024, 3264, 8192, 16_384, 35_840, 67_456, 131_072)
BAND = 0.25  # nine in ten MLPerf throughputs, held out, lie within it: held by a test


def data() -> Experiment:
    """Return the experiment on the operations of a training whose data grow."""

    def predict(times, model):
        tokens = START * times
        first = law.best_parameters(START)
        parameters = first if model == SAME else law.best_parameters(tokens)
        needed = law.flop(parameters, tokens)
        note = (f"{quantity(needed / law.flop(first, START), 'times')} the operations of the start; "
                f"{parameters / 1e9:.3g} billion parameters, a loss of {law.loss(parameters, tokens):.2f}.")
        return Outcome(needed, "FLOP", note=note)

    return Experiment(
        title="Operations for more data", quantity="Operations", unit="FLOP",
        axes=[Axis("times", "Data, times a billion tokens", TIMES, log=True),
              Axis("model", "The model", (BEST, SAME))],
        predict=predict, readout="{times} billion tokens, while the model {model}: {value}.")


def training(card: str, whole: bool) -> Training:
    """Return the series of a card: its throughput, or its time to train."""
    return next(one for one in published_scaling.course() if one.name == SERIES[card] and one.whole is whole)


@cache
def curve() -> tuple[float, float]:
    """Return the pictures that ResNet-50 needs with a small batch, and its critical batch, from MLPerf's convergence.
    """
    epochs, critical = convergence.fit(convergence_points()[RESNET])
    return epochs * EPOCHS[RESNET], critical


def accuracy() -> Experiment:
    """Return the experiment on ResNet-50's time to accuracy: the pictures that a batch needs, at the predicted rate."""
    grid = [(n, batch) for n in ACCELERATORS for batch in BATCHES if batch >= n]
    seconds = {}
    for card in SERIES:
        rate = training(card, whole=False)
        points = [(n, max(n / rate.per_node, 1.0), batch) for n, batch in grid]
        seconds[card] = dict(zip(grid, published_scaling.asked(rate, points), strict=True))
    least, critical = curve()

    def predict(accelerators, batch, card):
        if batch < accelerators:
            return Unavailable(f"A batch of {batch:,} leaves some of {accelerators:,} {card} without a picture.")
        each = seconds[card][accelerators, batch]
        more = convergence.samples(batch, least, critical) - least
        value = (least + more) * each
        note = f"{1 / each:,.0f} pictures/s, and {1 + more / least:.2f} times the pictures of a small batch."
        return Outcome(value, "s", low=value * (1 - BAND), high=value * (1 + BAND), note=note,
                       parts={"pictures that any batch needs": least * each, "more for this batch": more * each})

    figures = [Published({"accelerators": run.accelerators, "batch": run.batch, "card": card}, 60 * run.value,
                         f"NVIDIA, MLPerf, {run.accelerators:,.0f} {card}", training(card, whole=True).repository)
               for card in SERIES for run in training(card, whole=True).runs
               if run.accelerators in ACCELERATORS and run.batch in BATCHES]
    return Experiment(
        title="Time to accuracy, ResNet-50", quantity="Time to train", unit="s",
        axes=[Axis("accelerators", "Accelerators", ACCELERATORS, start=64, log=True),
              Axis("batch", "Batch, all together", BATCHES, start=3264, unit="pictures", log=True),
              Axis("card", "Accelerator", tuple(SERIES))],
        predict=predict, published=figures,
        readout="With {accelerators} {card} and a batch of {batch}: {value} to its accuracy.")
