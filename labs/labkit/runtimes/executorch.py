"""ExecuTorch, PyTorch's own runtime for devices, where it is installed: `pip install executorch` (about 500 MB)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from torch import nn

from labkit.cache import write_atomically
from labkit.experiment import Unavailable
from labkit.runtimes.onnx_session import SIDE
from labkit.timing import clock


def available() -> str | Unavailable:
    """Return its name, or why it cannot be used."""
    try:
        if importlib.util.find_spec("executorch.runtime") and importlib.util.find_spec("executorch.backends.xnnpack"):
            return "ExecuTorch"
    except ModuleNotFoundError:
        pass
    return Unavailable("ExecuTorch is not installed. It is optional and large; where it exists for your system and "
                       "your Python, `pip install executorch` brings it.")


def write(network: nn.Sequential, path: str | Path) -> Path | Unavailable:
    """Write a network for one picture at a time, its layers handed to XNNPACK, which has fast ones for processors."""
    if not (there := available()):
        return there
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    picture = torch.zeros(1, 3, SIDE, SIDE)
    program = torch.export.export(network.eval(), (picture,))
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).to_executorch()
    write_atomically(Path(path), lowered.buffer)
    return Path(path)


def seconds(path: str | Path, budget: float = 0.3) -> clock.Timing | Unavailable:
    """Time one picture, on as many threads as it chooses to use."""
    if not (there := available()):
        return there
    from executorch.runtime import Runtime

    program = Runtime.get().load_program(str(path))
    method, picture = program.load_method("forward"), torch.zeros(1, 3, SIDE, SIDE)
    return clock.time(lambda: method.execute([picture]), budget=budget)
