"""The framework's compiler on the processor: PyTorch writes C++ for a network and lets a C++ compiler translate it.

That takes long, needs a compiler, and may fail in ways that are not the course's: it runs in a process of its own, with
a limit.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass

from labkit.experiment import Unavailable
from labkit.processes import Helper, HelperFailed, say

PATIENCE = 75  # seconds that it may take: about 30 are usual
_COMPILERS = ("g++", "clang++", "c++", "cl")


@dataclass(frozen=True)
class Compiled:
    """What the compiler was good for, in one process.

    Args:
        first: seconds of the first answer, compiling included.
        answers: seconds of every answer after it, compiled.
        eager: seconds of as many eager answers, taken in turn with them.
    """

    first: float
    answers: list[float]
    eager: list[float]


def compiler() -> str | Unavailable:
    """Return the C++ compiler that is there, or that there is none."""
    wanted = (os.environ.get("CXX"), *_COMPILERS)
    found = next((name for name in wanted if name and shutil.which(name)), None)
    return found or Unavailable("PyTorch compiles for the CPU with a C++ compiler, and there is none here "
                                f"({', '.join(_COMPILERS)}).")


def run(width: int, patience: float = PATIENCE) -> Compiled | Unavailable:
    """Compile the cat network, answer with it one picture at a time on one thread, and in turn with the eager one."""
    if not (found := compiler()):
        return found
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        fresh = {"TORCHINDUCTOR_CACHE_DIR": folder, "TORCHINDUCTOR_COMPILE_THREADS": "1", "OMP_NUM_THREADS": "1"}
        try:
            with Helper(__name__, str(width), environment=fresh) as helper:
                return Compiled(*helper.answer(patience))
        except HelperFailed as trouble:
            return Unavailable(f"torch.compile was tried and did not answer within {patience:g} s: {trouble}")


def _answer(width: int, turns: int = 30, in_turn: int = 30) -> None:
    """Run in the helper: turns of compiled and of eager answers."""
    import torch

    from labkit.models.networks.cats import CatNet
    from labkit.specs.network import PICTURE

    network, picture = CatNet(width).eval(), torch.zeros(1, *PICTURE)
    compiled = torch.compile(network)

    def clocked(call):
        begin = time.perf_counter()
        call(picture)
        return time.perf_counter() - begin

    with torch.inference_mode():
        first, answers = clocked(compiled), {compiled: [], network: []}
        for _ in range(turns):
            for call, times in answers.items():
                clocked(call)  # its caches were the other's
                times += [clocked(call) for _ in range(in_turn)]
    say([first, *answers.values()])


if __name__ == "__main__":
    _answer(int(sys.argv[1]))
