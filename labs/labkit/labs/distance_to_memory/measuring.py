"""What Lab 4.3 measures: answers whose weights or inputs lie on each rung, and answers of a far processor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from labkit import device as devices
from labkit.experiment import Outcome, Unavailable
from labkit.labs.common import measured
from labkit.measure import far_model
from labkit.measure.probes import weights as probe
from labkit.offload.wire import NoAnswer
from labkit.predict.operators import interpolate
from labkit.processes import HelperFailed
from labkit.serving import model_store as store
from labkit.session import Session
from labkit.specs.calibration import Calibration
from labkit.specs.link import LinkSpec
from labkit.timing import clock
from labkit.timing.drift import timed

CACHE, MEMORY, SHARED = "the processor's cache", "memory", "another process's memory, shared"
MAP, COLD_MAP, DRIVE = "a memory map, warm", "a memory map, cold", "the drive"
PROCESS = "another process, by a socket"
LINKS = {"another machine, 1 Gbit/s and 1 ms": LinkSpec(0.001, 125e6),
         "another machine, 100 Mbit/s and 20 ms": LinkSpec(0.02, 12.5e6)}
FILES = {SHARED: probe.MAPPED_WARM, MAP: probe.MAPPED_WARM, COLD_MAP: probe.MAPPED_COLD, DRIVE: probe.READ_COLD}
RUNGS = (CACHE, MEMORY, SHARED, MAP, COLD_MAP, DRIVE, PROCESS, *LINKS)
WEIGHTS, INPUTS = "the weights", probe.BATCHES[-1]
_BUDGET = 0.1  # seconds for a read
SOME = f"{INPUTS} inputs"
SIDE_BYTES = 4 * store.SIDE  # of an input, and of an answer

Sample = Callable[[], float]


@dataclass(frozen=True)
class Reads:
    """How a model's file was read.

    Args:
        size: MiB.
        kept: share of its pages that stayed in memory after they were dropped, 0 to 1.
        warm, cold: seconds of a read out of the page cache, and of one after the pages were dropped.
    """

    size: int
    kept: float
    warm: Outcome
    cold: Outcome


class Bench(Session):
    """Times answers; the far process lives as long as the session is open.

    Args:
        weights: what the probe of this name found.
        budget: seconds for each.
    """

    def __init__(self, weights: Calibration, budget: float):
        super().__init__()
        self._calibrated, self._budget = weights, budget

    def time(self, what: AbstractContextManager[Sample], *, hot: bool = False) -> Outcome | Unavailable:
        """Return the seconds of what one of the contexts below gives to sample, or why there are none.

        Args:
            what: the context.
            hot: that it stays in the caches: then a layer there tells the speed.
        """
        try:
            with self.open(), probe.folder() as place, devices.threads(1), torch.inference_mode():
                path = place / "reference.safetensors"
                store.write(path, min(probe.LAYERS))
                with what as sample:
                    if hot:
                        reference = probe.again(store.read(path))
                        seconds = interpolate(self._calibrated.curve("again", 1), path.stat().st_size)
                    else:
                        reference = probe.answering(path, probe.HELD, 1)
                        seconds = self._calibrated.reference_seconds
                    return measured(*timed(sample, reference, seconds, self._budget))
        except (NoAnswer, HelperFailed) as trouble:
            self.drop("far")
            return Unavailable(str(trouble))
        except OSError as trouble:
            return Unavailable(f"The model cannot be written or read: {trouble.strerror or trouble}.")

    @contextmanager
    def rung(self, rung: str, what: str, size: int) -> Iterator[Sample]:
        """Yield a sampler of an answer with its weights, or its inputs, on a rung.

        Args:
            rung: of `RUNGS`.
            what: `WEIGHTS`, for one input, or else `INPUTS` inputs.
            size: MiB of weights.
        """
        with self._model(size, rung) as (path, far):
            if what == WEIGHTS:
                yield from self._weights(rung, size, path, far)
            else:
                yield from self._inputs(rung, path, far)

    @contextmanager
    def near(self, place: str, slower: int, size: int) -> Iterator[Sample]:
        """Yield a sampler of a near answer that takes its work `slower` times, with its weights in memory or a file."""
        with self._model(size, place) as (path, _):
            held, asked = store.read(path), probe.inputs(1)
            way = FILES.get(place, probe.HELD)

            def answer():
                weights = held if way == probe.HELD else probe.FETCHED[way](path)
                for _ in range(slower):
                    store.answer(weights, asked)

            yield probe.sampler(path, way, answer)

    @contextmanager
    def far(self, spec: LinkSpec, size: int) -> Iterator[Sample]:
        """Yield a sampler of a far answer over a link, with its weights in the far process's memory."""
        asked = probe.inputs(1)
        with self._model(size, PROCESS) as (path, far), far.connected(spec) as line:
            yield probe.sampler(path, probe.HELD, lambda: line.ask(asked))

    @contextmanager
    def _model(self, size: int, rung: str) -> Iterator[tuple[Path, far_model.FarModel | None]]:
        """Yield a model's file, and the far process with the same model where a rung needs one."""
        with probe.folder() as place:
            path = place / "model.safetensors"
            store.write(path, size)
            (place / far_model.INPUTS_FILE).write_bytes(probe.inputs(INPUTS).numpy().tobytes())
            if FILES.get(rung) in probe.COLD:
                probe.settle(place)
            if rung not in (SHARED, PROCESS, *LINKS):
                yield path, None
                return
            far = self.start("far", far_model.running)
            far.load(path)
            yield path, far

    def _weights(self, rung, size, path, far) -> Iterator[Sample]:
        asked = probe.inputs(1)
        if rung == CACHE:
            yield probe.again(store.read(path))
        elif rung == SHARED:
            yield probe.answering(far.shared(path.name), FILES[rung], 1)
        elif far:
            with far.connected(LINKS.get(rung)) as line:
                yield probe.sampler(path, probe.HELD, lambda: store.answer(line.weights(size), asked))
        else:
            yield probe.answering(path, FILES.get(rung, probe.HELD), 1)

    def _inputs(self, rung, path, far) -> Iterator[Sample]:
        held, way = store.read(path), FILES.get(rung)
        if rung in FILES:
            get = _mapped if way in (probe.MAPPED_WARM, probe.MAPPED_COLD) else _read
            file = far.shared(far_model.INPUTS_FILE) if far else path.with_name(far_model.INPUTS_FILE)
            yield probe.sampler(file, way, lambda: store.answer(held, get(file)))
        elif far:
            with far.connected(LINKS.get(rung)) as line:
                yield probe.sampler(path, probe.HELD, lambda: store.answer(held, line.inputs(INPUTS)))
        else:
            yield probe.answering(path, probe.HELD, INPUTS)


def _mapped(file: Path) -> torch.Tensor:
    return torch.from_numpy(np.memmap(file, np.float32, "c")).view(INPUTS, store.SIDE)


def _read(file: Path) -> torch.Tensor:
    return torch.frombuffer(bytearray(file.read_bytes()), dtype=torch.float32).view(INPUTS, store.SIDE)


def cold_and_warm(size: int) -> Reads | Unavailable:
    """Read a model of `size` MiB out of the page cache and, in turn with that, after it was dropped from there.

    It is read into the same memory each time, so that nothing but the reading takes time.
    """
    try:
        with probe.folder() as place, devices.threads(1):
            path = place / "model.safetensors"
            store.write(path, size)
            kept = probe.settle(place)
            buffer = bytearray(size * store.LAYER)

            def read() -> None:
                with path.open("rb", buffering=0) as file:
                    file.readinto(buffer)

            timings = clock.rounds({way: probe.sampler(path, way, read) for way in (probe.READ_WARM, probe.READ_COLD)},
                                   budget=2 * _BUDGET)
            return Reads(size, kept, *(measured(timing, 1.0) for timing in timings.values()))
    except OSError as trouble:
        return Unavailable(str(trouble))
