"""What grows when training grows: computation with the data, and samples with the batch. Predictions without a lab."""

from __future__ import annotations

from functools import cache

from labkit.experiment import Axis, Experiment, Outcome, Published, Unavailable
from labkit.experiments import published
from labkit.predict import compute_optimal as law
from labkit.predict import convergence
from labkit.published import EPOCHS, Training, convergence_points, critical_batches
from labkit.units import quantity

START = 1e9  # tokens, with the model that is best for them
TIMES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
SAME, BEST = "stays the same", "grows to the best size"
# What a benchmark is called here, and the MLPerf series of one submitter, from 8 accelerators to 4,000 and more.
SERIES = {
    "ResNet-50": "mlperf_v2.0|resnet|NVIDIA|NVIDIA A100-SXM4-80GB",
    "BERT": "mlperf_v2.0|bert|NVIDIA|NVIDIA A100-SXM4-80GB",
}
ACCELERATORS = (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
BATCHES = (448, 1024, 3072, 4096, 8192, 16_384, 35_840, 65_536)
BAND = 0.35  # nine in ten times to train, held out, lie within it: held by a test


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


@cache
def _training(benchmark: str) -> Training:
    return next(one for one in published.course() if one.name == SERIES[benchmark] and one.whole)


def accuracy() -> Experiment:
    """Return the experiment on the time to accuracy by accelerators and batch, for two benchmarks."""
    grid = [(n, batch) for n in ACCELERATORS for batch in BATCHES if batch >= n]
    minutes = {}
    for name in SERIES:
        per_node = _training(name).per_node
        points = [(n, max(n / per_node, 1.0), batch) for n, batch in grid]
        minutes[name] = dict(zip(grid, published.asked(_training(name), points), strict=True))

    def predict(accelerators, batch, benchmark):
        if batch < accelerators:
            return Unavailable(f"A batch of {batch:,} leaves some of {accelerators:,} accelerators without a sample.")
        value = minutes[benchmark][accelerators, batch]
        critical = critical_batches()[_training(benchmark).benchmark]
        least = 60 * value / (1 + batch / critical)
        note = (f"{samples(benchmark, batch) / (60 * value):,.0f} samples/s, and {1 + batch / critical:.2f} times the "
                "samples of a small batch.")
        return Outcome(60 * value, "s", low=60 * value * (1 - BAND), high=60 * value * (1 + BAND), note=note,
                       parts={"samples of a small batch": least, "samples more for this batch": 60 * value - least})

    def figures():
        for name in SERIES:
            training = _training(name)
            for run in training.runs:
                point = {"accelerators": run.accelerators, "batch": run.batch, "benchmark": name}
                if run.accelerators in ACCELERATORS and run.batch in BATCHES:
                    yield Published(point, 60 * run.value, f"NVIDIA, MLPerf 2.0, {run.accelerators:,.0f} A100",
                                    training.source)

    return Experiment(
        title="Time to accuracy", quantity="Time to train", unit="s",
        axes=[Axis("accelerators", "Accelerators", ACCELERATORS, start=64, log=True),
              Axis("batch", "Batch, all together", BATCHES, start=3072, unit="samples", log=True),
              Axis("benchmark", "Network", tuple(SERIES))],
        predict=predict, published=figures(),
        readout="{benchmark} on {accelerators} A100 with a batch of {batch}: {value} to its accuracy.")


def samples(benchmark: str, batch: float) -> float:
    """Return the samples that a benchmark needs with a batch, by the curve through its published convergence."""
    name = _training(benchmark).benchmark
    least, critical = convergence.fit(convergence_points()[name])
    return convergence.samples(batch, least * EPOCHS.get(name, 1), critical)
