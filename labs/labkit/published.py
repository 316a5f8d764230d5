"""Published scaling: reads tables of how fast others trained at several scales, and holds them to a form.

A table is a CSV file with a run in each row: `COLUMNS` must be there, others may be. Runs that belong together share a
`series_id`, a metric, a workload and a kind of unit; `UNITS` lists what a metric may be written in.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median

from labkit import spreadsheet
from labkit.data import data_folder, read_csv
from labkit.predict import convergence, scaling
from labkit.spreadsheet import Row, Table

COLUMNS = ("series_id", "workload", "model_params", "accelerator", "accelerators_per_node", "nodes",
           "total_accelerators", "global_batch", "metric", "value", "unit", "samples_to_converge", "source")
_NUMBERS = ("value", "total_accelerators", "nodes", "accelerators_per_node", "global_batch", "model_params")
_DESCRIBED = ("global_batch", "model_params")  # may be words, such as "not stated"
TIME_TO_TRAIN = "time to train"
# What a metric measures: the family that it is reported with.
FAMILIES = {
    "time_to_train": TIME_TO_TRAIN,
    "train_throughput": "throughput",
    "throughput_per_gpu": "rate of each accelerator",
    "tflops_per_chip": "rate of each accelerator",
    "tflops_per_gpu": "rate of each accelerator",
    "step_time": "time of a step",
    "steps_per_second": "steps a second, all together",
}
_TIMES = {"ms": 1e-3, "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "min": 60.0, "mins": 60.0,
          "minute": 60.0, "minutes": 60.0, "h": 3600.0, "hr": 3600.0, "hrs": 3600.0, "hour": 3600.0, "hours": 3600.0,
          "d": 86400.0, "day": 86400.0, "days": 86400.0}
_THINGS = {"sample": "samples", "samples": "samples", "example": "samples", "examples": "samples",
           "sequence": "sequences", "sequences": "sequences", "seq": "sequences", "seqs": "sequences",
           "image": "img", "images": "img", "img": "img", "imgs": "img",
           "token": "tokens", "tokens": "tokens", "tok": "tokens", "toks": "tokens"}
_STEPS = ("", "step", "steps", "it", "its", "iter", "iters", "iteration", "iterations")
_FLOPS = {"gflop": 1e-3, "gflops": 1e-3, "tflop": 1.0, "tflops": 1.0, "pflop": 1e3, "pflops": 1e3}
_EACH = ("gpu", "chip", "device", "accelerator", "card")
# What each metric may be written in, for a reader, and the unit to which it is brought.
UNITS = {
    "time_to_train": ("ms, s, min, h or days", "min"),
    "step_time": ("ms, s, min or h", "s"),
    "train_throughput": ("samples, sequences, images or tokens by ms, s, min, h or day, as in samples/s", "/s"),
    "throughput_per_gpu": ("samples, sequences, images or tokens by time, for each GPU or not, as in samples/s/GPU",
                           "/s/GPU"),
    "tflops_per_chip": ("GFLOP/s, TFLOP/s or PFLOP/s, for each chip or not", "TFLOP/s/GPU"),
    "tflops_per_gpu": ("GFLOP/s, TFLOP/s or PFLOP/s, for each GPU or not", "TFLOP/s/GPU"),
    "steps_per_second": ("steps by time, as in steps/s", "steps/s"),
}
MLPERF = "throughput, MLPerf"
_SHARES = ("MFU", "scaling_efficiency")  # known, and no rate
# Examples in an epoch, where MLPerf's logs count epochs: the train_samples that submissions log.
EPOCHS = {"resnet": 1_281_167, "ssd": 117_266, "maskrcnn": 117_266, "retinanet": 1_170_301, "unet3d": 168,
          "dlrm": 4_195_197_692, "dlrm_dcnv2": 4_195_197_692}
TOKENS = {"gpt3": 2048}  # tokens in a sample, where MLPerf's logs count tokens: its reference
# How a workload's name starts, and the benchmark whose convergence MLPerf has published.
BENCHMARKS = {
    "ResNet-50 v1.5": "resnet", "BERT-Large MLPerf": "bert", "Mask R-CNN": "maskrcnn", "SSD/RetinaNet": "ssd",
    "RetinaNet": "retinanet", "DLRM-DCNv2": "dlrm_dcnv2", "DLRM": "dlrm", "3D U-Net": "unet3d", "RNN-T": "rnnt",
    "Llama2-70B LoRA": "llama2_70b_lora", "Llama 3.1 405B": "llama31_405b", "Llama 3.1 8B": "llama31_8b",
    "GPT-3 175B": "gpt3", "Stable Diffusion": "stable_diffusion", "R-GAT": "rgat", "FLUX": "flux1",
}


@dataclass(frozen=True)
class Run:
    """One row: `batch` over all accelerators, `value` in the series' unit, `time` the same as a time."""

    accelerators: float
    nodes: float
    batch: float | None
    value: float
    time: float


@dataclass(frozen=True)
class Training:
    """One series: the runs of a training at three scales or more, smallest first, doubles at their median.

    Args:
        name, workload, accelerator, metric, source: as published; `source` is the first row's.
        unit: of the runs' values, to which those of the table were brought.
        per_node: accelerators in a node, where that is known.
        parameters: of the network, where known.
        converged: the text of `samples_to_converge` of the first run.
        runs: one for each pair of accelerators and nodes.
    """

    name: str
    workload: str
    accelerator: str
    metric: str
    unit: str
    source: str
    per_node: float | None
    parameters: float | None
    converged: str
    runs: tuple[Run, ...]

    @property
    def family(self) -> str:
        """What it is reported with."""
        return MLPERF if self.metric == "train_throughput" and self.name.startswith("mlperf") else FAMILIES[self.metric]

    @property
    def whole(self) -> bool:
        """Whether it is the time of a whole training."""
        return self.metric == "time_to_train"

    @property
    def origin(self) -> str:
        """Where it is from: the collection, and in MLPerf the benchmark as well."""
        words = re.split(r"[|_]", self.name)
        return f"mlperf {self.name.split('|')[1]}" if words[0] == "mlperf" and "|" in self.name else words[0]

    @property
    def submitter(self) -> str:
        """Who published it: in MLPerf the submitter, else the collection."""
        fields = self.name.split("|")
        return fields[2] if fields[0].startswith("mlperf") and len(fields) > 2 else self.origin

    @property
    def repository(self) -> str:
        """The repository of its source, without the files in it."""
        return self.source.split(" : ")[0].split(":")[0]

    @property
    def scales(self) -> tuple[float, ...]:
        """The numbers of accelerators, ascending."""
        return tuple(dict.fromkeys(run.accelerators for run in self.runs))

    @property
    def benchmark(self) -> str | None:
        """The benchmark whose published convergence belongs to the workload, None where there is none."""
        found = next((name for start, name in BENCHMARKS.items() if self.workload.startswith(start)), None)
        newer = re.match(r"mlperf_v[2-9]", self.name)  # since v2.0, MLPerf's SSD is RetinaNet
        return "retinanet" if found == "ssd" and newer else found

    def value(self, scale: float) -> float:
        """Return the published value at a scale: the median of its runs."""
        return median(run.value for run in self.runs if run.accelerators == scale)

    def series(self, calibrations: int) -> scaling.Series:
        """Return what a prediction may know, calibrated on so many of the smallest scales."""
        last = self.scales[calibrations - 1]
        batch = tuple(run.batch for run in self.runs)
        return scaling.Series(
            accelerators=tuple(run.accelerators for run in self.runs), nodes=tuple(run.nodes for run in self.runs),
            batch=None if None in batch else batch, times=tuple(run.time for run in self.runs),
            known=tuple(run.accelerators <= last for run in self.runs), whole=self.whole, step=self._step(),
            parameters=self.parameters, critical=critical_batches().get(self.benchmark) if self.whole else None)

    def published(self, times: Sequence[float]) -> dict[float, float]:
        """Return predicted times as values of the metric, by scale: the median of the runs there."""
        found = defaultdict(list)
        for run, time in zip(self.runs, times, strict=True):
            found[run.accelerators].append(run.value * time / run.time if self.slower else run.value * run.time / time)
        return {scale: median(values) for scale, values in found.items()}

    @property
    def slower(self) -> bool:
        """Whether a larger value is slower."""
        return self.metric in ("time_to_train", "step_time")

    def _step(self) -> float | None:
        """Return the seconds of a step at the smallest scale, from what was published there, None where it is silent.
        """
        first = self.runs[0]
        if self.metric == "step_time":
            return first.value
        if first.batch is None:
            return None
        if self.whole:
            samples = converged(self.converged, self.benchmark, first.batch)
            return 60 * first.value * first.batch / samples if samples else None
        if self.metric == "train_throughput" and self.unit != "tokens/s":
            return first.batch * first.time
        tokens = re.search(r"seq ?(\d+)", self.workload)
        return first.batch * int(tokens[1]) * first.time if tokens and self.metric == "throughput_per_gpu" else None


_COUNTED = re.compile(r"(.+?) ?\(?(epoch|step|sample)\w*\b.*", re.IGNORECASE)


def counted(text: str) -> tuple[float, str] | None:
    """Return a count and of what, `"epoch"`, `"step"` or `"sample"`, from a text such as `35 (epoch_num, median)`.

    A number alone counts samples; None where there is no number to be read.
    """
    found = _COUNTED.fullmatch(text)
    meant = spreadsheet.readings(found[1] if found else text)
    return (meant.get("point", meant.get("comma")), found[2].lower() if found else "sample") if meant else None


def converged(text: str, benchmark: str | None, batch: float) -> float | None:
    """Return the samples that a run needed, from such a text, None where it is silent."""
    found = counted(text)
    if not found:
        return None
    count, what = found
    if what == "step":
        return count * batch
    if what == "sample":
        return count
    if benchmark in TOKENS:
        return count / TOKENS[benchmark]
    if count > 1e5:  # no training runs for so many epochs: the log counts samples under that name
        return count
    return count * EPOCHS[benchmark] if benchmark in EPOCHS else None


@cache
def convergence_points() -> dict[str, list[tuple[float, float]]]:
    """Return MLPerf's published `(batch, samples or epochs)` by benchmark, the median over rounds at each batch."""
    found = defaultdict(lambda: defaultdict(list))
    for row in read_csv(data_folder() / "published" / "convergence.csv"):
        name, count = row["benchmark"], float(row["mean_to_converge"])
        epochs = count / EPOCHS[name] if name in EPOCHS and count > 1e5 else count  # some rounds count samples instead
        found[name][float(row["global_batch"])].append(epochs)
    return {name: sorted((batch, median(counts)) for batch, counts in batches.items())
            for name, batches in found.items()}


@cache
def critical_batches() -> dict[str, float]:
    """Return the critical batch of every benchmark with published convergence at three batches or more."""
    return {name: convergence.fit(points)[1] for name, points in convergence_points().items() if len(points) >= 3}


def read(path: Path) -> tuple[list[Training], Counter]:
    """Return the series of a table with three scales or more, and how many rows were left out, by reason.

    Raises:
        OSError: the file cannot be read.
        ValueError: a column is missing, a number or a unit is none, or nothing can be used; the message names line,
            column and cell.
    """
    table = spreadsheet.read(path, COLUMNS, numeric=_NUMBERS)
    left_out, groups = Counter(), defaultdict(list)
    for row in table.rows:
        if reason := _useless(row):
            left_out[reason] += 1
            continue
        figures = _figures(table, row)
        if reason := _lacking(figures, row["metric"]):
            left_out[reason] += 1
        else:
            groups[row["series_id"], row["metric"], row["workload"], figures.unit].append(figures)
    found = []
    for group in groups.values():
        training = _training(group)
        if len(training.scales) >= 3:
            found.append(training)
        else:
            left_out["its series has fewer than three scales"] += len(group)
    if not found:
        why = "; ".join(f"{count} row{'s' * (count > 1)}: {reason}" for reason, count in left_out.most_common())
        raise ValueError(f"{table.name} holds no series with three scales or more. {why}.")
    return found, left_out


@dataclass(frozen=True)
class _Figures:
    """What a row says in numbers; None for what it is silent about. `value` is in `unit`."""

    row: Row
    value: float | None
    unit: str
    accelerators: float | None
    nodes: float | None
    per_node: float | None
    batch: float | None
    parameters: float | None


def _useless(row: Row) -> str:
    """Return why a row cannot be used whatever its numbers, "" if it can."""
    if row["metric"] in _SHARES:
        return f"{row['metric']} is a share and no rate"
    if row["metric"] not in FAMILIES:
        return f"nothing is known of the metric '{row['metric']}'"
    return ""


def _lacking(figures: _Figures, metric: str) -> str:
    """Return what a row lacks that it cannot be used without, "" for nothing."""
    if figures.value is None:
        return "the value is missing"
    if figures.accelerators is None:
        return "the number of accelerators is missing"
    if metric == "step_time" and figures.batch is None:
        return "a time of a step without its batch"
    return ""


def _figures(table: Table, row: Row) -> _Figures:
    """Return the numbers of a row; raises `ValueError` for a cell that should be one and is none."""
    numbers = {column: _positive(table, row, column) for column in _NUMBERS}
    if any(letter.isdigit() for letter in row["samples_to_converge"]) and not counted(row["samples_to_converge"]):
        raise table.refusal(row, "samples_to_converge", "is no count, such as 3.2M, 35 epochs or 8000 steps")
    factor, unit = _unit(table, row) if numbers["value"] is not None else (1.0, "")
    value = None if numbers["value"] is None else factor * numbers["value"]
    return _Figures(row, value, unit, numbers["total_accelerators"], numbers["nodes"],
                    numbers["accelerators_per_node"], numbers["global_batch"], numbers["model_params"])


def _positive(table: Table, row: Row, column: str) -> float | None:
    text = row[column]
    if column in _DESCRIBED and not any(letter.isdigit() for letter in text):
        return None  # "not stated"
    if column == "global_batch" and ";" in text:  # runs with different batches, of which the row is the median
        several = [spreadsheet.readings(part).get("point") for part in text.split(";")]
        if None not in several:
            return median(several)
    number = table.number(row, column)
    if number is not None and number <= 0:
        raise table.refusal(row, column, "is no number above 0")
    return number


def _unit(table: Table, row: Row) -> tuple[float, str]:
    """Return what a value is multiplied by, and the unit that it then has."""
    metric = row["metric"]
    allowed, end = UNITS[metric]
    what, *by = [part.strip() for part in re.sub(r"\bper\b", "/", row["unit"].lower()).split("/")]
    if metric in ("time_to_train", "step_time"):
        if what in _TIMES and (not by or (len(by) == 1 and by[0] in _STEPS and metric == "step_time")):
            return _TIMES[what] / _TIMES[end], end
    else:
        each = bool(by) and by[-1] in _EACH
        times = by[:-1] if each else by
        fits = not each or end.endswith("/GPU")
        if what in _FLOPS and end.startswith("TFLOP") and fits and times in ([], ["s"]):
            return _FLOPS[what], end
        if len(times) == 1 and times[0] in _TIMES and fits:
            if what in _THINGS and end.startswith("/s"):
                return 1 / _TIMES[times[0]], _THINGS[what] + end
            if what in _STEPS and metric == "steps_per_second":
                return 1 / _TIMES[times[0]], end
    raise table.refusal(row, "unit", f"is no unit of {metric}, which takes {allowed}")


def _training(group: list[_Figures]) -> Training:
    """Return the series of some rows that belong together."""
    first = min(group, key=lambda figures: figures.accelerators)
    row = first.row
    per_node = max((figures.per_node for figures in group if figures.per_node), default=None)
    runs = defaultdict(list)
    for figures in group:
        # Where nothing says how many accelerators a node has: one in series that are spread out, else four, a guess.
        run = _run(figures, per_node or (1.0 if "unconsolidated" in row["series_id"] else 4.0))
        runs[run.accelerators, run.nodes].append(run)
    merged = []
    for (accelerators, nodes), same in sorted(runs.items()):
        batches = [run.batch for run in same if run.batch]
        merged.append(Run(accelerators, nodes, median(batches) if len(batches) == len(same) else None,
                          median(run.value for run in same), median(run.time for run in same)))
    return Training(row["series_id"], row["workload"], row["accelerator"], row["metric"], first.unit, row["source"],
                    per_node, first.parameters, row["samples_to_converge"], tuple(merged))


def _run(figures: _Figures, per_node: float) -> Run:
    accelerators, value, metric = figures.accelerators, figures.value, figures.row["metric"]
    nodes = figures.nodes or max(1.0, math.ceil(accelerators / per_node))
    if metric == "time_to_train":
        time = value
    elif metric == "step_time":
        time = value / figures.batch
    elif FAMILIES[metric] == "rate of each accelerator":
        time = 1 / (value * accelerators)
    else:
        time = 1 / value
    return Run(accelerators, nodes, figures.batch, value, time)
