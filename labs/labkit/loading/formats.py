"""The four formats in which the lab keeps the same samples, and how each is written and read.

What is read at a time is a *block* of `BLOCK` samples: a shard, a row group, a stretch of the map, or so many files.
"""

from __future__ import annotations

import errno
import json
import math
import shutil
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

import numpy as np

from labkit.loading.places import Folder, Store
from labkit.loading.samples import ENDINGS, STORED, BrokenSample, decode, draw, record

FILES, SHARDS, MAP, PARQUET = FORMATS = ("loose files", "tar shards", "memory map", "Parquet")
BLOCK = 64
STREAMED = (SHARDS,)  # the next bytes arrive while a sample is prepared
_NEEDS = {SHARDS: "webdataset", PARQUET: "pyarrow"}
_ABOUT = "set.json"
_SPARE = 2**28  # bytes of disk that stay free


def missing(layout: str) -> str:
    """Return why a format cannot be used here, or nothing."""
    package = _NEEDS.get(layout)
    lacks = package and not find_spec(package)
    return f"The package {package} is not installed: pip install {package}." if lacks else ""


def size(layout: str, kind: str) -> float:
    """Return the mean bytes that are read of a sample: as coded, with tar's blocks of 512 bytes, or as a record."""
    if layout == MAP:
        return record(kind).itemsize
    coded = STORED[kind].values()
    return sum(512 + 512 * math.ceil(part / 512) for part in coded) if layout == SHARDS else sum(coded)


def requests(layout: str, kind: str) -> float:
    """Return the files, or the requests to a store, for a sample: one a file, or one a block."""
    return len(ENDINGS[kind]) if layout == FILES else 1 / BLOCK


def write(folder: Path, kind: str, count: int, seconds: float = math.inf) -> None:
    """Write the same samples in every format that can be used here.

    Args:
        folder: where; one folder a format comes into being.
        kind: of `labkit.loading.samples.KINDS`.
        count: of samples, a multiple of `BLOCK`.
        seconds: after which no further block is drawn, beyond the eighth.

    Raises:
        OSError: the folder cannot be written, or has no room, which is found out before.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < (needed := _SPARE + 2 * len(FORMATS) * count * record(kind).itemsize):
        raise OSError(errno.ENOSPC, f"less than {needed >> 20} MiB are free")
    samples, end = [], perf_counter() + seconds
    for sample in draw(kind, count):
        samples.append(sample)
        if len(samples) % BLOCK == 0 and len(samples) >= 8 * BLOCK and perf_counter() > end:
            break
    for layout in (layout for layout in FORMATS if not missing(layout)):
        (folder / layout).mkdir(parents=True)
        _WRITERS[layout](folder / layout, kind, samples)
        (folder / layout / _ABOUT).write_text(json.dumps({"kind": kind, "count": len(samples)}))


def _write_files(folder, kind, samples):
    for place, sample in enumerate(samples):
        for ending, content in sample.items():
            (folder / f"{place:06}.{ending}").write_bytes(content)


def _write_shards(folder, kind, samples):
    import webdataset

    for block in range(len(samples) // BLOCK):
        with webdataset.TarWriter(str(folder / f"{block:04}.tar"), mtime=0) as shard:
            for place in range(block * BLOCK, (block + 1) * BLOCK):
                shard.write({"__key__": f"{place:06}", **samples[place]})


def _write_map(folder, kind, samples):
    with (folder / "records.bin").open("wb") as file:
        for sample in samples:
            file.write(decode(sample, kind).tobytes())


def _write_parquet(folder, kind, samples):
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.table({ending: [sample[ending] for sample in samples] for ending in ENDINGS[kind]})
    parquet.write_table(table, folder / "samples.parquet", row_group_size=BLOCK, compression="none",
                        use_dictionary=False)


_WRITERS = {FILES: _write_files, SHARDS: _write_shards, MAP: _write_map, PARQUET: _write_parquet}


def about(place: Folder | Store) -> tuple[str, int]:
    """Return the kind of a data set's samples and their number; raises `FileNotFoundError` where there is none."""
    try:
        told = json.loads(place.whole(_ABOUT))
        return told["kind"], told["count"]
    except (OSError, ValueError, KeyError, TypeError) as trouble:
        raise FileNotFoundError(f"There is no data set of this lab here: its {_ABOUT} is missing or damaged. Write one "
                                "with labkit.loading.formats.write.") from trouble


def read(layout: str, place: Folder | Store, kind: str, blocks: Iterable[int]) -> Iterator[Mapping | np.ndarray]:
    """Yield the samples of some blocks: as they are stored, or as records where the format holds those.

    Raises:
        BrokenSample: a shard or a Parquet file that cannot be read.
        OSError: what cannot be opened.
    """
    return _READERS[layout](place, kind, blocks)


def _read_files(place, kind, blocks):
    for block in blocks:
        for number in range(block * BLOCK, (block + 1) * BLOCK):
            yield {"__key__": f"{number:06}",
                   **{ending: place.whole(f"{number:06}.{ending}") for ending in ENDINGS[kind]}}


def _read_shards(place, kind, blocks):
    import tarfile

    from webdataset import tariterators

    for block in blocks:
        name, count = f"{block:04}.tar", 0
        with place.stream(name) as stream:
            members = tariterators.tar_file_expander([{"url": name, "stream": stream}])
            try:
                for sample in tariterators.group_by_keys(members):
                    yield sample
                    count += 1
                stream.read()  # the padding at the end, so that the connection can be used again
            except (tarfile.TarError, ValueError, EOFError):
                count = min(count, BLOCK - 1)
        if count < BLOCK:  # tarfile takes a head that is cut off for the end
            raise BrokenSample(f"The shard {name} is broken: {count} of its {BLOCK} samples can be read. Write it "
                               "again, or leave it out.")


def _read_map(place, kind, blocks):
    for block in blocks:
        # A map reads nothing until its bytes are asked for, and what it maps cannot be dropped from memory: so copy it.
        yield from np.array(place.array("records.bin", record(kind), block * BLOCK, (block + 1) * BLOCK))


def _read_parquet(place, kind, blocks):
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(place.seekable("samples.parquet")) as file:
            for block in blocks:
                columns = file.read_row_group(block, use_threads=False).to_pydict()
                for row, values in enumerate(zip(*columns.values(), strict=True)):
                    yield {"__key__": f"{block * BLOCK + row:06}", **dict(zip(columns, values, strict=True))}
    except pyarrow.ArrowInvalid as trouble:
        raise BrokenSample(f"The Parquet file is broken: {trouble}. Write it again.") from trouble


_READERS = {FILES: _read_files, SHARDS: _read_shards, MAP: _read_map, PARQUET: _read_parquet}
