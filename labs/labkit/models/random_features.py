"""Random features with a ridge readout: a network of which only the last layer learns, in one solve, within a second.

The first layer is a convolution with random weights, which stay as they are; what it finds is averaged over quarters
of the picture. The readout is the ridge regression of the labels on these features. Such networks learn less from a
picture than trained ones, and in the same way: more from more, and what the labels say (Rahimi and Recht 2007).
"""

from __future__ import annotations

import numpy as np

from labkit.models.datasets.cats import CLASSES

_SIDE, _STRIDE = 5, 3  # of the convolution, in pixels
_RIDGE = 100.0


def features(images: np.ndarray, width: int = 64, seed: int = 0) -> np.ndarray:
    """Return what a random first layer finds in pictures.

    Args:
        images: uint8 (n, 3, size, size).
        width: channels of the layer.
        seed: of its weights.

    Returns:
        float32 (n, 4 × width + 1), of mean 0 and standard deviation 1 but for the last column of ones.
    """
    weights = np.random.default_rng(seed).normal(size=(3 * _SIDE**2, width)).astype(np.float32)
    weights -= weights.mean(axis=0)  # a filter that sees edges and colours, and not how bright it is
    windows = np.lib.stride_tricks.sliding_window_view(images, (_SIDE, _SIDE), axis=(2, 3))[:, :, ::_STRIDE, ::_STRIDE]
    places = windows.shape[2] // 2 * 2
    windows = windows[:, :, :places, :places].transpose(0, 2, 3, 1, 4, 5).reshape(len(images), places, places, -1)
    found = np.abs(windows.astype(np.float32) @ weights)
    quarters = found.reshape(len(images), 2, places // 2, 2, places // 2, width).mean(axis=(2, 4))
    flat = quarters.reshape(len(images), -1)
    flat = (flat - flat.mean(axis=0)) / flat.std(axis=0)
    return np.concatenate([flat, np.ones((len(flat), 1), np.float32)], axis=1)


def readout_error(seen: np.ndarray, labels: np.ndarray, shown: np.ndarray, truth: np.ndarray) -> float:
    """Return the share of wrong answers on `shown` of a readout that was fitted to `seen`.

    Args:
        seen, shown: features, (n, k) and (m, k).
        labels: int (n,), what the network is told.
        truth: int (m,), what the other pictures show.
    """
    seen = seen.astype(np.float64)
    targets = np.eye(len(CLASSES))[labels] - 1 / len(CLASSES)
    weights = np.linalg.solve(seen.T @ seen + _RIDGE * np.eye(seen.shape[1]), seen.T @ targets)
    return float(((shown @ weights).argmax(axis=1) != truth).mean())
