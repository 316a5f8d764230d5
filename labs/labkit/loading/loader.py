"""Batches loaded by worker processes (PyTorch's DataLoader), for an accelerator that is emulated by pauses.

MLPerf Storage emulates its accelerators so: a pause as long as a real one would compute needs no core, as on a GPU
(https://github.com/mlcommons/storage).
"""

from __future__ import annotations

import itertools
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep

from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from labkit.loading import formats
from labkit.loading.places import Folder, Store
from labkit.loading.samples import BrokenSample, batch, decode, prepare, record

BATCH = 32
AHEAD = 2  # batches that each worker has ready: DataLoader's own prefetch_factor
BOTH, FETCH, PREPARE = "both", "fetch", "prepare"  # the stages that run
_SHARED = Path("/dev/shm")


class LoaderFailed(RuntimeError):
    """The workers could not start or could not go on; the message says why."""


class Batches(IterableDataset):
    """A data set as batches, of which each worker reads its share of the blocks.

    Args:
        layout: of `labkit.loading.formats.FORMATS`.
        place: where it lies.
        stages: `BOTH`; `FETCH` yields how many samples were read; `PREPARE` prepares one block that is in memory.
    """

    def __init__(self, layout: str, place: Folder | Store, stages: str = BOTH):
        self.layout, self.place, self.stages = layout, place, stages
        self.kind, self.count = formats.about(place)
        self.held = [*formats.read(layout, place, self.kind, [0])] if stages == PREPARE else None

    def __iter__(self):
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        blocks = range(first, self.count // formats.BLOCK, step)
        stored = (itertools.chain.from_iterable(self.held for _ in blocks) if self.held
                  else formats.read(self.layout, self.place, self.kind, blocks))
        while some := list(itertools.islice(stored, BATCH)):
            yield len(some) if self.stages == FETCH else self.prepared(some)

    def prepared(self, some: list) -> list:
        """Return stored samples as a batch; every second picture is mirrored."""
        decoded = some if self.layout == formats.MAP else [decode(sample, self.kind) for sample in some]
        return batch([prepare(one, bool(place % 2)) for place, one in enumerate(decoded)])


@dataclass(frozen=True)
class Epoch:
    """What one reading of a data set, or of its beginning, took.

    Args:
        batches: that were counted: whole rounds, after the first.
        seconds: for them.
        waiting: of those seconds, in which the accelerator had no batch.
    """

    batches: int
    seconds: float
    waiting: float


def epoch(batches: Iterator, at_once: int, computing: float = 0.0, seconds: float = 1.0) -> Epoch:
    """Let an accelerator take batches, one after the other.

    Args:
        batches: of a data set.
        at_once: how many make a round: those that all workers bring at a time.
        computing: seconds for which it computes with a batch.
        seconds: after which no further round is begun, once one was counted.
    """
    count, waiting = 0, 0.0
    for _ in itertools.islice(batches, at_once):  # until every worker is under way
        sleep(computing)
    begin = end = perf_counter()
    while perf_counter() - begin < seconds or not count:
        waited, taken = 0.0, 0
        for _ in range(at_once):
            asked = perf_counter()
            if next(batches, None) is None:
                break
            waited += perf_counter() - asked
            sleep(computing)
            taken += 1
        if taken < at_once:
            break
        count, waiting, end = count + taken, waiting + waited, perf_counter()
    return Epoch(count, end - begin, waiting)


@contextmanager
def loading(batches: Batches, workers: int) -> Iterator[Callable[[float, float], Epoch]]:
    """Start workers and yield a function that reads the data set from its beginning, as `epoch` does.

    The function takes the seconds of computing and the seconds to spend. The workers end with the block.

    Args:
        batches: what is loaded.
        workers: how many; none loads in this process, while the accelerator waits.

    Raises:
        LoaderFailed: processes or shared memory are refused here.
        BrokenSample, FileNotFoundError: of the data set.
    """
    _room(batches, workers)
    # The batches of a block come together: counting a part of them would count what was waited for before.
    at_once = max(workers, 1) * (1 if batches.layout == formats.FILES else formats.BLOCK // BATCH)
    fork = workers and sys.platform == "linux"  # elsewhere the system's own way, which takes seconds
    with _quietly():
        loader = DataLoader(batches, batch_size=None, num_workers=workers, persistent_workers=bool(workers),
                            prefetch_factor=AHEAD if workers else None,
                            multiprocessing_context="fork" if fork else None)

    def run(computing: float = 0.0, seconds: float = 1.0) -> Epoch:
        try:
            with _quietly():
                some = epoch(iter(loader), at_once, computing, seconds)
        except (BrokenSample, FileNotFoundError) as trouble:
            raise type(trouble)(_last_line(trouble)) from None
        except (OSError, RuntimeError) as trouble:
            raise LoaderFailed(f"The loader's workers could not go on: {_last_line(trouble)}. Fewer workers may do, or "
                               "a container with more processes and a larger /dev/shm.") from trouble
        if not some.batches:
            raise LoaderFailed(f"{batches.count} samples are too few for {workers} workers: each has to read twice at "
                               "least.")
        return some

    try:
        yield run
    finally:
        if workers and loader._iterator is not None:
            loader._iterator._shutdown_workers()  # else they live for as long as an error's traceback is kept


@contextmanager
def _quietly() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create")  # more workers than cores: they wait
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # of forks in a program with threads
        yield


def _room(batches: Batches, workers: int) -> None:
    """Refuse workers whose batches do not fit the system's shared memory, through which they are handed over."""
    needed = workers * (AHEAD + 1) * BATCH * 2 * record(batches.kind).itemsize
    if workers and batches.stages != FETCH and _SHARED.is_dir() and shutil.disk_usage(_SHARED).free < needed:
        raise LoaderFailed(f"{workers} workers need {needed >> 20} MiB of shared memory for their batches, and "
                           f"{_SHARED} has less: give the container more (docker run --shm-size), or take fewer.")


def _last_line(trouble: BaseException) -> str:
    """Return what a worker said: DataLoader puts the whole traceback before it."""
    lines = str(trouble).strip().splitlines() or [type(trouble).__name__]
    return lines[-1].removeprefix("labkit.loading.samples.").removeprefix("BrokenSample: ").removeprefix(
        "FileNotFoundError: ").rstrip(".")
