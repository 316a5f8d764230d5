"""What can be wrong with pictures that somebody delivers: each kind of dirt is made out of clean ones."""

from __future__ import annotations

from dataclasses import replace

import torch

from labkit.labs.growing_clean_data.kinds import BLUE, CAUSE, CUT, KINDS, LEAK, RANDOM, ROWS, TWICE
from labkit.models.datasets import cats

__all__ = ["BLUE", "CAUSE", "CUT", "KINDS", "LEAK", "RANDOM", "ROWS", "TWICE", "enlarged", "spoil"]


def spoil(kind: str, pictures: cats.Pictures, share: float, tested: cats.Pictures, seed: int = 0) -> cats.Pictures:
    """Return pictures of which a share is dirty in one way.

    Args:
        kind: of `KINDS`. `RANDOM` labels name another class. For `CAUSE`, cats are called cars, coat by coat. `TWICE`
            puts others of the pictures in the place of some, `LEAK` those of the test. `CUT` is a quarter of a larger
            picture, `ROWS` a picture whose bytes are read in another order, and `BLUE` one with two channels swapped.
        pictures: clean ones.
        share: 0 to 1.
        tested: pictures of the test, as many as the share or more.
        seed: of the choice.

    Raises:
        ValueError: a share for which there are too few cats, or too few pictures of the test.
    """
    count, dice = round(share * len(pictures)), torch.Generator().manual_seed(seed)
    order = torch.randperm(len(pictures), generator=dice)
    chosen, others = order[:count], order[count:]
    if kind in (RANDOM, CAUSE):
        labels = pictures.labels.clone()
        if kind == RANDOM:
            steps = torch.randint(1, len(cats.CLASSES), (count,), generator=dice)
            labels[chosen] = (labels[chosen] + steps) % len(cats.CLASSES)
        else:
            labels[_by_coat(pictures, count)] = cats.CLASSES.index("car")
        return replace(pictures, labels=labels)
    if kind in (TWICE, LEAK):
        if kind == LEAK and count > len(tested):
            raise ValueError(f"The test has {len(tested)} pictures, and {count} are to come out of it.")
        return pictures[others] + (pictures[others[:count]] if kind == TWICE else tested[:count])
    images = pictures.images.clone()
    images[chosen] = _ALTERED[kind](images[chosen])
    return replace(pictures, images=images)


def enlarged(images: torch.Tensor) -> torch.Tensor:
    """Return pictures of twice the side, each pixel four times."""
    return images.repeat_interleave(2, 2).repeat_interleave(2, 3)


def _by_coat(pictures: cats.Pictures, count: int) -> torch.Tensor:
    coated = pictures.coats.argsort(stable=True)[int((pictures.coats < 0).sum()):]
    if count > len(coated):
        raise ValueError(f"{count} of the pictures are more than the {len(coated)} cats.")
    return coated[:count]


_ALTERED = {
    CUT: lambda images: enlarged(images)[:, :, :images.shape[2], :images.shape[3]],
    ROWS: lambda images: images.permute(0, 2, 3, 1).reshape(images.shape),
    BLUE: lambda images: images.flip(1),
}
