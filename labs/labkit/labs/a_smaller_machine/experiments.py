"""Lab 4.1: what fits a small machine, and how fast the cat network answers there in each number format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from labkit import catalogue, effort
from labkit.display import TextTable, written
from labkit.experiment import Axis, Experiment, Outcome, Point, Unavailable
from labkit.labs.common import banded, like, measured
from labkit.machine import Machine
from labkit.predict import boards
from labkit.predict import small_machine as predicted
from labkit.predict.operators import layer_time
from labkit.specs import network
from labkit.specs.execution import ONNX_FORMATS
from labkit.stats import wilson
from labkit.units import quantity

WIDTHS = (4, 8, 12, 16, 24, 32, 48, 64)
BATCHES = tuple(2**k for k in range(9))
TRAINING_BATCHES = tuple(2**k for k in range(12))
THIS = "this machine, one thread"
MEMORY_BAND = 0.15  # nine predictions in ten are within it: data/measured/predictions.csv, held by a test

# Boards with a result for the closest network of MLPerf Tiny, by what the reader sees: board and submitter.
BOARDS = {
    "Cortex-M0+ at 64 MHz": ("NUCLEO-G0B1RE", "Bosch"),
    "Cortex-M4 at 120 MHz": ("NUCLEO-L4R5ZI", "STMicroelectronics"),
    "Cortex-M7 at 280 MHz": ("NUCLEO-H7A3ZI", "Bosch"),
    "Cortex-M85 at 480 MHz": ("EK-RA8D1", "Renesas"),
}
ONE_RESULT = "Raspberry Pi 4"
ACCELERATORS = ("Qualcomm Sensing Hub", "Syntiant Core 2", "ANPU on an FPGA")  # the scaling is tried on processor cores


def time(machine: Machine, accuracy: Mapping[tuple[str, int], Outcome] | None = None,
         budget: float = 0.3) -> Experiment:
    """Return the experiment on the time of one run of the cat network.

    Args:
        machine: this machine, with what its lab's probes find on it.
        accuracy: shares of right answers in %, by format and width, as far as they are known.
        budget: seconds to spend on measuring a point.

    Raises:
        ValueError: a machine that lacks the probe, such as one of the catalogue.
    """
    calibration, accuracy = machine.calibration("sessions"), accuracy or {}

    def predict(batch, width, dtype, device):
        if device == THIS:
            return banded({"": layer_time(calibration.group(dtype), width, batch)}, note=about(dtype, width),
                          widening=calibration.widening)
        if device == ONE_RESULT:
            return Unavailable("One network's time is published for it, ResNet-50's: 400 times the operations of the "
                               "largest here. Scaling that far says nothing.")
        return _on_board(batch, width, dtype, device)

    def measure(batch, width, dtype, device):
        if device != THIS:
            return Unavailable(f"This is no {device}: it can only be predicted here.")
        from labkit.measure.probes import sessions

        *beside, seconds = like(calibration.group(dtype), width, batch)
        return measured(*sessions.seconds(dtype, width, batch, beside=beside, reference_seconds=seconds, budget=budget))

    def about(dtype, width):
        size = quantity(sum(predicted.file(dtype, width).values()), "B")
        share = accuracy.get((dtype, width))
        known = f", and {share.value:.1f} % right ({share.low:.1f} to {share.high:.1f} %)" if share else ""
        return f"{size} of numbers in the file{known}."

    return Experiment(
        title="One run of the cat network in ONNX Runtime",
        quantity="Time",
        unit="s",
        axes=[
            Axis("batch", "Batch size", BATCHES, unit="pictures", log=True),
            Axis("width", "Width of the network", WIDTHS, start=16, unit="channels", log=True),
            Axis("dtype", "Number format", ONNX_FORMATS),
            Axis("device", "Device", (THIS, *BOARDS, ONE_RESULT)),
        ],
        predict=predict,
        measure=measure,
        readout="In {dtype}, a network {width} wide answers {batch} in {value} on {device}.",
    )


def _on_board(batch: int, width: int, dtype: str, device: str) -> Outcome | Unavailable:
    board, submitter = BOARDS[device]
    published = times().get((board, submitter, "float" if dtype == "fp32" else "int8"), {}).get(boards.CLOSEST)
    if dtype == "int8 dynamic":
        return Unavailable("Microcontrollers run int8 with fixed ranges: no result with ranges found in every run is "
                           "published.")
    if published is None:
        return Unavailable(f"No result in 32-bit floats is published for the {board}.")
    value = batch * boards.seconds(published, operations(width))
    low, high = spread()
    return Outcome(value, "s", low=value * min(low, 1), high=value * max(high, 1), note=(
        f"Scaled by operations from what {submitter} published of ResNet-8 on a {board}, one picture after the other; "
        "whether it fits its memory is another question."))


def times(processors: bool = True) -> dict[tuple[str, str, str], dict[str, float]]:
    """Return published seconds of one answer by network, for each board, submitter and number format.

    Args:
        processors: leave out what computes on an accelerator beside the processor.
    """
    found = {}
    for row in catalogue.table("mlperf-tiny"):
        usual = row["name"].endswith(row["format"])  # and not one of a board's other settings
        if usual and not (processors and row["processor"] in ACCELERATORS):
            key = (row["board"], row["submitter"], row["format"])
            found.setdefault(key, {})[row["task"]] = 1 / row["samples_per_s"]
    return found


def spread() -> tuple[float, float]:
    """Return the factors between which nine published times in ten lie, over their predictions by operations.

    For the two other networks of MLPerf Tiny that are made of convolutions.
    """
    found = by_operations()
    ratios = sorted(found["keyword spotting"] + found["visual wake words"])
    aside = round(len(ratios) / 20)
    return ratios[aside], ratios[-1 - aside]


def by_operations() -> dict[str, list[float]]:
    """Return published over predicted times where the prediction comes from the operations."""
    return boards.by_operations(times().values())


def published() -> list[tuple[str, float, float]]:
    """Return kind of device, operations of one answer, and published seconds, for boards and edge systems."""
    found = []
    for (_, _, dtype), board in times(processors=False).items():
        if dtype == "int8":
            found += [("microcontrollers", boards.OPERATIONS[task], seconds) for task, seconds in board.items()]
    kinds = {"Cortex-A72": "Raspberry Pi 4", "Cortex-A78AE": "Jetson Orin"}
    for row in catalogue.table("mlperf-inference"):
        kind = next((kind for core, kind in kinds.items() if core in row["processor"]), None)
        if kind and row["model"] == "ResNet-50" and row["single_latency_s"]:
            found.append((kind, network.RESNET_50_FLOP, row["single_latency_s"]))
    return found


def memory(training: int | Unavailable, inference: int | Unavailable) -> Experiment:
    """Return the experiment on the peak memory of a process that trains the cat network, or infers with it.

    Args:
        training, inference: bytes that interpreter and libraries have by themselves
            (`labkit.measure.limited_jobs.need`).
    """
    needs = {"train": training, "infer": inference}

    def predict(batch, width, job):
        if isinstance(needs[job], Unavailable):
            return needs[job]
        parts = predicted.memory(needs[job], job, width, batch)
        value = sum(parts.values())
        return Outcome(value, "B", low=value * (1 - MEMORY_BAND), high=value * (1 + MEMORY_BAND), parts=parts)

    def measure(batch, width, job):
        return peak(_run(batch, width, job))

    return Experiment(
        title="Memory of a process that trains or infers",
        quantity="Peak memory",
        unit="B",
        axes=[
            Axis("batch", "Batch size", TRAINING_BATCHES, start=128, unit="pictures", log=True),
            Axis("width", "Width of the network", WIDTHS, start=64, unit="channels", log=True),
            Axis("job", "What runs", tuple(needs)),
        ],
        predict=predict,
        measure=measure,
        readout="To {job} with {batch} at a time, in a network {width} wide, a process needs {value}.",
    )


def _run(batch: int, width: int, job: str):
    import tempfile

    from labkit.measure import limited_jobs
    from labkit.models.datasets import cats
    from labkit.models.networks.cats import CatNet
    from labkit.runtimes.onnx_export import write

    if job == "train":
        return limited_jobs.train(cats.draw(2 * batch), width, batch)
    with tempfile.TemporaryDirectory() as folder:
        return limited_jobs.infer(write(CatNet(width), Path(folder) / "cats.onnx"), cats.draw(batch), batch=batch)


def largest(experiment: Experiment, width: int, limit: float) -> int | None:
    """Return the largest batch of `memory`'s slider that trains within `limit` bytes, None where none does."""
    predictions = {batch: experiment.predict(batch=batch, width=width, job="train") for batch in TRAINING_BATCHES}
    return max((batch for batch, found in predictions.items() if found and found.value <= limit), default=None)


def words(ended) -> str:
    """Return how a confined process ended (`labkit.measure.limits`), or why none could be started."""
    return ended.reason if isinstance(ended, Unavailable) else ended.words


def peak(ended) -> Outcome | Unavailable:
    """Return the most memory that a confined process had, or why that is not known."""
    return Outcome(ended.peak, "B") if ended and ended.peak else Unavailable(words(ended))


def operations(width: int) -> int:
    """Return the operations of one answer of the cat network."""
    return network.forward_flop(network.cats(width))


def share(right: int, tested: int) -> Outcome:
    """Return the share of right answers in %, with its 95 % interval."""
    value, low, high = wilson(right, tested)
    return Outcome(100 * value, "%", low=100 * low, high=100 * high)


@dataclass(frozen=True)
class Variant:
    """One network in one number format, measured.

    Args:
        width: of the network, in channels.
        dtype: the number format.
        size: of the file, in bytes.
        time: seconds of one picture, on one thread.
        right: share of right answers in %.
    """

    width: int
    dtype: str
    size: int
    time: Outcome
    right: Outcome


def variants(width: int, files: Mapping[str, Path], pictures, budget: float = 0.3) -> list[Variant]:
    """Measure a network's files: their size, the time of one picture, and the share of right answers.

    Args:
        width: of the network.
        files: by number format, as `labkit.runtimes.onnx_export.every_format` writes them.
        pictures: `labkit.models.datasets.cats.Pictures` that no network has seen.
        budget: seconds for each file's time; they are timed in turn.
    """
    from labkit.runtimes.onnx_session import Network
    from labkit.timing import clock

    opened = {dtype: Network(path) for dtype, path in files.items()}
    timings = clock.rounds({dtype: each.sampler(1) for dtype, each in opened.items()}, budget=budget)
    found = []
    for dtype, each in opened.items():
        right = int((each.answers(pictures.images.numpy()) == pictures.truth.numpy()).sum())
        timing = timings[dtype]
        time = Outcome(timing.median, "s", low=timing.low, high=timing.high, note=timing.note)
        found.append(Variant(width, dtype, files[dtype].stat().st_size, time, share(right, len(pictures))))
    return found


def variants_of_all(files: Mapping[int, Mapping[str, Path]], pictures) -> dict[tuple[str, int], Variant]:
    """Measure the files of networks of several widths, and return what came out by format and width."""
    budget = effort.pick(quick=0.08, usual=0.2, long=1.0)
    return {(variant.dtype, width): variant for width in files
            for variant in variants(width, files[width], pictures, budget)}


def points_apart(variants: Mapping[tuple[str, int], Variant], name: str) -> float:
    """Return by how many percentage points right answers differ from those in 32 bits, at most."""
    return max(abs(variant.right.value - variants["fp32", width].right.value)
               for (dtype, width), variant in variants.items() if dtype == name)


def time_share(variants: Mapping[tuple[str, int], Variant], name: str, width: int, of: str = "fp32") -> float:
    """Return the time of one picture in a format as a multiple of another's."""
    return variants[name, width].time.value / variants[of, width].time.value


def right_answers(network, pictures) -> Outcome:
    """Return a network's share of right answers in %, with its 95 % interval."""
    from labkit.models.evaluation import evaluate

    return share(int(evaluate(network, pictures).right.sum()), len(pictures))


def finished(ended) -> int | Unavailable:
    """Return whether a run in the sandbox finished, 1 or 0, or why none could be started."""
    return ended if isinstance(ended, Unavailable) else int(bool(ended))


def memory_error(ended, predicted_peak: Outcome | Unavailable) -> float | Unavailable:
    """Return by how much a predicted peak is off, as a fraction of the measured one."""
    measured_peak = peak(ended)
    if not (measured_peak and predicted_peak):
        return measured_peak if predicted_peak else predicted_peak
    return abs(predicted_peak.value / measured_peak.value - 1)


def lab_points() -> list[Point]:
    """Return the points of the lab's comparison of times: widths or batches that the calibration did not run."""
    at = effort.pick(quick=((12, 1), (24, 16)), usual=((12, 1), (24, 16), (48, 1), (64, 16)),
                     long=((12, 1), (24, 16), (48, 1), (64, 16)))
    return [dict(width=width, batch=batch, dtype=dtype, device=THIS) for dtype in ONNX_FORMATS for width, batch in at]


# Tables


def needs_table(needs: Mapping[str, Outcome | Unavailable]) -> TextTable:
    """Return the predicted memory of some processes."""
    return TextTable(["process", "predicted peak"], [[name, written(need)] for name, need in needs.items()])


def run_table(runs: Mapping[str, object]) -> TextTable:
    """Return how runs in the sandbox ended, and the most memory that they had."""
    return TextTable(["run", "how it ended", "peak"], [
        [name, words(ended), written(peak(ended)) if ended else ""] for name, ended in runs.items()])


def file_table(files: Mapping[str, Path], width: int) -> TextTable:
    """Return the bytes of a network's numbers by formula, and of its files, by format."""
    return TextTable(["format", "numbers, by formula", "file"], [
        [dtype, f"{sum(predicted.file(dtype, width).values()):,} B", f"{files[dtype].stat().st_size:,} B"]
        for dtype in ONNX_FORMATS])


def variant_table(variants: Mapping[tuple[str, int], Variant]) -> TextTable:
    """Return size, time and right answers of networks, by width and format."""
    return TextTable(["width", "format", "file", "one picture", "right"], [
        [str(variant.width), variant.dtype, quantity(variant.size, "B"), written(variant.time),
         f"{variant.right.value:.1f} % ({variant.right.low:.1f} to {variant.right.high:.1f} %)"]
        for variant in variants.values()])


def device_table(runs: Mapping[str, object]) -> TextTable:
    """Return what networks did on the small machine."""
    rows = []
    for dtype, ended in runs.items():
        right = f"{share(ended.result['right'], ended.result['tested']).value:.1f} %" if ended else words(ended)
        rows.append([dtype, right, written(peak(ended)) if ended else "",
                     quantity(ended.result["median"], "s") if ended else ""])
    return TextTable(["format", "right", "peak", "one picture"], rows)


def device_points_apart(runs: Mapping[str, object], variants: Mapping[tuple[str, int], Variant],
                        width: int) -> float | Unavailable:
    """Return by how many points right answers on the small machine differ from those on this one, at most."""
    apart = [abs(share(ended.result["right"], ended.result["tested"]).value - variants[dtype, width].right.value)
             for dtype, ended in runs.items() if ended]
    return max(apart) if apart else Unavailable(words(next(iter(runs.values()))))


def fleet_table(full: Variant, small: Variant, devices: int = 1_000) -> TextTable:
    """Return what many devices cost, by arithmetic."""
    picture = predicted.PICTURE
    return TextTable(["for 1,000 devices" if devices == 1_000 else f"for {devices:,} devices", ""], [
        ["a new version in 32 bit", f"{devices * full.size / 1e6:,.0f} MB"],
        ["a new version in 8 bit", f"{devices * small.size / 1e6:,.0f} MB"],
        ["pictures a second that as many cores like this one answer", f"{devices / small.time.value:,.0f}"],
        ["to train in one place, for every picture that each takes", f"{devices * picture / 1e6:.1f} MB"],
        ["pictures that weigh as much as the network in 8 bit", f"{small.size / picture:.0f}"]])


def verdict_table(free, patient, answering, full: Variant, small: Variant, limit: int) -> TextTable:
    """Return the numbers that decide the verdict."""
    return TextTable(["", ""], [
        ["training at a batch of 2,048 took", written(peak(free))], ["the limit", quantity(limit, "B")],
        ["training at a batch of 128 took, under it", written(peak(patient))],
        ["inference took, under it", written(peak(answering))],
        [f"right in 32 bit, width {full.width}", written(full.right)], ["right in 8 bit", written(small.right)],
        ["its file, of that in 32 bit", f"{small.size / full.size:.0%}"]])


def validation(machine: Machine) -> list[tuple[Experiment, list[Point]]]:
    """Return the experiments with the points that `labkit validate` measures.

    None was calibrated: of the times, the widths lie between the calibrated ones, or else the batches; of the memory,
    only one step with one picture was measured.
    """
    from labkit.measure import limited_jobs as limited_jobs

    at = [(12, 1), (12, 32), (24, 1), (24, 4), (24, 128), (48, 1), (48, 16), (8, 4), (16, 32), (32, 4), (64, 16)]
    jobs = [("train", 8, 64), ("train", 16, 512), ("train", 32, 512), ("train", 64, 256), ("train", 48, 1024),
            ("infer", 64, 1), ("infer", 64, 256), ("infer", 32, 1024), ("infer", 16, 512)]
    return [
        (time(machine), [{"batch": batch, "width": width, "dtype": dtype, "device": THIS}
                         for dtype in ONNX_FORMATS for width, batch in at]),
        (memory(limited_jobs.need("train"), limited_jobs.need("infer")),
         [{"batch": batch, "width": width, "job": job} for job, width, batch in jobs]),
    ]
