"""A network of which only the last layer learns, in one solve: hundreds of trainings within seconds.

The first layer is a convolution with random weights, which stay as they are; what it finds is averaged over quarters
of the picture. The readout is the ridge regression of the labels on these features. Such networks learn less from a
picture than trained ones, and in the same way: more from more, and what the labels say (Rahimi and Recht 2007).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labkit.inputs import whole
from labkit.models.datasets.cats import CLASSES
from labkit.models.networks.cats import as_input
from labkit.specs.network import SIDE

_KERNEL, _STRIDE = 5, 3  # of the convolution, in pixels
_PLACES = (SIDE - _KERNEL) // _STRIDE + 1  # at which it looks, across and down
_RIDGE = 100.0
_AT_ONCE = 500  # pictures


def weights(width: int) -> int:
    """Return the weights that learn, for each class: one for each channel and quarter, and one for all pictures."""
    return 4 * width + 1


def operations(pictures: int, width: int) -> float:
    """Return the operations of a training, two for each multiplication and addition: first layer, sums and solve."""
    layer = 2 * 3 * _KERNEL**2 * _PLACES**2 * width * pictures
    return layer + 2 * pictures * weights(width) ** 2 + 2 / 3 * weights(width) ** 3


class FirstLayer:
    """A random first layer.

    Args:
        width: channels.
        seed: of its weights.
        like: byte pictures (n, 3, size, size) to which its features are scaled: mean 0 and standard deviation 1.
    """

    def __init__(self, width: int, seed: int, like: Tensor):
        whole(width=width)
        weights = torch.randn(width, 3, _KERNEL, _KERNEL, generator=torch.Generator().manual_seed(seed))
        self._weights = weights - weights.mean(dim=(1, 2, 3), keepdim=True)  # sees edges and colours, not brightness
        raw = self._raw(like)
        self._mean, self._deviation = raw.mean(0), raw.std(0)

    def __call__(self, images: Tensor) -> Tensor:
        """Return features, float32 (n, `weights(width)`), the last of them ones, of byte pictures."""
        scaled = (self._raw(images) - self._mean) / self._deviation
        return torch.cat([scaled, scaled.new_ones(len(scaled), 1)], dim=1)

    @torch.inference_mode()
    def _raw(self, images: Tensor) -> Tensor:
        found = (nn.functional.conv2d(as_input(some), self._weights, stride=_STRIDE).abs_()
                 for some in images.split(_AT_ONCE))
        return torch.cat([nn.functional.adaptive_avg_pool2d(some, 2).flatten(1) for some in found])


class Readout:
    """The last layer, fitted.

    Args:
        seen: features of the pictures to learn from.
        labels: int64 (n,), what they are said to show.
    """

    def __init__(self, seen: Tensor, labels: Tensor):
        targets, seen = nn.functional.one_hot(labels, len(CLASSES)).double() - 1 / len(CLASSES), seen.double()
        squares = seen.T @ seen + _RIDGE * torch.eye(seen.shape[1], dtype=torch.float64)
        self._weights = torch.linalg.solve(squares, seen.T @ targets)

    def scores(self, shown: Tensor) -> Tensor:
        """Return a score for each picture and class, float64: its share of the regression."""
        return shown.double() @ self._weights

    def explained(self, shown: Tensor, truth: Tensor) -> float:
        """Return the share of the labels' variance that the scores explain on pictures that show `truth`."""
        targets = nn.functional.one_hot(truth, len(CLASSES)).double() - 1 / len(CLASSES)
        return 1 - float(((self.scores(shown) - targets) ** 2).sum() / (targets**2).sum())

    def error(self, shown: Tensor, truth: Tensor) -> float:
        """Return the share of wrong answers in % on pictures that show `truth`."""
        return 100 * float((self.scores(shown).argmax(1) != truth).double().mean())
