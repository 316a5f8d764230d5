"""Published scaling: reads tables of how fast others trained at several scales, and holds them to a form.

A table is a CSV file with a run in each row: `COLUMNS` must be there, others may be. Runs that belong together share a
`series_id`, a metric, a unit and a workload.
"""

from __future__ import annotations

import csv
import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median

from labkit.data import data_folder
from labkit.predict import convergence, scaling

COLUMNS = ("series_id", "workload", "model_params", "accelerator", "accelerators_per_node", "nodes",
           "total_accelerators", "global_batch", "metric", "value", "unit", "samples_to_converge", "source")
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
    """One row: `batch` over all accelerators, `value` as published, `time` the same as a time, smaller is faster."""

    accelerators: float
    nodes: float
    batch: float | None
    value: float
    time: float


@dataclass(frozen=True)
class Training:
    """One series: the runs of a training at three scales or more, smallest first, doubles at their median.

    Args:
        name, workload, accelerator, metric, unit, source: as published; `source` is the first row's.
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
        if self.unit in ("samples/s", "sequences/s", "img/s"):
            return first.batch * first.time
        tokens = re.search(r"seq ?(\d+)", self.workload)
        return first.batch * int(tokens[1]) * first.time if tokens and self.metric == "throughput_per_gpu" else None


def converged(text: str, benchmark: str | None, batch: float) -> float | None:
    """Return the samples that a run needed, from a text such as `35 (epoch_num, median)`, None where it is silent."""
    found = re.match(r"([\d.]+(?:e[+-]?\d+)?) \((\w+)", text)
    if not found:
        return None
    count, counted = float(found[1]), found[2]
    if counted == "step_num":
        return count * batch
    if counted == "samples_count":
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
    for row in rows(data_folder() / "published" / "convergence.csv"):
        name, count = row["benchmark"], float(row["mean_to_converge"])
        epochs = count / EPOCHS[name] if name in EPOCHS and count > 1e5 else count  # some rounds count samples instead
        found[name][float(row["global_batch"])].append(epochs)
    return {name: sorted((batch, median(counts)) for batch, counts in batches.items())
            for name, batches in found.items()}


@cache
def critical_batches() -> dict[str, float]:
    """Return the critical batch of every benchmark with published convergence at three batches or more."""
    return {name: convergence.fit(points)[1] for name, points in convergence_points().items() if len(points) >= 3}


def rows(path: Path, needed: Sequence[str] = ()) -> list[dict[str, str]]:
    """Return the rows of a CSV file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is empty, no text, or lacks a column that is needed.
    """
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file)
            missing = [name for name in needed if name not in (table.fieldnames or ())]
            if missing:
                raise ValueError(f"{path.name} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}. "
                                 f"A table of published scaling has {', '.join(needed)}.")
            found = list(table)
    except (UnicodeDecodeError, csv.Error) as trouble:
        raise ValueError(f"{path.name} is no CSV file in UTF-8: {trouble}.") from trouble
    if not found:
        raise ValueError(f"{path.name} has no rows.")
    return found


def read(path: Path) -> tuple[list[Training], Counter]:
    """Return the series of a table with three scales or more, and how many rows were left out, by reason.

    Raises:
        OSError: the file cannot be read.
        ValueError: a column is missing, a number is none, or nothing can be used; the message names line and column.
    """
    path, left_out, groups = Path(path), Counter(), defaultdict(list)
    for line, row in enumerate(rows(path, COLUMNS), start=2):
        if None in row or None in row.values():
            raise ValueError(f"{path.name}, line {line}: the row has {'more' if None in row else 'fewer'} cells than "
                             "there are columns.")
        reason = _unusable(path, line, row)
        if reason:
            left_out[reason] += 1
        else:
            groups[tuple(row[name] for name in ("series_id", "metric", "unit", "workload"))].append(row)
    found = []
    for group in groups.values():
        training = _training(group)
        if len(training.scales) >= 3:
            found.append(training)
        else:
            left_out["its series has fewer than three scales"] += len(group)
    if not found:
        why = "; ".join(f"{count} rows: {reason}" for reason, count in left_out.most_common())
        raise ValueError(f"{path.name} holds no series with three scales or more. {why}.")
    return found, left_out


def _unusable(path: Path, line: int, row: dict[str, str]) -> str:
    """Return why a row cannot be used, "" if it can; raises `ValueError` for what should be a number and is none."""
    for column in ("value", "total_accelerators", "nodes", "accelerators_per_node"):
        text = row[column].strip()
        if not text and column != "value":
            continue
        try:
            good = math.isfinite(float(text)) and float(text) > 0
        except ValueError:
            good = False
        if not good:
            raise ValueError(f"{path.name}, line {line}, column {column}: {text!r} is not a finite number above 0.")
    if row["metric"] in _SHARES:
        return f"{row['metric']} is a share and no rate"
    if row["metric"] not in FAMILIES:
        return f"nothing is known of the metric '{row['metric']}'"
    if not row["total_accelerators"].strip():
        return "the number of accelerators is missing"
    if row["metric"] == "step_time" and not _number(row["global_batch"]):
        return "a time of a step without its batch"
    return ""


def _training(group: list[dict[str, str]]) -> Training:
    """Return the series of some rows that belong together."""
    first = min(group, key=lambda row: float(row["total_accelerators"]))
    per_node = [float(row["accelerators_per_node"]) for row in group if row["accelerators_per_node"].strip()]
    runs = defaultdict(list)
    for row in group:
        # Where nothing says how many accelerators a node has: one in series that are spread out, else four, a guess.
        run = _run(row, max(per_node, default=1.0 if "unconsolidated" in row["series_id"] else 4.0))
        runs[run.accelerators, run.nodes].append(run)
    merged = []
    for (accelerators, nodes), same in sorted(runs.items()):
        batches = [run.batch for run in same if run.batch]
        merged.append(Run(accelerators, nodes, median(batches) if len(batches) == len(same) else None,
                          median(run.value for run in same), median(run.time for run in same)))
    return Training(first["series_id"], first["workload"], first["accelerator"], first["metric"], first["unit"],
                    first["source"], max(per_node, default=None), _number(first["model_params"]),
                    first["samples_to_converge"], tuple(merged))


def _run(row: dict[str, str], per_node: float) -> Run:
    accelerators, value, batch = float(row["total_accelerators"]), float(row["value"]), _number(row["global_batch"])
    nodes = float(row["nodes"]) if row["nodes"].strip() else max(1.0, math.ceil(accelerators / per_node))
    if row["metric"] == "time_to_train":
        time = value
    elif row["metric"] == "step_time":
        time = value / batch
    elif FAMILIES[row["metric"]] == "rate of each accelerator":
        time = 1 / (value * accelerators)
    else:
        time = 1 / value
    return Run(accelerators, nodes, batch, value, time)


def _number(text: str) -> float | None:
    """Return the number that a text starts with, such as `~0.34e9` or `1024;816`, None where it starts otherwise."""
    found = re.match(r"~?(\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?![\w-])", text.strip())
    return float(found[1]) if found and float(found[1]) > 0 else None
