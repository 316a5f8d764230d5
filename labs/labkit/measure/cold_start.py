"""A cold start: a fresh process until its first answer, and the answers that follow.

The fresh process runs this module, which imports nothing but the standard library before its clock runs.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from labkit.experiment import Unavailable
from labkit.processes import PATIENCE, Helper, HelperFailed, say
from labkit.specs.execution import EAGER, RUNTIME

PHASES = ("starting Python", "importing", "loading the network", "first answer")
_ANSWERS, _SETTLED = 300, 100  # after the first one, and how many of them are not steady yet


@dataclass(frozen=True)
class ColdStart:
    """What a fresh process took.

    Args:
        phases: seconds by name, in order.
        answers: seconds of every answer after the first.
    """

    phases: dict[str, float]
    answers: list[float]

    @property
    def first(self) -> float:
        """Seconds from the start of the process to its first answer."""
        return sum(self.phases.values())

    @property
    def steady(self) -> float:
        """The median of the answers once they are steady."""
        return median(self.answers[_SETTLED:])


def start(way: str, width: int, patience: float = PATIENCE) -> ColdStart | Unavailable:
    """Start a process that answers one picture after the other with a new network, on one thread.

    Its files have been read before, most likely, and lie in memory: after a reboot all takes longer.

    Args:
        way: `EAGER` or `RUNTIME`.
        width: of the network.
        patience: seconds that it may take.

    Raises:
        ValueError: another way.

    Returns:
        What it took, or that it took longer than `patience`, or failed.
    """
    if way not in (EAGER, RUNTIME):
        raise ValueError(f"A fresh process can run '{EAGER}' or '{RUNTIME}', not {way!r}.")
    from safetensors.torch import save_file

    from labkit.models.networks.cats import CatNet
    from labkit.runtimes.onnx_export import write

    with tempfile.TemporaryDirectory() as folder:
        network, path = CatNet(width), Path(folder) / "network"
        if way == EAGER:
            save_file(network.state_dict(), path)
        else:
            write(network, path)
        began = time.time()
        try:
            with Helper(__name__, way, str(path), str(width)) as helper:
                moments, answers = helper.answer(patience)
        except HelperFailed as trouble:
            return Unavailable(f"The fresh process gave no answer: {trouble}")
    moments = [began, *moments]
    phases = {name: max(after - before, 0.0)
              for name, (before, after) in zip(PHASES, pairwise(moments), strict=True)}
    return ColdStart(phases, answers)


def _answer(way: str, path: str, width: int) -> None:
    """Run in the fresh process: note the moment after each phase, then clock the answers."""
    moments = [time.time()]
    call = (_eager if way == EAGER else _runtime)(path, width, moments)
    call()
    moments.append(time.time())
    answers = []
    for _ in range(_ANSWERS):
        begin = time.perf_counter()
        call()
        answers.append(time.perf_counter() - begin)
    say([moments, answers])


def _eager(path, width, moments):
    import torch
    from safetensors.torch import load_file

    from labkit.models.networks.cats import CatNet
    from labkit.specs.network import PICTURE

    moments.append(time.time())
    torch.set_num_threads(1)
    network = CatNet(width)
    network.load_state_dict(load_file(path))
    picture = torch.zeros(1, *PICTURE)
    moments.append(time.time())
    return torch.inference_mode()(lambda: network(picture))


def _runtime(path, width, moments):
    from labkit.runtimes.onnx_session import Network

    moments.append(time.time())
    call = Network(path, tried=False).run(1)
    moments.append(time.time())
    return call


if __name__ == "__main__":
    _answer(sys.argv[1], sys.argv[2], int(sys.argv[3]))
