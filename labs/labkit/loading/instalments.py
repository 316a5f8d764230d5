"""Instalments of labelled pictures as they are delivered: a tar shard each, of PNG files and their labels.

Reading one says what is broken, and nothing of whether it is right: that is `labkit.loading.validation`.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from labkit.loading.samples import BrokenSample

_END = bytes(1024)  # of a tar file: two empty blocks


@dataclass(frozen=True)
class Instalment:
    """Labelled pictures that came together.

    Args:
        name: of its shard.
        pictures: uint8 (height, width, 3) each, of any size.
        labels: int64 (n,).
    """

    name: str
    pictures: Sequence[np.ndarray]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.pictures)

    def images(self) -> torch.Tensor:
        """Return the pictures as bytes (n, 3, height, width); raises `ValueError` where they differ in size."""
        sizes = {picture.shape for picture in self.pictures}
        if len(sizes) > 1:
            written = ", ".join(sorted(f"{high} × {wide}" for high, wide, _ in sizes))
            raise ValueError(f"The pictures of {self.name} differ in size ({written} pixels), and a network takes one: "
                             "validate the instalment before you learn from it.")
        return torch.from_numpy(np.stack(self.pictures)).permute(0, 3, 1, 2).contiguous()

    def cut(self, side: int) -> torch.Tensor:
        """Return the upper left corners as bytes (n, 3, side, side), as a careless loader does without a word."""
        return torch.from_numpy(np.stack([picture[:side, :side] for picture in self.pictures])).permute(
            0, 3, 1, 2).contiguous()


def write(folder: Path, name: str, images: torch.Tensor, labels: Sequence[int]) -> Path:
    """Write pictures (n, 3, height, width) and their labels as a shard; return its path.

    Raises:
        OSError: the folder cannot be written.
    """
    import webdataset

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.tar"
    with webdataset.TarWriter(str(path), mtime=0) as shard:
        for place, (picture, label) in enumerate(zip(images.permute(0, 2, 3, 1).numpy(), labels, strict=True)):
            coded = io.BytesIO()
            Image.fromarray(picture).save(coded, "png", compress_level=1)
            shard.write({"__key__": f"{place:06}", "png": coded.getvalue(), "cls": str(int(label)).encode()})
    return path


def shards(folder: Path | str) -> list[Path]:
    """Return the shards of a folder in order; raises `FileNotFoundError` where it is no data set."""
    found = sorted(Path(folder).glob("*.tar"))
    if not found:
        raise FileNotFoundError(f"{folder} is no data set of instalments: it holds no shard (*.tar).")
    return found


def read(path: Path | str) -> Instalment:
    """Read an instalment.

    Raises:
        BrokenSample: the shard is cut off, or a member cannot be read; the message names it.
        FileNotFoundError: there is no such shard.
    """
    from webdataset import tariterators

    path, pictures, labels = Path(path), [], []
    whole = path.read_bytes()
    broken = BrokenSample(f"The shard {path.name} is cut off or damaged: have it sent again.")
    if not whole.endswith(_END):  # tarfile takes a head that is cut off for the end
        raise broken
    members = tariterators.tar_file_expander([{"url": path.name, "stream": io.BytesIO(whole)}])
    try:
        for sample in tariterators.group_by_keys(members):
            picture, label = _decoded(sample, path.name)
            pictures.append(picture)
            labels.append(label)
    except (tarfile.TarError, EOFError) as trouble:
        raise broken from trouble
    if not pictures:
        raise BrokenSample(f"The shard {path.name} holds no samples: have it sent again.")
    return Instalment(path.name, pictures, np.array(labels))


def _decoded(sample: dict, name: str) -> tuple[np.ndarray, int]:
    key = sample["__key__"]
    if missing := [ending for ending in ("png", "cls") if ending not in sample]:
        raise BrokenSample(f"Sample {key} of {name} has no {missing[0]}: have the shard sent again, or leave it out.")
    try:
        with Image.open(io.BytesIO(sample["png"])) as picture:
            return np.asarray(picture.convert("RGB")), int(sample["cls"])
    except (OSError, ValueError, SyntaxError) as trouble:
        raise BrokenSample(f"Sample {key} of {name} cannot be read ({trouble}): have the shard sent again, or leave it "
                           "out.") from trouble
