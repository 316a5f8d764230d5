"""What a small device is asked to do, run by `labkit.measure.limits`: to train the cat network, and to infer with it.

Training loads PyTorch. Inference loads ONNX Runtime, which is all that it needs.
"""

from __future__ import annotations

import sys
import tempfile
from functools import cache
from pathlib import Path

from labkit.experiment import Unavailable
from labkit.measure import limits

MODULE = "labkit.measure.limited_jobs"
_FEW = 16  # pictures that the least task looks at


def train(images, width: int, batch: int, *, memory: int | None = None, epochs: int = 1,
          patience: float = limits.PATIENCE_S) -> limits.Ended | Unavailable:
    """Train a new cat network on one core.

    Args:
        images: `labkit.models.datasets.cats.Pictures`.
        width, batch, epochs: of the network and the training.
        memory: bytes that the process may have; None for no limit.
        patience: seconds that it may take.

    Returns:
        How it ended; `"seconds"` of the training, `"pictures"` and `"loss"` in its result.
    """
    with tempfile.TemporaryDirectory() as folder:
        data = _keep(folder, images=images.images.numpy(), labels=images.labels.numpy())
        task = {"job": "train", "data": data, "width": width, "batch": batch, "epochs": epochs}
        return limits.run(MODULE, task, memory=memory, patience=patience)


def infer(network: str | Path, pictures, *, batch: int = 1, memory: int | None = None,
          patience: float = limits.PATIENCE_S) -> limits.Ended | Unavailable:
    """Answer pictures with a network in an ONNX file, on one core.

    Args:
        network: the file.
        pictures: `labkit.models.datasets.cats.Pictures`.
        batch: pictures in a run.
        memory, patience: as in `train`.

    Returns:
        How it ended; in its result `"right"` and `"tested"`, and `"median"`, `"low"`, `"high"` in seconds of a run.
    """
    with tempfile.TemporaryDirectory() as folder:
        data = _keep(folder, images=pictures.images.numpy(), truth=pictures.truth.numpy())
        task = {"job": "infer", "data": data, "network": str(Path(network).resolve()), "batch": batch}
        return limits.run(MODULE, task, memory=memory, patience=patience)


@cache
def need(job: str) -> int | Unavailable:
    """Return the bytes that interpreter and libraries alone have at their peak, for `"train"` or `"infer"`.

    It is the peak of the least task: one step with one picture, in the narrowest network.

    Raises:
        ValueError: another job.
    """
    from labkit.models.datasets import cats
    from labkit.models.networks.cats import CatNet
    from labkit.runtimes.onnx_export import write

    if job not in _JOBS:
        raise ValueError(f"There is no job '{job}', but {' and '.join(_JOBS)}.")
    few = cats.draw(_FEW)
    with tempfile.TemporaryDirectory() as folder:
        least = write(CatNet(4), Path(folder) / "least.onnx")
        ended = train(few, 4, 1) if job == "train" else infer(least, few)
    if isinstance(ended, Unavailable):
        return ended
    if not ended or not ended.peak:
        return Unavailable(f"The least task of '{job}' failed without a limit: {ended.words}")
    return ended.peak


def enough(job: str, memory: int) -> Unavailable | None:
    """Return None where a limit leaves room for the work, else why it does not, with the number that it needs."""
    from labkit.units import quantity

    needed = need(job)
    if isinstance(needed, Unavailable) or needed < memory:
        return needed if isinstance(needed, Unavailable) else None
    return Unavailable(f"The interpreter and its libraries alone need {quantity(needed, 'B')} to {job}, and the limit "
                       f"is {quantity(memory, 'B')}: give more.")


def _keep(folder: str, **arrays) -> str:
    from safetensors.numpy import save_file

    path = Path(folder) / "data.safetensors"
    save_file(arrays, path)
    return str(path)


# Inside the sandbox


def _load_training() -> None:
    import torch


    torch.set_num_threads(1)


def _train(data, width, batch, epochs) -> dict:
    import torch
    from safetensors.torch import load_file

    from labkit.models.networks.cats import CatNet
    from labkit.models.training import train

    kept = load_file(data)
    torch.manual_seed(0)
    run = train(CatNet(width), kept["images"], kept["labels"], epochs=epochs, batch=batch, device=torch.device("cpu"))
    return {"seconds": run.seconds, "pictures": run.pictures, "loss": run.losses[-1]}


def _load_inference() -> None:
    import labkit.runtimes.onnx_session  # noqa: F401


def _infer(data, network, batch) -> dict:
    from safetensors.numpy import load_file

    from labkit.runtimes.onnx_session import Network
    from labkit.timing import clock

    kept, opened = load_file(data), Network(network)
    right = int((opened.answers(kept["images"], batch) == kept["truth"]).sum())
    timing = clock.rounds({"run": opened.sampler(batch)}, budget=0.4)["run"]
    return {"right": right, "tested": len(kept["truth"]), "median": timing.median, "low": timing.low,
            "high": timing.high}


_JOBS = {"train": (_load_training, _train), "infer": (_load_inference, _infer)}

if __name__ == "__main__":
    sys.exit(limits.obey(_JOBS))
