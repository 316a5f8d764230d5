"""Pictures of cats, cars and bicycles, drawn from a seed: the same bits on every platform.

`draw` draws them; `load` draws them once, keeps them on disk, and reads them afterwards.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import threading
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from numbers import Real
from pathlib import Path
from time import perf_counter

import numpy as np
import psutil
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from labkit import cache
from labkit.inputs import whole
from labkit.models.datasets import scenes
from labkit.models.datasets.painter import Canvas
from labkit.models.datasets.scenes import MANY_COLOURED, ONE_COLOUR
from labkit.progress import report
from labkit.specs.network import CLASS_NAMES, SIDE
from labkit.units import quantity

CLASSES = CLASS_NAMES
COATS = ONE_COLOUR + MANY_COLOURED
GENERATOR_VERSION = 1  # to be raised with every change to the pictures, so that no cache serves old ones

BLOCK = 2048  # pictures that share a stretch of random numbers
THROWS, SCENE, COAT = 128, 8, 96  # random numbers a picture, and where those of the scene and of the coat begin
CHUNK = 1 << 17  # pixels painted at once: few enough for a core's cache, enough to keep it busy
TILE = 1 << 18  # places at which a picture's noise can start


@dataclass(frozen=True)
class Pictures:
    """Pictures and what is on them.

    Args:
        images: uint8 (n, 3, size, size), red, green, blue.
        labels: int64 (n,), the class that each is labelled with, an index into `CLASSES`.
        truth: int64 (n,), the class that each shows; it differs from the label where the label is noise.
        coats: int64 (n,), an index into `COATS`, -1 where there is no cat.
    """

    images: torch.Tensor
    labels: torch.Tensor
    truth: torch.Tensor
    coats: torch.Tensor

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: slice | torch.Tensor) -> Pictures:
        """The pictures at a slice, a tensor of indices or a mask."""
        return Pictures(*(getattr(self, f.name)[index] for f in fields(self)))

    def __add__(self, other: Pictures) -> Pictures:
        return Pictures(*(torch.cat([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)))


def draw(
    n: int,
    *,
    size: int = SIDE,
    coats: str | Sequence[str] = ONE_COLOUR,
    seed: int = 0,
    balance: Sequence[float] = (1, 1, 1),
    label_noise: float = 0.0,
    seconds: float = math.inf,
) -> Pictures:
    """Draw pictures of cats, cars and bicycles.

    Picture i depends on the seed and on i, not on n: `draw(10)` is the beginning of `draw(100)`.

    Args:
        n: how many pictures.
        size: their height and width in pixels, `SIDE` or more.
        coats: which coats the cats have, equally often.
        seed: which pictures; 0 or more.
        balance: how often cats, cars and bicycles come, in proportion to each other.
        label_noise: the share of the labels, 0 to 1, that name one of the other two classes.
        seconds: after which those that are done are returned, `BLOCK` at least, and the rest is not drawn.

    Raises:
        ValueError: an argument outside what is allowed; the message says what is.
        MemoryError: the pictures need more memory than is free.
    """
    n, size, coats, seed, balance, label_noise = _check(n, size, coats, seed, balance, label_noise)
    begin = perf_counter()
    needed, free = 3 * n * size * size, psutil.virtual_memory().available
    if needed > free:
        raise MemoryError(f"{n:,} pictures of {size} × {size} take {quantity(needed, 'B')} of memory, and "
                          f"{quantity(free, 'B')} are free: draw fewer or smaller ones.")
    images = np.empty((n, 3, size, size), np.uint8)
    truth, labels, worn = (np.empty(n, np.int64) for _ in range(3))
    noise = _noise(seed, TILE + 3 * size * size)
    edges = np.cumsum(balance) / np.sum(balance)
    stopped = threading.Event()

    def block(start: int) -> None:
        throws = _throws(seed, start)[: n - start]
        here = slice(start, start + len(throws))
        shown = np.searchsorted(edges, throws[:, 0], side="right")
        other = (shown + 1 + (throws[:, 2] * 2).astype(np.int64)) % len(CLASSES)
        coat = np.array([COATS.index(c) for c in coats])[(throws[:, 3] * np.float32(len(coats))).astype(np.int64)]
        truth[here], labels[here] = shown, np.where(throws[:, 1] < label_noise, other, shown)
        worn[here] = np.where(shown == CLASSES.index("cat"), coat, -1)
        _render(images[here], throws, shown, worn[here], noise, stopped)

    starts = range(0, n, BLOCK)
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        try:
            for done, _ in enumerate(pool.map(block, starts), 1):
                report(done / len(starts), "Drawing pictures")
                if perf_counter() - begin > seconds:
                    stopped.set()
                    pool.shutdown(cancel_futures=True)
                    break
        except BaseException:  # also a cancelled or interrupted cell: nothing goes on, and nothing begins
            stopped.set()
            pool.shutdown(cancel_futures=True)
            raise
    return Pictures(*map(torch.from_numpy, (images, labels, truth, worn)))[:done * BLOCK]


def load(n: int, *, folder: str | Path | None = None, seconds: float = math.inf, **arguments) -> Pictures:
    """Return what `draw(n, **arguments)` draws, from disk where it was drawn before.

    A file that is damaged is drawn anew, and a folder that cannot be written is done without, each with a warning.
    Fewer pictures than n, for want of time, are not kept.

    Args:
        folder: where the pictures are kept; the cache folder unless given.
        seconds: as in `draw`.

    Raises:
        ValueError: as for `draw`.
    """
    drawn = inspect.signature(draw).bind(n, **arguments)
    drawn.apply_defaults()
    drawn.arguments.pop("seconds", None)
    n, size, *_ = checked = _check(**drawn.arguments)
    digest = hashlib.sha256(json.dumps([GENERATOR_VERSION, *checked]).encode()).hexdigest()
    folder = cache.folder("pictures") if folder is None else Path(folder)
    path = folder / f"cats-{digest[:16]}.safetensors"
    try:
        pictures = Pictures(**load_file(path))
        if pictures.images.shape == (n, 3, size, size):
            return pictures
        raise ValueError(f"it holds images of shape {tuple(pictures.images.shape)}")
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, SafetensorError, TypeError, ValueError) as error:
        warnings.warn(f"The stored pictures {path} cannot be read ({error}); drawing them again.", stacklevel=2)
    pictures = draw(n, seconds=seconds, **arguments)
    if len(pictures) < n:
        return pictures
    tensors = {f.name: getattr(pictures, f.name) for f in fields(pictures)}
    try:
        cache.write_atomically(path, lambda part: save_file(tensors, part))
    except (OSError, SafetensorError) as error:
        warnings.warn(f"The pictures cannot be kept in {folder} ({error}); they will be drawn next time.", stacklevel=2)
    return pictures


def _check(n, size, coats, seed, balance, label_noise) -> tuple:
    """Return the arguments of `draw` as plain Python values; raise `ValueError` for what cannot be drawn."""
    whole(n=n)
    whole(size=size, least=SIDE)
    whole(seed=seed, least=0)
    n, size, seed = int(n), int(size), int(seed)
    if seed >= 2**64:
        raise ValueError(f"seed must be below 2**64, not {seed}.")
    coats = (coats,) if isinstance(coats, str) else tuple(coats or ())
    unknown = [c for c in coats if c not in COATS]
    if unknown or not coats:
        wrong = f"There is no coat {unknown[0]!r}." if unknown else "coats is empty."
        raise ValueError(f"{wrong} Choose from: {', '.join(COATS)}.")
    if not isinstance(label_noise, Real) or not 0 <= label_noise <= 1:
        raise ValueError(f"label_noise is a share between 0 and 1, not {label_noise!r}.")
    rule = f"balance needs {len(CLASSES)} numbers of 0 or more, for {', '.join(CLASSES)}, not all 0; not {balance!r}."
    try:
        weights = tuple(float(b) for b in balance)
    except (TypeError, ValueError):
        raise ValueError(rule) from None
    if len(weights) != len(CLASSES) or not min(weights) >= 0 or not 0 < sum(weights) < math.inf:
        raise ValueError(rule)
    return n, size, coats, seed, weights, float(label_noise)


def _bits(seed: int, place: int, stream: int, count: int) -> np.ndarray:
    """Random uint64 (count,): the raw output of Philox, which NumPy promises never to change."""
    return np.random.Philox(key=seed, counter=[0, place, stream, 0]).random_raw(count)


def _throws(seed: int, start: int) -> np.ndarray:
    """The random numbers of the block that begins at picture `start`: float32 (BLOCK, THROWS), 0 to 1."""
    bits = _bits(seed, start, 0, BLOCK * THROWS) >> np.uint64(40)
    return bits.astype(np.float32).reshape(BLOCK, THROWS) * np.float32(2**-24)


def _noise(seed: int, count: int) -> np.ndarray:
    """Bell-shaped noise of standard deviation 1, float32 (count,): sums of four random bytes."""
    octets = _bits(seed, 0, 1, -(-count // 2)).astype("<u8").view(np.uint8).reshape(-1, 4)
    return ((octets.sum(axis=1, dtype=np.int32) - 510).astype(np.float32) / np.float32(147.8))[:count]


def _render(images, throws, shown, coats, noise, stopped) -> None:
    """Paint pictures into `images`, those with the same subject, pose and kind of coat together, until `stopped`."""
    size = images.shape[-1]
    cats, many = shown == CLASSES.index("cat"), coats - len(ONE_COLOUR)
    pose = np.where(cats, (throws[:, 4] * np.float32(len(scenes.POSES))).astype(np.int64), 0)
    groups, group = np.unique(np.stack([shown, pose, np.maximum(many, -1)]), axis=1, return_inverse=True)
    for k, (subject, position, pattern) in enumerate(groups.T):
        members = np.flatnonzero(group.reshape(-1) == k)
        for rows in np.array_split(members, -(-len(members) * size * size // CHUNK)):
            if stopped.is_set():
                return
            canvas, dice = Canvas(len(rows), size), scenes.Dice(throws[rows, SCENE:COAT])
            x, y = canvas.x, canvas.y
            scenes.surroundings(canvas, dice)
            scenes.place(canvas, dice)
            if CLASSES[subject] == "cat":
                kind = "plain" if pattern < 0 else MANY_COLOURED[pattern]
                coat = scenes.Coat(kind, coats[rows], scenes.Dice(throws[rows, COAT:]))
                scenes.cat(canvas, dice, scenes.POSES[position], coat)
            elif CLASSES[subject] == "car":
                scenes.car(canvas, dice)
            else:
                scenes.bicycle(canvas, dice)
            scenes.light(canvas, dice, x, y)
            starts = (throws[rows, 5] * np.float32(TILE)).astype(np.int64)
            grain = np.lib.stride_tricks.sliding_window_view(noise, 3 * size * size)[starts].reshape(canvas.rgb.shape)
            canvas.rgb += grain * (throws[rows, 6] * np.float32(0.04) + np.float32(0.01))[:, None, None]
            canvas.rgb *= 255.0
            canvas.rgb += 0.5
            images[rows] = np.clip(canvas.rgb, 0.0, 255.0).astype(np.uint8).reshape(-1, 3, size, size)
