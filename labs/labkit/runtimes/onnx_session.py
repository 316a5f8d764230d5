"""ONNX Runtime: opens a network's file, answers with it, and says where its time goes.

An edge device needs only this to infer, and no PyTorch: nothing here imports it.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime

from labkit.specs.network import SIDE
from labkit.timing import clock

onnxruntime.disable_telemetry_events()  # its builds for Windows send some: docs/Privacy.md in its repository


class Unusable(ValueError):
    """A network's file that cannot be opened, run or quantised; the message says why."""


class Network:
    """A network of the course in ONNX Runtime.

    Args:
        path: an ONNX file that reads float pictures (n, 3, 32, 32) and gives scores (n, classes).
        profile: a folder for the runtime's record of times, or none.
        threads: how many may work on one run.
        tried: whether it answers a black picture first, to see that it is whole.

    Raises:
        Unusable: there is no such file, it is damaged or truncated, or it is another kind of network.
        ValueError: fewer threads than one.
    """

    def __init__(self, path: str | Path, profile: Path | None = None, *, threads: int = 1, tried: bool = True):
        if not isinstance(threads, int) or threads < 1:
            raise ValueError(f"A network runs on a whole number of threads from 1 up, not {threads!r}.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.enable_cpu_mem_arena = False  # else freed memory is kept, and more taken than is needed
        options.log_severity_level = 4
        if profile:
            options.enable_profiling, options.profile_file_prefix = True, str(profile / "times")
        path = Path(path)
        if not path.is_file():
            raise Unusable(f"There is no network in {path.name}: no such file.")
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as trouble:  # the runtime's errors share no narrower type
            raise Unusable(f"{path.name} is no whole ONNX file: it is damaged, truncated, or something else. "
                           "Write it again.") from trouble
        reads, gives = self._session.get_inputs(), self._session.get_outputs()
        if len(reads) != 1 or len(gives) != 1 or reads[0].type != "tensor(float)" or len(gives[0].shape) != 2 \
                or reads[0].shape[1:] != [3, SIDE, SIDE]:
            raise Unusable(f"{path.name} is not a network of this course: it must read float pictures of 3 × {SIDE} × "
                           f"{SIDE} and give one row of scores for each.")
        self._name = reads[0].name
        if tried and not np.isfinite(self(np.zeros((1, 3, SIDE, SIDE), np.float32))).all():
            raise Unusable(f"{path.name} answers a black picture with something that is no number: it is damaged.")

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """Return the scores, float32 (n, classes), of float32 pictures (n, 3, 32, 32) between -1 and 1.

        Raises:
            ValueError: no pictures, or pictures of another shape or type.
        """
        shape = getattr(pictures, "shape", ())
        if len(shape) != 4 or shape[0] < 1 or shape[1:] != (3, SIDE, SIDE) or pictures.dtype != np.float32:
            raise ValueError(f"A network reads one picture or more as 32-bit floats of shape (n, 3, {SIDE}, {SIDE}), "
                             f"not {getattr(pictures, 'dtype', type(pictures).__name__)} of {tuple(shape)}.")
        return self._session.run(None, {self._name: pictures})[0]

    def answers(self, images: np.ndarray, batch: int = 256) -> np.ndarray:
        """Return the most probable class, int64 (n,), of byte pictures (n, 3, 32, 32)."""
        found = np.empty(len(images), np.int64)  # not a small piece for each run: kept pieces split up the freed memory
        for at in range(0, len(images), batch):
            found[at:at + batch] = self(as_input(images[at:at + batch])).argmax(1)
        return found

    def sampler(self, batch: int) -> Callable[[], float]:
        """Return a function that answers a batch and returns the seconds; raises `ValueError` for a batch below 1."""
        return clock.sampler(self.run(batch))

    def run(self, batch: int) -> Callable[[], np.ndarray]:
        """Return a function that answers the same batch of noise; raises `ValueError` for a batch below 1."""
        pictures = noise(batch)
        return lambda: self(pictures)

    def end_record(self) -> list[dict]:
        """Return the runtime's record of what it did, one entry a call; needs a folder for it."""
        file = Path(self._session.end_profiling())
        return json.loads(file.read_text("utf-8"))


def as_input(images: np.ndarray) -> np.ndarray:
    """Return byte pictures as floats between -1 and 1, as `labkit.models.networks.cats.as_input` does for PyTorch."""
    return images.astype(np.float32) / np.float32(127.5) - np.float32(1)


def where_time_goes(path: str | Path, batch: int = 16, runs: int = 50) -> dict[str, float]:
    """Return the seconds that each kind of operator takes in one run, the longest first, by the runtime's own record.

    Raises:
        Unusable, ValueError: as `Network`.
    """
    with tempfile.TemporaryDirectory() as folder:
        network, pictures = Network(path, profile=Path(folder)), noise(batch)
        for _ in range(1 + runs):
            network(pictures)
        record = network.end_record()
    spent, counted = Counter(), Counter()
    for entry in record:
        if entry.get("cat") == "Node" and entry["name"].endswith("_kernel_time"):
            counted[entry["name"]] += 1
            if counted[entry["name"]] > 1:  # the first run finds everything cold
                spent[entry["args"]["op_name"]] += entry["dur"] * 1e-6 / runs
    return dict(spent.most_common())


def noise(batch: int) -> np.ndarray:
    """Return pictures of noise, float32 (n, 3, 32, 32) between -1 and 1; raises `ValueError` for a batch below 1."""
    if not isinstance(batch, int) or batch < 1:
        raise ValueError(f"A batch is a whole number of pictures from 1 up, not {batch!r}.")
    return np.random.default_rng(0).uniform(-1, 1, (batch, 3, SIDE, SIDE)).astype(np.float32)
