"""A painter of many small pictures at once: shapes are signed distances, laid over one another with soft edges.

A shape is a function of the coordinates `x` and `y` of every pixel that returns how far the pixel lies outside the
shape (negative inside), all float32 of shape (pictures, pixels). Its measures are numbers or float32 columns of shape
(pictures, 1), one row a picture. x grows to the right and y grows *down*.
The formulas are those of Inigo Quilez, "2D distance functions", https://iquilezles.org/articles/distfunctions2d/.

Every step is one of + - * / sqrt, minimum, maximum, absolute value and floor, which IEEE 754 rounds in one way only:
the pictures are the same bits on every platform. For the same reason nothing here sums over an axis.
"""

from __future__ import annotations

import itertools

import numpy as np

DETAILED = 48  # pixels, the size from which the finest lines can be seen


def length(x, y):
    """The distance of (x, y) from the origin."""
    return np.sqrt(x * x + y * y)


def circle(x, y, cx, cy, radius):
    """A disc around (cx, cy)."""
    return length(x - cx, y - cy) - radius


def ring(x, y, cx, cy, radius, width):
    """A circle drawn with a pen of `width`."""
    return np.abs(circle(x, y, cx, cy, radius)) - width * 0.5


def ellipse(x, y, cx, cy, rx, ry):
    """An upright ellipse; the distance is exact on its edge and in proportion elsewhere."""
    return (length((x - cx) / rx, (y - cy) / ry) - 1.0) * np.minimum(rx, ry, dtype=np.float32)


def capsule(x, y, ax, ay, bx, by, radius):
    """A line from (ax, ay) to (bx, by) drawn with a round pen."""
    x, y, bx, by = x - ax, y - ay, bx - ax, by - ay
    along = np.clip(x * (bx / (bx * bx + by * by)) + y * (by / (bx * bx + by * by)), 0.0, 1.0)
    return length(x - along * bx, y - along * by) - radius


def curve(x, y, start, control, end, radius):
    """A quadratic Bézier curve drawn with a round pen, as three straight pieces."""
    points = []
    for t in (0.0, 0.375, 0.6875, 1.0):
        weights = (1 - t) * (1 - t), 2 * t * (1 - t), t * t
        axes = zip(start, control, end, strict=True)
        points.append([a * weights[0] + b * weights[1] + c * weights[2] for a, b, c in axes])
    pieces = [capsule(x, y, *a, *b, radius) for a, b in itertools.pairwise(points)]
    return np.minimum(np.minimum(pieces[0], pieces[1]), pieces[2])


def box(x, y, cx, cy, half_width, half_height, radius):
    """A box with rounded corners."""
    x = np.maximum(np.abs(x - cx) - (half_width - radius), 0.0)
    y = np.maximum(np.abs(y - cy) - (half_height - radius), 0.0)
    return length(x, y) - radius


def polygon(x, y, *corners):
    """A convex polygon; its corners (x, y) go clockwise as seen on the screen."""
    outside = None
    for (ax, ay), (bx, by) in zip(corners, (*corners[1:], corners[0]), strict=True):
        dx, dy = np.float32(bx - ax), np.float32(by - ay)
        norm = length(dx, dy)
        edge = ((x - ax) * dy - (y - ay) * dx) / norm
        outside = edge if outside is None else np.maximum(outside, edge)
    return outside


def blend(a, b, softness):
    """Two shapes as one, the crease between them filled over `softness`."""
    crease = np.maximum(softness - np.abs(a - b), 0.0)
    return np.minimum(a, b) - crease * crease * (0.25 / softness)


def wave(t):
    """A triangle wave of period 1 between -1 (at whole numbers) and 1 (half-way)."""
    return 1.0 - np.abs((t - np.floor(t)) * 4.0 - 2.0)


def rotation(t):
    """The cosine and sine of a small angle, `t` being the tangent of its half."""
    return (1.0 - t * t) / (1.0 + t * t), (t + t) / (1.0 + t * t)


class Canvas:
    """Pictures in the making.

    Args:
        pictures: how many.
        size: the height and width of each in pixels.

    The attributes `x` and `y`, float32 (1, size²), run from -1 to 1 across a picture; `place` turns them into the
    coordinates of what is painted. `rgb`, float32 (pictures, 3, size²), holds the colours, 0 to 1.
    `detailed` says whether the pixels are small enough for whiskers and spokes.
    """

    def __init__(self, pictures: int, size: int):
        self.detailed = size >= DETAILED
        ticks = (np.arange(size, dtype=np.float32) * 2 + (1 - size)) / np.float32(size)
        self.x, self.y = np.tile(ticks, size)[None], np.repeat(ticks, size)[None]
        self.sharpness = np.full((1, 1), size / 2, np.float32)
        self.rgb = np.zeros((pictures, 3, size * size), np.float32)
        self._step = np.empty_like(self.rgb)

    def place(self, cx, cy, scale, tilt, mirror):
        """Move the origin to (cx, cy), magnify by `scale`, turn by `tilt`, mirror where `mirror` is -1."""
        c, s = rotation(tilt)
        x, y = (self.x - cx) / scale, (self.y - cy) / scale
        self.x, self.y = (x * c + y * s) * mirror, y * c - x * s
        self.sharpness = self.sharpness * scale

    def cover(self, distance, softness=0.0):
        """How much of each pixel a shape covers, 0 to 1; `softness` blurs its edge by that much."""
        sharpness = self.sharpness / (1.0 + softness * self.sharpness)
        return np.clip(0.5 - distance * sharpness, 0.0, 1.0)

    def paint(self, distance, colour, rim=0.0, depth=0.12, opacity=None, softness=0.0):
        """Lay a shape over the pictures.

        Args:
            distance: the shape, (pictures, pixels).
            colour: (pictures, 3, 1), or (pictures, 3, pixels) for a colour that varies.
            rim: how much darker it is at its edge, 0 to 1, which makes it look round.
            depth: how far inwards that darkness reaches.
            opacity: 0 to 1, a number or a column; opaque unless given.
            softness: the width over which its edge fades.
        """
        cover = self.cover(distance, softness)
        if opacity is not None:
            cover *= opacity
        step = self._step
        if rim:
            shade = np.clip(distance * (-rim / depth) + (1.0 - rim), 1.0 - rim, 1.0)
            np.subtract(np.multiply(colour, shade[:, None], out=step), self.rgb, out=step)
        else:
            np.subtract(colour, self.rgb, out=step)
        step *= cover[:, None]
        self.rgb += step
