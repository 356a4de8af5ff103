"""The canvas of the pocket clinic's images: a scene with colour and relief, lesions as fields.

Positions and lengths are in body units: an image taken at middle distance is 96 units wide, its
centre is near (0, 0), and y points down. Arrays are float32 of one image's height and width;
colours run from 0 to 255, shares from 0 to 1.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

Point = tuple[float, float]

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
# Grain sizes of the noise, in units: of mottled skin, the clumps of a crust, scales, pores.
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
    """An image in the making: the camera's view, and what `skin.bare_skin` and others paint."""

    size: int
    unit: float  # pixels per body unit
    tone: int
    skin: np.ndarray
    light: Point
    x: np.ndarray  # body coordinates of each pixel
    y: np.ndarray
    to_pixels: Callable[[float, float], Point]  # from body coordinates (x, y)
    colour: np.ndarray = field(init=False)  # 3 x height x width
    height: np.ndarray = field(init=False)  # relief in units
    gloss: np.ndarray = field(init=False)
    depth: np.ndarray = field(init=False)  # units from the silhouette, positive on the skin
    inside: np.ndarray = field(init=False)  # share of skin in each pixel, 0 to 1

    def paint(self, share: np.ndarray, colour: Sequence[float] | np.ndarray) -> None:
        """Mix a colour in, by a share from 0 to 1 in each pixel."""
        kept = 1 - share
        for plane, value in zip(self.colour, colour):
            plane *= kept
            plane += share * np.float32(value)

    def noise(self, kind: str, rng: random.Random) -> np.ndarray:
        """Draw noise of mean 0 and deviation 1, its grain as `NOISES` says."""
        size = self.size
        row = int(rng.random() * size)
        column = int(rng.random() * size)
        return _wide_noise(kind, size)[row : row + size, column : column + size]

    def lines(self, strokes: Sequence[Sequence[Point]], width: float) -> np.ndarray:
        """Draw strokes, given by points in body units, as a share from 0 to 1 in each pixel.

        `width` is in pixels of a 96-pixel image. They are drawn twice as large, then halved.
        """
        mask = Image.new("L", (2 * self.size, 2 * self.size))
        pen = ImageDraw.Draw(mask)
        thick = max(1, round(2 * width * self.size / WIDTH))
        for stroke in strokes:
            pixels = [self.to_pixels(x, y) for x, y in stroke]
            pen.line([(2 * column, 2 * row) for column, row in pixels], fill=255, width=thick)
        return np.asarray(mask.reduce(2), np.float32) / 255


@lru_cache(maxsize=16)
def _wide_noise(kind: str, size: int) -> np.ndarray:
    """Compute noise twice as wide as an image, of which every image cuts its own piece.

    It repeats without a seam.
    """
    wide = 2 * size
    white = np.random.default_rng(list(kind.encode())).standard_normal((wide, wide))
    per_pixel = np.hypot(np.fft.fftfreq(wide)[:, None], np.fft.fftfreq(wide)[None])
    frequency = per_pixel * NOISES[kind] * size / WIDTH
    band = np.exp(-((frequency - 0.5) ** 2) * 12)
    noise = np.fft.ifft2(np.fft.fft2(white) * band).real
    return ((noise - noise.mean()) / noise.std()).astype(np.float32)


def along(
    scene: Scene, x0: float, y0: float, r0: float, x1: float, y1: float, r1: float
) -> np.ndarray:
    """Measure, in units, how deep each pixel lies in a limb that tapers from r0 to r1.

    Negative outside. The limb goes from (x0, y0) to (x1, y1).
    """
    x, y = scene.x - x0, scene.y - y0
    width, height = x1 - x0, y1 - y0
    share = np.clip((x * width + y * height) / (width * width + height * height or 1), 0, 1)
    x, y = x - share * width, y - share * height
    return r0 + (r1 - r0) * share * share * (3 - 2 * share) - np.sqrt(x * x + y * y)


@dataclass
class Lesions:
    """Lesions of one kind as fields: at every pixel, its place in the nearest lesion."""

    rho: np.ndarray  # distance from the lesion's centre, 1 on its edge
    u: np.ndarray  # the same by direction, right and down
    v: np.ndarray
    pixels: np.ndarray  # the lesion's radius in pixels
    centres: np.ndarray  # number x 2, in units
    radii: np.ndarray  # number, in units
    cover: np.ndarray | float = 1.0  # how much surface there is: little in the middle of a ring
    strength: float = 1.0  # of the mark that is painted now

    def disc(self, at: float = 1.0, soft: float | np.ndarray = 1.5) -> np.ndarray:
        """Return the share (0 to 1) within `at` of the radius; the edge is `soft` pixels wide."""
        return np.clip((at - self.rho) * self.pixels / soft + 0.5, 0, 1)

    def ring(self, at: float, width: float) -> np.ndarray:
        """Return a share (0 to 1) that is highest `at` of the radius and falls off by `width`."""
        return np.exp(((self.rho - at) / width) ** 2 * -1.0)


def make_lesions(
    scene: Scene, centres: np.ndarray, radii: np.ndarray, rng: random.Random, *, ragged: float
) -> Lesions:
    """Compute the fields of some lesions: ovals of any direction, uneven by a share `ragged`."""
    x, y = scene.x, scene.y
    squares = _squared_distances(x, y, centres, radii, rng)
    flat_nearest = squares.argmin(0)
    smallest = squares[flat_nearest, np.arange(flat_nearest.size)]
    rho = np.sqrt(np.maximum(smallest, 0)).reshape(x.shape)
    nearest = flat_nearest.reshape(x.shape)
    if ragged:
        large = float(radii.mean()) * scene.unit * WIDTH / scene.size > 6
        unevenness = scene.noise("coarse" if large else "middle", rng)
        rho = rho * (1 + ragged * np.clip(unevenness, -1.7, 1.7))
    cx, cy = centres.T
    return Lesions(
        rho=rho,
        u=(x - cx[nearest]) / radii[nearest],
        v=(y - cy[nearest]) / radii[nearest],
        pixels=radii[nearest] * scene.unit,
        centres=centres,
        radii=radii,
    )


def _squared_distances(
    x: np.ndarray, y: np.ndarray, centres: np.ndarray, radii: np.ndarray, rng: random.Random
) -> np.ndarray:
    """Compute each pixel's squared distance from each lesion's centre, 1 on its edge.

    Returns: (lesions, pixels).
    """
    turns = np.array([rng.uniform(0, math.pi) for _ in radii], np.float32)
    flat = np.array([rng.uniform(1.0, 1.45) for _ in radii], np.float32)
    # Each oval as a quadratic form of (x, y): one matrix product serves all lesions and pixels.
    cos, sin = np.cos(turns), np.sin(turns)
    cx, cy = centres.T
    a = (cos**2 + flat * sin**2) / radii**2
    b = (1 - flat) * cos * sin / radii**2
    c = (sin**2 + flat * cos**2) / radii**2
    linear_x = -2 * (a * cx + b * cy)
    linear_y = -2 * (b * cx + c * cy)
    constant = a * cx**2 + 2 * b * cx * cy + c * cy**2
    forms = np.stack([a, 2 * b, c, linear_x, linear_y, constant], 1)
    return forms @ np.stack([x * x, x * y, y * y, x, y, np.ones_like(x)]).reshape(6, -1)
