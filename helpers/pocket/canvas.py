"""The canvas of the pocket clinic's images: a scene with colour and relief, lesions as fields,
tools to mark them.

Positions and lengths are in body units: an image taken at middle distance is 96 units wide, its
centre is near (0, 0), and y points down. Arrays are float32 of one image's height and width;
colours run from 0 to 255, shares from 0 to 1.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

WIDTH = 96
# Skin colours after Fitzpatrick, and how far each is on the way from the palest to the darkest.
SKIN = {
    1: (240, 212, 196),
    2: (230, 192, 166),
    3: (210, 166, 134),
    4: (178, 130, 96),
    5: (132, 90, 64),
    6: (92, 62, 47),
}
DARKNESS = {1: 0.0, 2: 0.1, 3: 0.28, 4: 0.5, 5: 0.78, 6: 1.0}
# Grain sizes of the noise, in units: what mottles skin, what breaks a crust into clumps, scales,
# pores.
NOISES = {"coarse": 16.0, "middle": 6.0, "fine": 2.6, "grain": 1.1}

# Each colour on the palest and on the darkest skin, where redness turns dark and violet instead of
# bright.
COLOURS = {
    "red": ((206, 66, 62), (74, 16, 30)),
    "pink": ((232, 126, 130), (128, 42, 62)),
    "crimson": ((146, 14, 38), (112, 4, 26)),
    "salmon": ((238, 148, 108), (146, 84, 58)),
    "purple": ((132, 80, 150), (58, 26, 68)),
    "brown": ((122, 78, 46), (38, 22, 15)),
    "black": ((46, 36, 38), (15, 12, 13)),
    "white": ((252, 247, 244), (216, 192, 178)),
    "yellow": ((228, 186, 92), (182, 140, 62)),
    "blue": ((86, 98, 140), (42, 50, 84)),
    "raw": ((206, 52, 60), (168, 48, 58)),
    "blood": ((112, 10, 18), (84, 4, 12)),
    "amber": ((196, 136, 58), (172, 112, 46)),
    "rust": ((128, 72, 30), (74, 38, 18)),
    "scar": ((246, 214, 204), (164, 126, 110)),
}


@dataclass
class Scene:
    """An image in the making: what is painted so far, its relief in units, its gloss, and how deep
    in the skin.
    """

    size: int
    unit: float  # pixels per body unit
    tone: int
    skin: np.ndarray
    light: tuple
    x: np.ndarray  # body coordinates of each pixel
    y: np.ndarray
    to_pixels: Callable  # body coordinates (x, y) -> pixels
    colour: np.ndarray = None  # 3 x height x width
    height: np.ndarray = None
    gloss: np.ndarray = None
    depth: np.ndarray = None  # units from the silhouette, positive on the skin
    inside: np.ndarray = None  # share of skin in each pixel, 0 to 1

    def paint(self, share: np.ndarray, colour) -> None:
        """Mix a colour in, by a share from 0 to 1 in each pixel."""
        kept = 1 - share
        for plane, value in zip(self.colour, colour):
            plane *= kept
            plane += share * np.float32(value)

    def noise(self, kind: str, rng: random.Random) -> np.ndarray:
        """Noise of mean 0 and deviation 1, its grain as `NOISES` says."""
        field, size = _noise(kind, self.size), self.size
        row, column = int(rng.random() * size), int(rng.random() * size)
        return field[row : row + size, column : column + size]

    def lines(self, strokes: list, width: float) -> np.ndarray:
        """Strokes, lists of points in body units, as a share from 0 to 1; `width` in pixels of a
        96-pixel image.
        """
        mask = Image.new("L", (2 * self.size, 2 * self.size))
        pen = ImageDraw.Draw(mask)
        for stroke in strokes:
            points = [tuple(2 * value for value in self.to_pixels(*point)) for point in stroke]
            pen.line(points, fill=255, width=max(1, round(2 * width * self.size / WIDTH)))
        return np.asarray(mask.reduce(2), np.float32) / 255


@lru_cache(maxsize=16)
def _noise(kind: str, size: int) -> np.ndarray:
    """Twice as wide as an image, so that every image can cut its own piece; it repeats without a
    seam.
    """
    wide = 2 * size
    white = np.random.default_rng(list(kind.encode())).standard_normal((wide, wide))
    frequency = (
        np.hypot(np.fft.fftfreq(wide)[:, None], np.fft.fftfreq(wide)[None])
        * NOISES[kind]
        * size
        / WIDTH
    )
    field = np.fft.ifft2(np.fft.fft2(white) * np.exp(-((frequency - 0.5) ** 2) * 12)).real
    return ((field - field.mean()) / field.std()).astype(np.float32)


def along(scene: Scene, x0, y0, r0, x1, y1, r1) -> np.ndarray:
    """Units inside (positive) or outside (negative) a limb that tapers from one radius to the
    other.
    """
    x, y, width, height = scene.x - x0, scene.y - y0, x1 - x0, y1 - y0
    share = np.clip((x * width + y * height) / (width * width + height * height or 1), 0, 1)
    x, y = x - share * width, y - share * height
    return r0 + (r1 - r0) * share * share * (3 - 2 * share) - np.sqrt(x * x + y * y)


@dataclass
class Group:
    """Lesions of one kind as fields: at every pixel, the nearest lesion's view of it."""

    rho: np.ndarray  # distance from its centre, 1 on its edge
    u: np.ndarray  # the same by direction, right and down
    v: np.ndarray
    pixels: np.ndarray  # its radius in pixels
    centres: np.ndarray  # number x 2, in units
    radii: np.ndarray  # number, in units
    cover: np.ndarray | float = (
        1.0  # how much of a surface there is: little in the clear middle of a ring
    )
    strength: float = 1.0  # of the mark that is painted now

    def disc(self, at: float = 1.0, soft: float = 1.5) -> np.ndarray:
        """Share (0 to 1) of what lies within `at` of the radius; the edge is `soft` pixels wide."""
        return np.clip((at - self.rho) * self.pixels / soft + 0.5, 0, 1)

    def ring(self, at: float, width: float) -> np.ndarray:
        return np.exp(((self.rho - at) / width) ** 2 * -1.0)


def make_group(
    scene: Scene, centres: np.ndarray, radii: np.ndarray, rng: random.Random, *, ragged: float
) -> Group:
    """The fields of some lesions: ovals of any direction, their outline uneven by a share `ragged`."""
    x, y = scene.x, scene.y
    turns = np.array([rng.uniform(0, math.pi) for _ in radii], np.float32)
    flat = np.array([rng.uniform(1.0, 1.45) for _ in radii], np.float32)
    # Each oval as a quadratic form of (x, y): one product of matrices serves all lesions and all
    # pixels.
    cos, sin, (cx, cy) = np.cos(turns), np.sin(turns), centres.T
    a, b, c = (
        (cos**2 + flat * sin**2) / radii**2,
        (1 - flat) * cos * sin / radii**2,
        (sin**2 + flat * cos**2) / radii**2,
    )
    forms = np.stack(
        [
            a,
            2 * b,
            c,
            -2 * (a * cx + b * cy),
            -2 * (b * cx + c * cy),
            a * cx**2 + 2 * b * cx * cy + c * cy**2,
        ],
        1,
    )
    squares = forms @ np.stack([x * x, x * y, y * y, x, y, np.ones_like(x)]).reshape(6, -1)
    nearest = squares.argmin(0)
    rho = np.sqrt(np.maximum(squares[nearest, np.arange(nearest.size)], 0)).reshape(x.shape)
    nearest = nearest.reshape(x.shape)
    pixels = radii[nearest] * scene.unit
    if ragged:
        large = float(radii.mean()) * scene.unit * WIDTH / scene.size > 6
        rho = rho * (
            1 + ragged * np.clip(scene.noise("coarse" if large else "middle", rng), -1.7, 1.7)
        )
    return Group(
        rho,
        (x - cx[nearest]) / radii[nearest],
        (y - cy[nearest]) / radii[nearest],
        pixels,
        centres,
        radii,
    )


def some_near(
    scene: Scene,
    group: Group,
    rng: random.Random,
    *,
    count: int,
    size: tuple,
    far: tuple,
    most: float = 9,
) -> Group:
    """Small things on or around the lesions; `size` and distance `far` in shares of a lesion's
    radius.
    """
    centres, radii = [], []
    for _ in range(count):
        which, angle, distance = (
            rng.randrange(len(group.radii)),
            rng.uniform(0, 2 * math.pi),
            rng.uniform(*far),
        )
        (x, y), radius = group.centres[which], group.radii[which]
        centres.append(
            (x + radius * distance * math.cos(angle), y + radius * distance * math.sin(angle))
        )
        radii.append(min(max(0.9, radius * rng.uniform(*size)), most))
    return make_group(
        scene, np.array(centres, np.float32), np.array(radii, np.float32), rng, ragged=0.08
    )


def tint(name: str, scene: Scene) -> np.ndarray:
    """A colour as it looks on this skin, in the light of day."""
    pale, dark = np.float32(COLOURS[name])
    return pale + DARKNESS[scene.tone] * (dark - pale)


def paint_area(
    scene,
    group,
    rng,
    *,
    at=1.0,
    start=0.0,
    soft=2.0,
    colour="",
    share=0.7,
    lift=0.0,
    gloss=0.0,
    grain="",
    over=0.0,
):
    """A disc, or a ring from `start`, on every lesion; with `grain` only where that noise is above
    `over`.
    """
    shape = group.disc(at, soft) - (group.disc(start, soft) if start else 0)
    if grain:
        shape = shape * np.clip((scene.noise(grain, rng) - over) * 1.6, 0, 1) * group.cover
    if colour:
        scene.paint(shape * scene.inside * (share * group.strength), tint(colour, scene))
    if lift:
        scene.height += lift * group.strength * shape
    if gloss:
        scene.gloss += gloss * group.strength * shape * scene.inside


def paint_spots(scene, group, rng, *, count, size, far=(0, 0.7), most=3.0, **look):
    """Small round things on or around the lesions, about `count` for each of the first few."""
    count *= min(len(group.radii), 5)
    spots = some_near(scene, group, rng, count=count, size=size, far=far, most=most)
    if look.pop("dome", False):
        scene.height += 0.6 * spots.pixels / scene.unit * np.sqrt(np.maximum(1 - spots.rho**2, 0))
    spots.strength = group.strength
    paint_area(scene, spots, rng, **look)


def paint_strokes(
    scene,
    group,
    rng,
    *,
    count,
    length,
    bend,
    colour,
    width=1.0,
    share=0.85,
    lift=0.0,
    across=0.6,
    least=0.0,
):
    """Lines over the lesions, `length` and offset `across` in radii, `least` the shortest in units."""
    lean, strokes = rng.uniform(0, math.pi), []
    for which in rng.sample(range(len(group.radii)), min(len(group.radii), 4)):
        radius = group.radii[which]
        for _ in range(count):
            angle = lean + rng.gauss(0, 0.25) if bend < 0.2 else rng.uniform(0, 2 * math.pi)
            step = max(length * radius, least) / 6
            x, y = (value + rng.uniform(-across, across) * radius for value in group.centres[which])
            x, y, stroke = x - 3 * step * math.cos(angle), y - 3 * step * math.sin(angle), []
            for _ in range(7):
                stroke.append((x, y))
                angle += rng.uniform(-bend, bend)
                x, y = x + step * math.cos(angle), y + step * math.sin(angle)
            strokes.append(stroke)
    shape = scene.lines(strokes, width) * scene.inside
    scene.paint(shape * (share * group.strength), tint(colour, scene))
    scene.height += lift * shape


def paint_net(scene, group, rng, *, kind: str):
    """Lines that cover a lesion: the "cracks" of dry skin or the coarse "furrows" of skin that is
    rubbed.
    """
    within = group.disc(1.15 if kind == "cracks" else 1, 3) * scene.inside
    if kind == "furrows":
        turn, pitch = rng.uniform(0, math.pi), 2.1
        lines = sum(
            np.maximum(
                np.sin(
                    (scene.x * math.cos(turn + way) + scene.y * math.sin(turn + way)) * pitch
                    + 0.5 * scene.noise("middle", rng)
                ),
                0,
            )
            ** 3
            for way in (0, 1.2)
        )
        scene.height -= 0.9 * group.strength * lines * within
        scene.paint(0.65 * group.strength * np.minimum(lines, 1) * within, tint("brown", scene))
        return
    lines = np.clip(1 - np.abs(scene.noise("middle", rng)) * 3.2, 0, 1)
    scene.paint(0.65 * group.strength * lines * within, tint("white", scene))
    scene.height += 0.4 * lines * within
