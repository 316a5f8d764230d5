"""What is in a picture: a cat, a car or a bicycle, in some place, in some light.

Every function paints on a `Canvas` of pictures with the same subject and takes what varies from `Dice`. A subject
stands on y = 1, is about two units tall or wide, and faces right.
"""

from __future__ import annotations

import numpy as np

from labkit.models.datasets.painter import Canvas, blend, box, capsule, circle, curve, ellipse, polygon, ring, wave

ONE_COLOUR = ("black", "white", "grey", "ginger", "cream", "brown")
MANY_COLOURED = ("tabby", "calico", "tuxedo", "colourpoint")
POSES = ("sitting", "walking", "loaf")


def _palette(*colours: str) -> np.ndarray:
    """Hexadecimal colours as float32 (colours, 3), 0 to 1."""
    return np.array([list(bytes.fromhex(c)) for c in colours], np.float32) / np.float32(255)


FUR = _palette("26242a", "eceae6", "85868c", "dc8436", "ead0a0", "6e4a34")
PAINT = _palette("c8322d", "2f5fae", "2e8b64", "f0c030", "3aa6b4", "8a4a9e")
FAR = _palette("a9d3ee", "f6d9c4", "d8e6c8", "c9c4e4", "f3e3b3", "8fb0bf", "6c7f9c", "c79f8a")
NEAR = _palette("8fba6a", "c9a878", "b5b2ae", "7f9a5c", "d9c7a2", "8a7562", "a6bcc4", "cf9f96")
IRIS = _palette("9ccb4a", "e8c53a", "7fc4dd", "d9903a")
INK, SNOW, PINK, GLASS, RUBBER, STEEL = (
    c[None, :, None] for c in _palette("1a181d", "f4f2ee", "e8959a", "bfe0ee", "2b2b2f", "b9bcc2")
)


class Dice:
    """The random numbers of some pictures: float32 (pictures, throws), 0 to 1, taken from left to right."""

    def __init__(self, throws: np.ndarray):
        self.throws, self.taken = throws, 0

    def __call__(self, low: float = 0.0, high: float = 1.0) -> np.ndarray:
        """The next number of each picture, from `low` to `high`, as a column."""
        self.taken += 1
        return self.throws[:, self.taken - 1, None] * np.float32(high - low) + np.float32(low)

    def sign(self) -> np.ndarray:
        """-1 or 1."""
        return np.where(self() < 0.5, np.float32(-1), np.float32(1))

    def index(self, choices: int) -> np.ndarray:
        """A whole number below `choices`: (pictures,)."""
        return (self()[:, 0] * np.float32(choices)).astype(np.int64)

    def colour(self, palette: np.ndarray, spread: float = 0.1) -> np.ndarray:
        """A colour of the palette, each channel shifted by up to half of `spread`: (pictures, 3, 1)."""
        return self.near(palette[self.index(len(palette))], spread)

    def near(self, colours: np.ndarray, spread: float) -> np.ndarray:
        """Colours (pictures, 3) with each channel shifted by up to half of `spread`: (pictures, 3, 1)."""
        shift = np.concatenate([self(-spread / 2, spread / 2) for _ in range(3)], axis=1)
        return np.clip(colours + shift, 0.0, 1.0)[:, :, None]


def mix(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Colour `a` with a share (pictures, pixels) of colour `b`."""
    return a + (b - a) * share[:, None]


def surroundings(canvas: Canvas, dice: Dice) -> None:
    """A wall or sky, a floor, and a few soft things that are none of the three classes."""
    x, y = canvas.x, canvas.y
    far, near = dice.colour(FAR, 0.2), dice.colour(NEAR, 0.2)
    canvas.rgb[:] = far * (1.0 - dice(0.0, 0.25)[:, None] * (y * 0.5 + 0.5)[:, None])
    for _ in range(2):
        colour = mix(far, dice.colour(NEAR, 0.3), dice(0.2, 0.8))
        shape = ellipse(x, y, dice(-1, 1), dice(-0.9, 0.5), dice(0.15, 0.6), dice(0.15, 0.5))
        canvas.paint(shape, colour, softness=0.15)
    canvas.paint(dice(0.1, 0.75) + x * dice(-0.1, 0.1) - y, near, rim=0.2, depth=0.3)


def place(canvas: Canvas, dice: Dice) -> None:
    """Choose where the subject stands, how large it is and which way it faces, and lay its shadow."""
    scale, mirror = dice(0.56, 0.9), dice.sign()
    room = 1.0 - scale
    canvas.place(dice(-0.9, 0.9) * room, dice(-0.8, 0.9) * room, scale, dice(-0.07, 0.07), mirror)
    shadow = ellipse(canvas.x, canvas.y, dice(-0.1, 0.1), 0.98, dice(0.75, 0.95), 0.12)
    canvas.paint(shadow, INK, opacity=dice(0.2, 0.45), softness=0.12)


def light(canvas: Canvas, dice: Dice, x: np.ndarray, y: np.ndarray) -> None:
    """Light the whole picture from one side, warm or cold, bright or dim."""
    tint = np.concatenate([dice(0.92, 1.08) for _ in range(3)], axis=1)[:, :, None]
    glow = dice(0.75, 1.1) + x * dice(-0.2, 0.2) - y * dice(0.0, 0.15)
    canvas.rgb *= glow[:, None]
    canvas.rgb *= tint


_PAIRS = {
    "tabby": (_palette("b08a5e", "9c9a96", "e9a458"), _palette("4a3526", "3d3b3c", "a85a1e")),
    "calico": (_palette("f2eee6", "efe6d8", "f4f2ee"), _palette("d97f30", "e0913f", "c86f28")),
    "tuxedo": (_palette("232126", "54565e", "2b2624"), _palette("f2f0ec", "f0eeea", "ebe8e2")),
    "colourpoint": (_palette("ecdcc0", "efe4d2", "f0e0c4"), _palette("4b362c", "6a5a58", "b06a3c")),
}


class Coat:
    """The fur of some cats: `coat(part, x, y)` is its colour, (pictures, 3, 1) or (pictures, 3, pixels).

    Parts are "body", "legs" and "tail" in the cat's coordinates, "head" and "ears" in the head's.

    Args:
        pattern: "plain" or one of `MANY_COLOURED`.
        colours: int (pictures,), for a plain coat the index into `ONE_COLOUR`.
        dice: what varies from cat to cat.

    A pose sets `chest`, the ellipse (cx, cy, rx, ry) that is white on a tuxedo.
    """

    chest = (0.0, 0.0, 1.0, 1.0)

    def __init__(self, pattern: str, colours: np.ndarray, dice: Dice):
        self.pattern = pattern
        if pattern == "plain":
            self.base = dice.near(FUR[colours], 0.06)
            return
        first, second = _PAIRS[pattern]
        index = dice.index(len(first))
        self.base, self.other = dice.near(first[index], 0.06), dice.near(second[index], 0.06)
        self.phase, self.pitch = dice(), dice(2.4, 3.4)
        self.patches = [(dice(-0.9, 0.6), dice(-0.5, 0.8), dice(0.18, 0.36)) for _ in range(5)]

    def __call__(self, part: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return getattr(self, f"_{self.pattern}")(part, x, y)

    def _plain(self, part, x, y):
        return self.base

    def _tabby(self, part, x, y):
        if part == "body":
            across = x + y * y * 0.25
        elif part == "head":
            across = x * 0.9
        else:
            across = y * 1.3
        stripes = np.clip(wave(across * self.pitch + self.phase) * 2.5 - 0.3, 0.0, 0.9)
        if part == "head":
            stripes *= np.clip(-y * 5.0 - 0.5, 0.0, 1.0)
        return mix(self.base, self.other, stripes)

    def _calico(self, part, x, y):
        if part in ("ears", "tail"):
            return np.where(self.phase[:, None] < 0.5, self.other, INK)
        if part == "head":
            ginger = np.clip(0.5 - ellipse(x, y, 0.75, -0.5, 0.6, 0.55) * 6.0, 0.0, 1.0)
            black = np.clip(0.5 - ellipse(x, y, -0.75, -0.55, 0.6, 0.6) * 6.0, 0.0, 1.0)
            return mix(mix(self.base, self.other, ginger), INK, black)
        colour = self.base
        for i, (cx, cy, radius) in enumerate(self.patches):
            edge = wave(x * 1.3 + self.phase) * 0.1 + wave(y * 1.7 + self.phase) * 0.08
            share = np.clip(0.5 - (circle(x, y, cx, cy, radius) + edge) * 10.0, 0.0, 1.0)
            colour = mix(colour, self.other if i % 2 else INK, share)
        return colour

    def _tuxedo(self, part, x, y):
        if part == "head":
            face = np.minimum(ellipse(x, y, 0.0, 0.45, 0.55, 0.4), polygon(x, y, (0.0, -0.5), (0.3, 0.4), (-0.3, 0.4)))
            return mix(self.base, self.other, np.clip(0.5 - face * 8.0, 0.0, 1.0))
        if part == "legs":
            return mix(self.base, self.other, np.clip((y - 0.68) * 10.0, 0.0, 1.0))
        if part == "body":
            return mix(self.base, self.other, np.clip(0.5 - ellipse(x, y, *self.chest) * 8.0, 0.0, 1.0))
        return self.base

    def _colourpoint(self, part, x, y):
        if part == "head":
            share = np.clip(1.35 - circle(x, y * 0.9, 0.0, 0.12, 0.0) * 1.3, 0.0, 0.95)
        elif part == "legs":
            share = np.clip((y - 0.35) * 2.2, 0.0, 0.95)
        elif part == "body":
            share = np.clip((y - 0.2) * 0.3, 0.0, 0.3)
        else:
            return self.other
        return mix(self.base, self.other, share)


def cat(canvas: Canvas, dice: Dice, pose: str, coat: Coat) -> None:
    """A cat that sits, walks or lies like a loaf of bread; it looks at you."""
    {"sitting": _sitting, "walking": _walking, "loaf": _loaf}[pose](canvas, dice, coat)


def _sitting(canvas, dice, coat):
    x, y, coat.chest = canvas.x, canvas.y, (0.16, 0.25, 0.24, 0.5)
    swish, fat, turn = dice(-0.12, 0.12), dice(0.9, 1.15), dice(-0.05, 0.22)
    tail = curve(x, y, (-0.3, 0.86), (-0.95, 0.92), (swish - 0.8, swish + 0.28), 0.09)
    canvas.paint(tail, coat("tail", x, y), rim=0.35)
    body = blend(ellipse(x, y, -0.08, 0.48, fat * 0.48, 0.5), ellipse(x, y, 0.06, 0.05, 0.33 * fat, 0.42), 0.2)
    body = np.maximum(body, y - 0.96)
    canvas.paint(body, coat("body", x, y), rim=0.35)
    canvas.paint(ellipse(x, y, -0.3, 0.7, 0.27, 0.27), coat("body", x, y), rim=0.25)
    for foot in (0.02, 0.3):
        leg = blend(capsule(x, y, foot, 0.3, foot, 0.86, 0.1), ellipse(x, y, foot + 0.04, 0.9, 0.14, 0.09), 0.05)
        canvas.paint(leg, coat("legs", x, y), rim=0.25)
    head(canvas, dice, coat, turn, -0.4, dice(0.4, 0.47))


def _walking(canvas, dice, coat):
    x, y, coat.chest = canvas.x, canvas.y, (0.5, 0.42, 0.5, 0.22)
    stride, fat, lift = dice(-0.2, 0.2), dice(0.27, 0.35), dice(-0.15, 0.15)
    tail = curve(x, y, (-0.62, 0.15), (-1.05, lift - 0.1), (lift - 0.8, -0.66), 0.075)
    canvas.paint(tail, coat("tail", x, y), rim=0.35)
    for hip, step, shade in ((-0.42, -1.0, 0.5), (0.38, 1.0, 0.5), (-0.52, 1.0, 0.25), (0.28, -1.0, 0.25)):
        foot = hip + stride * step
        leg = capsule(x, y, hip, 0.3, foot, 0.88, 0.1)
        canvas.paint(leg, coat("legs", x, y), rim=shade, depth=0.12 if shade < 0.4 else 1.0)
    body = blend(ellipse(x, y, -0.34, 0.22, 0.42, fat), ellipse(x, y, 0.22, 0.2, 0.42, fat - 0.03), 0.2)
    canvas.paint(body, coat("body", x, y), rim=0.35)
    head(canvas, dice, coat, dice(0.46, 0.58), dice(-0.35, -0.1), dice(0.36, 0.42))


def _loaf(canvas, dice, coat):
    x, y, coat.chest = canvas.x, canvas.y, (0.5, 0.62, 0.3, 0.4)
    fat = dice(0.42, 0.54)
    body = np.maximum(blend(ellipse(x, y, -0.12, 0.7, 0.8, fat), ellipse(x, y, 0.35, 0.6, 0.42, 0.45), 0.2), y - 0.97)
    canvas.paint(body, coat("body", x, y), rim=0.35)
    tail = capsule(x, y, -0.85, 0.8, -0.1, 0.9, 0.09)
    canvas.paint(tail, coat("tail", x, y), rim=0.35)
    for foot in (0.25, 0.52):
        canvas.paint(ellipse(x, y, foot, 0.9, 0.15, 0.09), coat("legs", x, y), rim=0.25)
    head(canvas, dice, coat, dice(0.28, 0.45), dice(-0.05, 0.12), dice(0.4, 0.47), sleepy=True)


def head(canvas, dice, coat, cx, cy, size, sleepy=False):
    """A head that looks at you: everything on it but the coat is its own mirror image."""
    body = canvas.x, canvas.y, canvas.sharpness
    canvas.place(cx, cy, size, dice(-0.1, 0.1), 1.0)
    x, y = canvas.x, canvas.y
    side = np.abs(x)
    prick, iris, gaze = dice(-0.12, 0.1), dice.colour(IRIS), dice(0.09, 0.15)
    ears = polygon(side, y, (0.82, prick - 1.35), (1.0, -0.2), (0.15, -0.62)) - 0.05
    canvas.paint(ears, coat("ears", x, y), rim=0.35, depth=0.2)
    canvas.paint(polygon(side, y, (0.78, prick - 1.12), (0.84, -0.4), (0.38, -0.62)), PINK, opacity=0.75)
    face = blend(ellipse(x, y, 0.0, 0.0, 1.0, 0.84), ellipse(side, y, 0.5, 0.32, 0.58, 0.42), 0.2)
    canvas.paint(face, coat("head", x, y), rim=0.3, depth=0.25)
    eye = ellipse(side, y, 0.42, -0.04, 0.25, 0.28)
    if sleepy:
        asleep, nowhere = gaze < 0.12, np.float32(9)
        lid = np.maximum(ring(side, y, 0.42, -0.1, 0.2, 0.09), -0.08 - y)
        canvas.paint(np.where(asleep, lid, nowhere), INK)
        eye = np.where(asleep, nowhere, eye)
    canvas.paint(eye - 0.05, INK)
    canvas.paint(eye, iris)
    canvas.paint(np.maximum(ellipse(side, y, 0.42, -0.04, gaze, 0.25), eye), INK)
    canvas.paint(np.maximum(circle(side, y, 0.5, -0.14, 0.08), eye), SNOW)
    canvas.paint(polygon(side, y, (-0.14, 0.24), (0.14, 0.24), (0.0, 0.4)) - 0.03, PINK)
    canvas.paint(np.maximum(ring(side, y, 0.14, 0.38, 0.14, 0.06), 0.4 - y), INK, opacity=0.8)
    if canvas.detailed:
        upper, lower = capsule(side, y, 0.5, 0.3, 1.25, 0.16, 0.014), capsule(side, y, 0.5, 0.38, 1.25, 0.46, 0.014)
        canvas.paint(np.minimum(upper, lower), SNOW, opacity=0.8)
    canvas.x, canvas.y, canvas.sharpness = body


def car(canvas: Canvas, dice: Dice) -> None:
    """A car from the side: a hatchback, a saloon or a van, as its cabin and bonnet fall out."""
    x, y = canvas.x, canvas.y
    paint = dice.colour(np.concatenate([FUR, PAINT]), 0.15)
    roof = np.where(dice()[:, None] < 0.7, paint, dice.colour(np.concatenate([FUR, PAINT]), 0.15))
    top, back, front, rake = dice(-0.45, -0.1), dice(-0.95, -0.6), dice(0.15, 0.75), dice(0.1, 0.4)
    waist, wheel, axle = dice(0.2, 0.34), dice(0.2, 0.27), dice(0.52, 0.62)
    windscreen = front + rake
    cabin = polygon(x, y, (back + rake * 0.5, top), (front, top), (windscreen, 0.5), (back, 0.5)) - 0.05
    canvas.paint(cabin, roof, rim=0.3)
    pane = polygon(
        x,
        y,
        (back + rake * 0.5 + 0.02, top + 0.1),
        (front - 0.02, top + 0.1),
        (windscreen - 0.06, waist),
        (back + 0.06, waist),
    )
    post = np.abs(x - (back + front + rake * 0.6) * 0.5) - 0.045
    canvas.paint(np.maximum(pane, -post), mix(GLASS, INK, dice(0.0, 0.7)))
    body = box(x, y, 0.0, 0.54, 0.98, 0.26, 0.16)
    canvas.paint(body, paint, rim=0.3)
    if canvas.detailed:
        canvas.paint(capsule(x, y, -0.1, waist + 0.2, 0.0, waist + 0.2, 0.02), INK, opacity=0.6)
    canvas.paint(ellipse(x, y, 0.9, 0.46, 0.08, 0.08), mix(SNOW, IRIS[1][None, :, None], dice()))
    canvas.paint(ellipse(x, y, -0.93, 0.46, 0.05, 0.09), PAINT[0][None, :, None])
    for cx in (-axle, axle):
        hub = circle(x, y, cx, 0.8, 0.0)
        canvas.paint(hub - wheel, RUBBER)
        canvas.paint(hub - wheel * 0.5, STEEL, rim=0.3)


def bicycle(canvas: Canvas, dice: Dice) -> None:
    """A bicycle from the side."""
    x, y = canvas.x, canvas.y
    paint = dice.colour(np.concatenate([FUR, PAINT]), 0.15)
    tyre = mix(RUBBER, STEEL, dice(0.0, 0.4))
    radius, reach, tall, pen = dice(0.36, 0.44), dice(0.52, 0.6), dice(-0.25, 0.05), dice(0.045, 0.07)
    hub = 0.97 - radius
    for cx in (-reach, reach):
        rim = circle(x, y, cx, hub, radius)
        canvas.paint(np.abs(rim) - 0.05, tyre)
        if canvas.detailed:
            spokes = np.minimum(np.abs(x - cx), np.abs(y - hub)) - 0.008
            canvas.paint(np.maximum(spokes, rim), STEEL, opacity=0.7)
    crank, seat, stem = (-0.06, hub + 0.04), (-0.24, tall + 0.12), (reach - 0.2, tall + 0.06)
    frame = capsule(x, y, *crank, *seat, pen)
    for a, b in ((seat, stem), (stem, crank), (crank, (-reach, hub)), ((-reach, hub), seat), (stem, (reach, hub))):
        frame = np.minimum(frame, capsule(x, y, *a, *b, pen))
    canvas.paint(frame, paint, rim=0.2, depth=0.05)
    canvas.paint(circle(x, y, *crank, 0.11), STEEL, rim=0.3)
    post = capsule(x, y, *seat, -0.28, tall - 0.02, 0.03)
    bars = np.minimum(
        capsule(x, y, *stem, reach - 0.26, tall - 0.16, 0.035),
        capsule(x, y, reach - 0.26, tall - 0.16, reach - 0.06, tall - 0.2, 0.035),
    )
    canvas.paint(np.minimum(post, bars), STEEL)
    canvas.paint(capsule(x, y, -0.42, tall - 0.06, -0.16, tall - 0.05, 0.06), INK)
