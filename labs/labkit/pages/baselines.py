"""What mlsysim (pypi.org/project/mlsysim, written for 0.3.0) says of published scaling, where it is installed.

Its `DistributedModel` predicts a step of data-parallel training: computation by a roofline, the ring all-reduce inside
a node and between nodes. We give it the network, the accelerator, the accelerators in a node and the batch that the
table names, its own default for the fabric of that generation, and 85 % overlap, its default where there is overlap.
Its efficiency is free in each series, as our strength is: the one of `EFFICIENCIES` is taken that explains the
calibration scales best, and the prediction passes through the largest of them. It knows nothing of samples to converge
or of evaluation, so that a time to train falls as its rate rises. What does not fit one accelerator is given tensor
parallelism inside the node.
"""

from __future__ import annotations

import importlib.util
import logging
import math
import warnings
from functools import cache

from labkit.published import Training

EFFICIENCIES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_NETWORKS = {"ResNet-50": ("Vision", "ResNet50"), "BERT-Large": ("Language", "BERT_Large"),
             "ResNet18": ("Vision", "ResNet18"), "ResNet-18": ("Vision", "ResNet18"),
             "Llama2-70B": ("Language", "Llama2_70B"), "GPT-3 175B": ("Language", "GPT3"),
             "Llama 3.1 405B": ("Language", "Llama3_405B"), "MaxText Llama2-7B": ("Language", "Llama2_7B")}
# Part of an accelerator's name; the name in mlsysim's registry; the fabric that it was sold with.
_ACCELERATORS = {"A100": ("A100", "InfiniBand_HDR"), "H100": ("H100", "InfiniBand_NDR"),
                 "H200": ("H200", "InfiniBand_NDR"), "B200": ("B200", "InfiniBand_NDR"),
                 "V100": ("V100", "InfiniBand_EDR"), "MI300X": ("MI300X", "RoCE_400G"), "T4": ("T4", "Ethernet_100G"),
                 "P100": ("P100", "Ethernet_10G"), "K80": ("K80", "Ethernet_10G"),
                 "TPU-v5p": ("TPUv5p", "InfiniBand_NDR"), "tpu-v3": ("TPUv3", "InfiniBand_EDR")}


def installed() -> bool:
    """Return whether mlsysim can be imported."""
    return importlib.util.find_spec("mlsysim") is not None


def predict(training: Training, calibrations: int) -> dict[float, float] | None:
    """Return mlsysim's values of the metric by scale, beyond the calibration; None where it does not know the series.
    """
    try:
        network = next((found for start, found in _NETWORKS.items() if training.workload.startswith(start)), None)
        accelerator = next((found for part, found in _ACCELERATORS.items() if part in training.accelerator), None)
        if not network or not accelerator:
            return None
        best = None
        for efficiency in EFFICIENCIES:
            times = [_time(network, accelerator, training, run, efficiency) for run in training.runs]
            anchor = max(place for place, run in enumerate(training.runs)
                         if run.accelerators <= training.scales[calibrations - 1])
            moved = [time * training.runs[anchor].time / times[anchor] for time in times]
            missed = sum(math.log(time / run.time) ** 2 for time, run in zip(moved, training.runs[:anchor + 1],
                                                                            strict=False))
            if best is None or missed < best[0]:
                best = missed, moved
        found = training.published(best[1])
        return {scale: found[scale] for scale in training.scales[calibrations:]}
    except Exception as trouble:  # a registry or an interface of another version: said, not fatal
        logging.getLogger(__name__).info("mlsysim cannot predict %s: %s", training.name, trouble)
        return None


def _time(network: tuple[str, str], accelerator: tuple[str, str], training: Training, run, efficiency: float) -> float:
    """Return what mlsysim takes for a sample of the whole cluster, in seconds."""
    per_node = max(int(min(training.per_node or 8, run.accelerators)), 1)
    batch = max(int(run.batch or 32 * run.accelerators), int(run.accelerators))
    return _step(network, accelerator, per_node, max(round(run.accelerators / per_node), 1), batch, efficiency) / batch


# Rows of data/plan/evidence.csv that mlsysim knows, by system and workload (a part of it): its network, accelerator and
# fabric, nodes of eight, batch, tokens of a sample, tensor and pipeline parallelism, format, whether all is recomputed,
# and what turns the seconds of a step into the row's figure: 1, or published samples over the batch, in minutes.
_PLANNED = {
    ("Megatron GPT-3 175B", "full recompute"): ("GPT3", "A100", "InfiniBand_HDR", 8, 64, 2048, 8, 8, "fp16", True, 1),
    ("Megatron GPT-3 175B", "selective"): ("GPT3", "A100", "InfiniBand_HDR", 8, 64, 2048, 8, 8, "fp16", False, 1),
    ("HPE Cray XD670 n8", "Llama 3.1 8B"): ("Llama3_8B", "H200", "InfiniBand_NDR", 8, 32, 8192, 1, 1, "fp8", False,
                                            196608 / 32 / 60),
    ("Oracle 1xBM.GPU.B200.8", "Llama 3.1 8B"): ("Llama3_8B", "B200", "InfiniBand_NDR", 1, 16, 8192, 1, 1, "fp8",
                                                 False, 172032 / 16 / 60),
    ("Oracle 8xBM.GPU.B200.8", "Llama 3.1 8B"): ("Llama3_8B", "B200", "InfiniBand_NDR", 8, 32, 8192, 1, 1, "fp8",
                                                 False, 184320 / 32 / 60),
}


def of_plans() -> dict[tuple[str, str], float]:
    """Return what mlsysim says of rows that the planner is held to, in the row's unit, by system and workload.

    With its own default of half the peak, and told the layout and the samples that were published.
    """
    return {row: last * _step(("Language", network), (card, fabric), 8, nodes, batch, 0.5, tokens, tensor, pipeline,
                              format, again)
            for row, (network, card, fabric, nodes, batch, tokens, tensor, pipeline, format, again, last)
            in _PLANNED.items()}


@cache
def _step(network: tuple[str, str], accelerator: tuple[str, str], per_node: int, nodes: int, batch: int,
          efficiency: float, tokens: int = 512, tensor: int = 0, pipeline: int = 1, format: str = "fp16",
          again: bool = False) -> float:
    import mlsysim
    from mlsysim.solvers import DistributedModel
    from mlsysim.systems.types import Fleet, Node

    model = getattr(getattr(mlsysim.Models, network[0]), network[1])
    card, fabric = getattr(mlsysim.Hardware.Cloud, accelerator[0]), getattr(mlsysim.Systems.Fabrics, accelerator[1])
    link = getattr(card, "nvlink", None)
    inside = link.bandwidth_per_direction if link is not None else 16 * mlsysim.GB / mlsysim.second  # PCIe 3 ×16
    fleet = Fleet(name="published", count=nodes, fabric=fabric,
                  node=Node(name="node", accelerator=card, accelerators_per_node=per_node, intra_node_bw=inside))
    large = network[0] == "Language" and network[1] != "BERT_Large"
    tensor = tensor or (per_node if large else 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = DistributedModel().solve(
            model, fleet, batch_size=batch, efficiency=efficiency, tp_size=tensor, pp_size=pipeline, precision=format,
            overlap_comm=True, seq_len=tokens, activation_recomputation=again,
            microbatch_count=batch if pipeline > 1 else 1)
    return float(found.step_latency_total.to("second").magnitude)
