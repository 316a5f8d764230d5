"""What the formulas know of the world: published shares of peaks, accelerators, devices, prices; each with its source.

The shares are computed here from the tables of `data/`, over many systems at once and never from one row. Each has a
usual value, and a low and a high one between which a further publisher's figure is expected nine times in ten, at least
15 % either way: equal hardware differs by as much among publishers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from statistics import geometric_mean, median

from labkit.data import data_folder, read_csv
from labkit.predict import training_time
from labkit.specs.network import RESNET_50_FLOP
from labkit.stats import further, reach

FORMATS = {"bf16": 2.0, "fp8": 1.0, "fp4": 4.25 / 8}  # bytes; fp4 with the scales of its blocks (OCP MX 1.0, section 5)
PRICE_YEARS, RESULT_YEARS = 1, 3  # after which a price, or a result of some software, is called old: ours
NARROWEST = 1.15  # equal hardware differs by 10 to 20 % among publishers: data/plan/evidence.csv
# The networks of the published trainings in which all weights learn: active parameters, and samples as tokens (MLPerf's
# references).
TRAINED = {"llama31_405b": (405e9, 8192), "llama31_8b": (8.03e9, 8192), "gpt3": (175e9, 1)}
# Accelerators as the tables of the frameworks' own throughputs name them; they trained in bf16.
FRAMEWORKS = {"h100_80gb": "NVIDIA H100 SXM", "a100_40gb": "NVIDIA A100 SXM4 40GB"}
# Accelerators that ResNet-50 was served on, and the catalogue's data sheet of each.
PICTURES = {"NVIDIA A100-SXM-80GB": "NVIDIA A100 SXM4 80GB", "NVIDIA A100-PCIe-80GB": "NVIDIA A100 PCIe 80GB",
            "NVIDIA H100-SXM-80GB": "NVIDIA H100 SXM", "NVIDIA H100-PCIe-80GB": "NVIDIA H100 PCIe",
            "NVIDIA H200-SXM-141GB": "NVIDIA H200 SXM", "NVIDIA L4": "NVIDIA L4"}
# Who published a training, by what the tables call it; MLPerf's systems are called after their submitters.
PUBLISHERS = {"BLOOM": "BigScience", "LLaMA": "Meta", "Llama": "Meta", "DeepSeek": "DeepSeek",
              "MegaScale": "ByteDance", "Megatron-LM": "NVIDIA", "llmfoundry": "MosaicML", "NVIDIA": "NVIDIA"}
FP4_SINCE = "mlperf_v5.1"  # NVIDIA's submissions with Blackwell trained in fp4 from this round on, it says itself
TOGETHER = 2  # by which accelerators that work together may fall short of one alone: an assumption
# Served networks whose prompts are chats, at most about as long as what is written: active parameters, by kind.
WRITTEN = {"dense": {"Llama 2 70B": 70e9}, "mixture": {"Mixtral 8x7B": 12.9e9, "DeepSeek-R1": 37e9}}


@dataclass(frozen=True)
class Constant:
    """A figure that every plan uses.

    Args:
        value, low, high: usual, and between which it lies.
        better: `"low"` or `"high"`, whichever end makes a plan smaller; `""` where there is no choice.
        kind: `"published"` or `"assumed"`.
        date, source: when and where; of a derived figure, from which tables.
    """

    name: str
    label: str
    value: float
    low: float
    high: float
    better: str
    unit: str
    kind: str
    date: str
    source: str

    def case(self, name: str) -> float:
        """Return the figure in a case: `"favourable"`, `"usual"` or `"unfavourable"`."""
        if name == "usual" or not self.better:
            return self.value
        return self.low if (name == "favourable") == (self.better == "low") else self.high


@dataclass(frozen=True)
class Share:
    """Published figures of one kind: shares of a peak, or seconds.

    The interval is that in which a further publisher's figure is expected nine times in ten (`stats.reach`).

    Args:
        samples: the figures, the smallest first.
        spread: by how much logarithms of a further publisher's figures differ, and its degrees of freedom.
        publishers: how many they are from.
    """

    samples: tuple[float, ...]
    spread: tuple[float, int]
    publishers: int

    @property
    def value(self) -> float:
        """Their geometric mean."""
        return geometric_mean(self.samples)

    @property
    def reach(self) -> float:
        """The factor either way."""
        return max(reach(self.spread, self.publishers), NARROWEST)

    @property
    def low(self) -> float:
        """The lower end of the interval."""
        return self.value / self.reach

    @property
    def high(self) -> float:
        """The upper end; no share is above 1."""
        return min(self.value * self.reach, 1.0)


def _share(published: Mapping[str, Sequence[float]], spread: tuple[float, int] | None = None) -> Share:
    """Return figures by their publishers as a share, with their own spread unless one is given."""
    samples = sorted(figure for figures in published.values() for figure in figures)
    return Share(tuple(samples), spread or further([published.values()]), len(published))


def _by_publisher(figures: Iterable[tuple[str, float]]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for publisher, figure in figures:
        found.setdefault(publisher, []).append(figure)
    return found


@cache
def _rows(name: str) -> tuple[dict[str, str], ...]:
    return tuple(read_csv(data_folder() / f"{name}.csv"))


@cache
def sheets() -> dict[str, dict[str, str]]:
    """Return the rows of the catalogue's machines by name, as texts."""
    return {row["name"]: row for row in _rows("hardware")}


def peak(sheet: dict[str, str], precision: str) -> float | None:
    """Return the dense peak of a machine in FLOP/s, None where it has none."""
    text = sheet[f"{precision}_flop_per_s"]
    return float(text) if text else None


def sheet_of(accelerator: str) -> dict[str, str] | None:
    """Return the row of the catalogue for an accelerator as MLPerf's logs name it, None where it is not clear."""
    text = accelerator.replace("-", " ").replace("_", " ").upper()
    names = {"GB300": "NVIDIA GB300", "GB200": "NVIDIA GB200", "B300": "NVIDIA B300 SXM", "B200": "NVIDIA B200 SXM",
             "H200": "NVIDIA H200 SXM", "GH200": "NVIDIA GH200 141GB", "MI300X": "AMD MI300X", "MI325X": "AMD MI325X",
             "MI355X": "AMD MI355X", "L40S": "NVIDIA L40S"}
    if "PCIE" in text:
        return None
    if "GH200" in text:
        return sheets()[names["GH200"]]
    found = next((name for key, name in names.items() if key in text), None)
    found = found or ("NVIDIA H100 SXM" if "H100" in text and "SXM" in text else None)
    found = found or ("NVIDIA A100 SXM4 80GB" if "A100" in text and "SXM" in text else None)
    return sheets()[found] if found else None


@cache
def training_shares() -> dict[str, Share]:
    """Return the share of its dense peak that an accelerator reaches in training, by format.

    The spread is that among the publishers of a format, pooled over the formats, for there are few trainings in fp8 and
    fp4.
    """
    shares = {precision: _by_publisher((_publisher(series), share) for series, share in each.items())
              for precision, each in reached_in_training().items()}
    spread = further(published.values() for published in shares.values())
    return {precision: _share(published, spread) for precision, published in shares.items()}


@cache
def reached_in_training() -> dict[str, dict[str, float]]:
    """Return the share of its dense peak that an accelerator reached in published trainings, by format and training.

    Of one that was published at several scales, the median.
    """
    found: dict[str, dict[str, list[float]]] = {"bf16": {}, "fp8": {}, "fp4": {}}

    def add(precision: str, series: str, share: float) -> None:
        found[precision].setdefault(series, []).append(share)

    for row in _rows("training-runs"):
        work = training_time.operations(float(row["parameters"]), float(row["tokens"]))
        top = peak(sheets()[row["accelerator"]], row["format"])
        add(row["format"], row["name"], training_time.reached(work, 3600 * float(row["accelerator_hours"]), top))
    for row in _rows("scaling"):
        if row["reached_percent"]:
            add("bf16", row["series"], float(row["reached_percent"]) / 100)
        elif row["each_flop_per_s"]:
            add("bf16", row["series"], float(row["each_flop_per_s"]) / peak(sheets()["NVIDIA H100 SXM"], "bf16"))
    for row in _rows("published/training-scaling"):
        if row["metric"] == "throughput_per_gpu" and row["accelerator"] in FRAMEWORKS and _large(row["model_params"]):
            work = training_time.operations(float(row["model_params"]), float(row["value"]))
            top = peak(sheets()[FRAMEWORKS[row["accelerator"]]], "bf16")
            add("bf16", row["series_id"], training_time.reached(work, 1, top))
        parts = row["series_id"].split("|")
        sheet, count = sheet_of(row["accelerator"]), row["samples_to_converge"].split()
        if len(parts) > 1 and parts[1] in TRAINED and row["metric"] == "time_to_train" and sheet and count:
            parameters, tokens = TRAINED[parts[1]]
            narrow = "fp4" if parts[0] >= FP4_SINCE and parts[2] == "NVIDIA" and peak(sheet, "fp4") else "fp8"
            precision = narrow if peak(sheet, narrow) else "bf16"
            work = training_time.operations(parameters, float(count[0]) * tokens)
            seconds = float(row["total_accelerators"]) * 60 * float(row["value"])
            add(precision, row["series_id"], training_time.reached(work, seconds, peak(sheet, precision)))
    return {precision: {name: median(some) for name, some in series.items()} for precision, series in found.items()}


def _publisher(series: str) -> str:
    """Return who published a training; its own name where that is not known."""
    return next((name for key, name in PUBLISHERS.items() if key in series), series)


def _alone(figures: Iterable[float]) -> dict[str, list[float]]:
    """Return figures each of which stands for itself, as if of a publisher of its own."""
    return {str(place): [figure] for place, figure in enumerate(figures)}


def _large(parameters: str) -> bool:
    """Return whether a network is as large as those that plans are made for."""
    return parameters.replace(".", "").replace("e", "").isdigit() and float(parameters) >= 1e9


@cache
def convolution_training_share() -> Share:
    """Return the share of its bf16 peak that an accelerator reached in published trainings of ResNet-50.

    As in `training_shares`, each counts once.
    """
    found: dict[str, list[float]] = {}
    for row in _rows("published/training-scaling"):
        sheet = sheet_of(row["accelerator"])
        if "|resnet|" in row["series_id"] and row["metric"] == "train_throughput" and sheet and peak(sheet, "bf16"):
            work = training_time.operations(RESNET_50_FLOP / 2, float(row["value"]))
            share = training_time.reached(work, float(row["total_accelerators"]), peak(sheet, "bf16"))
            found.setdefault(row["series_id"], []).append(share)
    return _share(_by_publisher((name.split("|")[2], median(some)) for name, some in found.items()))


@cache
def written_shares() -> dict[str, Share]:
    """Return the share of its peak that an accelerator reaches in a service without a deadline, if only writing counts.

    For dense language models and for mixtures of experts. Of one network the spread is that among its publishers,
    pooled over the networks. The two mixtures differ by more than their publishers: there each network of a publisher
    counts as one, so that a further mixture is expected within the interval.
    """
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    for row in _rows("mlperf-server"):
        for kind, networks in WRITTEN.items():
            parameters, sheet = networks.get(row["model"]), sheet_of(row["accelerator"] or "")
            if parameters and sheet and row["offline_tokens_per_s"]:
                top = peak(sheet, served_format(sheet))
                share = 2 * parameters * float(row["offline_tokens_per_s"]) / (float(row["accelerators"]) * top)
                published = found.setdefault(kind, {}).setdefault(row["model"], {})
                published.setdefault(row["submitter"], []).append(share)
    spread = further(published.values() for each in found.values() for published in each.values())
    [dense] = found["dense"].values()
    mixture = {f"{network}, {publisher}": shares for network, published in found["mixture"].items()
               for publisher, shares in published.items()}
    return {"dense": _share(dense, spread), "mixture": _share(mixture)}


def served_format(sheet: dict[str, str]) -> str:
    """Return the number format in which MLPerf's submitters serve on an accelerator, where a row does not say it."""
    return "fp4" if "B200" in sheet["name"] or "B300" in sheet["name"] else "fp8"


def serving_share(kind: str) -> tuple[float, float, float]:
    """Return the share for what is read and written together, `"dense"` or `"mixture"`: usual, low and high.

    MLPerf counts what is written, and its chats read about as much: low is for nothing read, high for as much read as
    written.
    """
    written = written_shares()[kind]
    return written.value * 2**0.5, written.low, min(2 * written.high, 1.0)


@cache
def convolution_serving_share() -> Share:
    """Return the share of its int8 peak that an accelerator reaches in published inference of ResNet-50.

    Each accelerator counts once, by the median of its systems.
    """
    systems = [(row["accelerator"], "1", row["samples_per_s"]) for row in _rows("mlperf-inference")
               if row["model"] == "ResNet-50"]
    systems += [(row["accelerator"], row["accelerators"], row["offline_samples_per_s"])
                for row in _rows("mlperf-server") if row["model"] == "ResNet-50"]
    found: dict[str, list[float]] = {}
    for accelerator, count, rate in systems:
        sheet = sheets()[PICTURES[accelerator]] if accelerator in PICTURES else None
        if sheet and rate:
            share = RESNET_50_FLOP * float(rate) / (float(count) * float(sheet["int8_op_per_s"]))
            found.setdefault(accelerator, []).append(share)
    return _share(_alone(map(median, found.values())))


@cache
def bandwidth_share() -> Share:
    """Return the share of its memory bandwidth that a machine reaches in writing to one person: rate times weights."""
    return _share(_alone(
        float(row["tokens_per_s"]) * float(row["weights_bytes"]) / float(sheet["memory_bytes_per_s"])
        for row in _rows("decoding") if (sheet := sheets().get(row["machine"])) and sheet["memory_bytes_per_s"]))


@cache
def start_seconds() -> Share:
    """Return the seconds that a published answer to one picture takes beyond its share of the best rate."""
    return _share(_alone(
        float(row["single_latency_s"]) - 1 / float(row["samples_per_s"]) for row in _rows("mlperf-inference")
        if row["model"] == "ResNet-50" and row["samples_per_s"] and row["accelerator"].startswith("NVIDIA")))


@cache
def derived() -> tuple[Constant, ...]:
    """Return the shares as constants."""
    def constant(name: str, label: str, share: Share, date: str, source: str, better: str = "high",
                 unit: str = "") -> Constant:
        return Constant(name, label, share.value, share.low, share.high, better, unit, "published", date,
                        f"{len(share.samples)} published figures: {source}")

    reading = bandwidth_share()
    return (
        constant("training_share_transformer", "share of the bf16 peak that transformers reach in training",
                 training_shares()["bf16"], "2022 to 2024", "data/training-runs.csv, data/scaling.csv, LLM Foundry in "
                 "data/published/training-scaling.csv; Megatron-LM, MegaScale, LLM Foundry"),
        constant("training_share_convolutional", "share of the bf16 peak that ResNet-50 reaches in training",
                 convolution_training_share(), "2021 to 2024", "data/published/training-scaling.csv, MLPerf Training "
                 "v1.1 to v4.0"),
        *(Constant(f"serving_share_{name}", f"share of the peak that {label} reaches in service", *serving_share(kind),
                   "high", "", "published", "2024-08 to 2025-09",
                   f"{len(written_shares()[kind].samples)} published figures: {networks} of data/mlperf-server.csv, "
                   f"MLPerf Inference v4.1 and v5.1; {software}")
          for name, kind, label, networks, software in (
              ("transformer", "dense", "a dense language model", "Llama 2 70B", "TensorRT 10.2 to 10.11, vLLM 0.4 to "
               "0.9"),
              ("mixture", "mixture", "a mixture of experts", "Mixtral 8x7B and DeepSeek-R1", "TensorRT 10.2 to 10.13, "
               "vLLM 0.9"))),
        constant("serving_share_convolutional", "share of the peak that ResNet-50 reaches in service",
                 convolution_serving_share(), "2023-04 to 2024-08", "data/mlperf-inference.csv and "
                 "data/mlperf-server.csv, MLPerf Inference v3.0 to v4.1; TensorRT"),
        Constant("bandwidth_share", "share of the memory bandwidth that writing reaches", reading.value,
                 reading.value / TOGETHER, reading.high, "high", "", "published", "2023 to 2025",
                 f"{len(reading.samples)} published figures: data/decoding.csv, one machine each, llama.cpp; that "
                 "accelerators which work together may reach half of it is assumed"),
        constant("start_seconds", "time until a network has started", start_seconds(), "2023-04",
                 "ResNet-50 on GPUs in data/mlperf-inference.csv, MLPerf Inference v3.0; TensorRT 8.5 and 8.6", "low",
                 "s"),
    )


@cache
def constants() -> dict[str, Constant]:
    """Return every constant by its name."""
    table = [Constant(**{**row, **{key: float(row[key]) for key in ("value", "low", "high")}})
             for row in _rows("plan/constants")]
    return {constant.name: constant for constant in (*table, *derived())}


@cache
def accelerators() -> dict[str, dict[str, float]]:
    """Return the figures of every accelerator that a plan can be made of; what has no source is not there."""
    found = {}
    for row in _rows("plan/accelerators"):
        sheet = sheets()[row["name"]]
        figures = {"memory_bytes": sheet["memory_bytes"], "memory_bandwidth": sheet["memory_bytes_per_s"],
                   "accelerator_watts": sheet["tdp_w"],
                   **{f"peak_{name}": sheet[f"{name}_flop_per_s"] for name in FORMATS}}
        for ours, theirs in (("rent_usd", "rent{}_usd_per_hour"), ("buy_usd", "buy{}_usd")):
            for end in ("low", "", "high"):
                figures[f"{ours}_{end}".rstrip("_")] = row[theirs.format(f"_{end}" if end else "")]
        found[row["name"]] = {name: float(text) for name, text in figures.items() if text}
    return found


@cache
def devices() -> dict[str, dict[str, float]]:
    """Return the figures of every edge device: published latency and best rate for ResNet-50, and power."""
    results = {row["system"]: row for row in _rows("mlperf-inference") if row["model"] == "ResNet-50"}
    return {row["name"]: {"device_latency": float(results[row["system"]]["single_latency_s"]),
                          "device_best_rate": float(results[row["system"]]["samples_per_s"]),
                          "device_watts": float(row["watts"])} for row in _rows("plan/devices")}


@dataclass(frozen=True)
class Dated:
    """A figure of a plan with what it stands on.

    Args:
        figure, date, source: in words, as tables print them.
        life: years after which such a figure is old; None for what is no one's result.
    """

    figure: str
    date: str
    source: str
    life: int | None

    @property
    def old_from(self) -> date | None:
        """The day from which it is old; the last year or month of its date counts."""
        if self.life is None:
            return None
        year, month = re.findall(r"(\d{4})(?:-(\d{2}))?", self.date)[-1]
        months = 12 * int(year) + int(month or 12) + 12 * self.life
        return date(months // 12, months % 12 + 1, 1)


@cache
def sources() -> tuple[Dated, ...]:
    """Return what every figure of a plan stands on."""
    found = [Dated(each.label, each.date, each.source, RESULT_YEARS if each.kind == "published" else None)
             for each in constants().values()]
    for row in _rows("plan/accelerators"):
        found.append(Dated(f"{row['name']}: rent", row["rent_date"], row["rent_source"], PRICE_YEARS))
        if row["buy_usd"]:
            found.append(Dated(f"{row['name']}: price", row["buy_date"], row["buy_source"], PRICE_YEARS))
    return (*found, *(Dated(f"{row['name']}: power", "2026-11", row["source"], RESULT_YEARS)
                      for row in _rows("plan/devices")))
