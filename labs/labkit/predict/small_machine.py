"""What the cat network takes up on a small machine: numbers in its file, and memory while it runs."""

from __future__ import annotations

import math

from labkit.predict import step
from labkit.specs import network

PICTURE = math.prod(network.PICTURE)  # bytes of one picture
JOBS = {"train": "training step", "infer": "inference"}


def file(dtype: str, width: int) -> dict[str, int]:
    """Return the bytes of the numbers in a network's file, by what they are.

    In 8 bit a weight takes a byte, and a bias four. The static form has scale and offset for each channel written, of
    its weights (4 + 1 bytes) and of its biases (4 + 4); the dynamic one has a scale and an offset for each layer.

    Args:
        dtype: one of `labkit.specs.execution.ONNX_FORMATS`.
        width: channels after the first convolution.

    Raises:
        ValueError: another format, or no width.
    """
    layers = network.cats(width)
    channels = [layer.channels[1] for layer in layers]
    weights, biases = network.parameters(layers) - sum(channels), sum(channels)
    if dtype == "fp32":
        return {"weights": 4 * weights, "biases": 4 * biases}
    scales = {"int8 static": (4 + 1 + 4 + 4) * biases, "int8 dynamic": (4 + 1) * len(layers)}
    if dtype not in scales:
        raise ValueError(f"There is no format '{dtype}', but fp32, {' and '.join(scales)}.")
    return {"weights": weights, "biases": 4 * biases, "scales and offsets": scales[dtype]}


def memory(need: float, job: str, width: int, batch: int) -> dict[str, float]:
    """Return the parts of the peak memory of a process that runs a job, in bytes.

    Args:
        need: bytes that the interpreter and the libraries have by themselves (`labkit.measure.limited_jobs.need`).
        job: a key of `JOBS`; training looks at two batches of pictures, inference at one.
        width, batch: of the network and of a step or run.
    """
    parts = step.memory(JOBS[job], width, batch)
    pictures = (2 if job == "train" else 1) * batch * PICTURE
    return {"interpreter and libraries": need, **parts, "pictures": parts["pictures"] + pictures}
