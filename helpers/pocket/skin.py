"""The skin under the lesions of the pocket clinic: body sites, skin tones, hair, light and camera.

Units and arrays are those of `pocket.canvas`.
"""

import math
import random
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageFilter

from helpers.pocket.canvas import SKIN, WIDTH, Scene, along

BACKDROPS = (
    (84, 116, 146),
    (104, 142, 126),
    (206, 208, 206),
    (58, 64, 76),
    (142, 132, 168),
    (150, 178, 196),
)
ZOOMS = {"close": 1.4, "middle": 1.0, "far": 0.76}
LIGHTS = {"bright": (1.06, 1.16), "even": (0.93, 1.03), "dim": (0.58, 0.74)}


@dataclass(frozen=True)
class Site:
    """A part of the body as simple shapes.

    `parts` are tapering limbs (x0, y0, radius0, x1, y1, radius1) that together make the silhouette;
    none: the skin fills the image. `marks` are features (kind, x0, y0, radius0, x1, y1, radius1,
    strength) along a line: "bump" and "crease" are relief, "cover" is cloth, and all other kinds
    are a colour of `_tints`. `area` is where lesions may lie (x, y, half width, half height),
    `turn` by how many degrees the camera may be held askew.
    """

    area: tuple
    parts: tuple = ()
    marks: tuple = ()
    turn: int = 15
    strands: int = 0


def _both(kind, x0, y0, r0, x1, y1, r1, strength) -> tuple:
    """A feature and its mirror image on the other side of the body."""
    return (kind, x0, y0, r0, x1, y1, r1, strength), (kind, -x0, y0, r0, -x1, y1, r1, strength)


SITES = {
    "": Site((0, 0, 36, 36), turn=180),
    "abdomen": Site(
        (0, -2, 34, 30),
        (),
        (
            ("crease", 0, 20, 6, 0, 21, 5, 7),
            ("dark", 0, 20, 2, 0, 22, 1.5, 0.7),
            ("crease", 0, -60, 5, 0, 12, 4, 1),
            *_both("bump", 40, -60, 16, 34, 60, 14, -5),
        ),
    ),
    "ankle": Site(
        (0, -5, 12, 24),
        ((0, -70, 22, 0, 2, 16), (0, 2, 16, 2, 26, 18), (0, 30, 15, 50, 38, 9)),
        (("bump", -2, 10, 7, -2, 11, 6, 5), ("crease", -12, -50, 3, -10, 14, 3, 2)),
    ),
    "armpit": Site(
        (0, 4, 20, 18),
        ((-70, -46, 36, 8, 8, 44), (8, 8, 44, 16, 90, 50)),
        (("crease", -20, 26, 3, 8, -14, 3, 5), ("crease", -8, 30, 3, 16, 2, 2, 3)),
        strands=26,
    ),
    "back": Site(
        (0, 2, 36, 34),
        (),
        (
            ("crease", 0, -60, 5, 0, 60, 4, 3.5),
            *_both("bump", 30, -26, 9, 20, 8, 7, 3.5),
            *_both("crease", 18, 10, 4, 30, 20, 3, 1.5),
        ),
    ),
    "buttock": Site(
        (0, 6, 32, 26),
        (),
        (
            *_both("bump", 24, 10, 24, 24, 16, 22, 11),
            ("dark", 0, -8, 0.6, 0, 60, 1.6, 0.5),
            ("crease", 0, -14, 3, 0, 60, 3, 4),
        ),
    ),
    "cheek": Site(
        (-4, 4, 25, 24),
        ((22, -20, 62, 22, 26, 56),),
        (
            ("bump", 46, -30, 9, 42, 12, 11, 9),
            ("dark", 38, 17, 1.5, 42, 18, 2, 0.7),
            ("white", 20, -34, 1, 44, -35, 4, 0.8),
            ("dark", 18, -35, 0.6, 46, -39, 1.3, 0.8),
            ("lips", 24, 38, 1, 56, 37, 5, 0.8),
            ("crease", 32, 16, 3, 22, 40, 2, 2),
        ),
    ),
    "chest": Site(
        (0, 2, 35, 30),
        (),
        (
            ("spot", 28, 26, 5.5, 28, 27, 5.5, 0.55),
            ("bump", 28, 26, 2, 28, 26, 2, 1.5),
            ("crease", -26, -40, 6, -26, 60, 5, 3),
            ("bump", -18, -37, 4, 52, -45, 4, 3),
            ("bump", -34, -37, 4, -60, -42, 4, 3),
            ("crease", -8, 42, 5, 50, 40, 5, 2),
        ),
    ),
    "elbow": Site(
        (4, 4, 15, 14),
        ((-64, -40, 23, 8, 6, 20), (8, 6, 20, -50, 64, 17)),
        (
            ("bump", 12, 6, 8, 12, 7, 7, 3),
            ("crease", 2, -6, 1, 9, 16, 1, 1.5),
            ("crease", 8, -7, 1, 15, 14, 1, 1.5),
            ("crease", -22, 8, 2, -4, 6, 1, 2),
        ),
        turn=40,
    ),
    "face": Site(
        (0, 8, 23, 22),
        ((0, -8, 35, 0, 18, 27), (0, 34, 17, 0, 90, 20)),
        (
            ("hair", -22, -42, 13, 22, -42, 13, 0.9),
            *_both("hair", 36, -40, 8, 36, -6, 3, 0.9),
            *_both("white", 10, -6, 1.8, 17, -6, 1.6, 0.9),
            *_both("dark", 13.5, -6, 1.8, 13.5, -6, 1.8, 0.95),
            *_both("hair", 8, -13, 1, 20, -13, 0.6, 0.7),
            ("bump", 0, -6, 3, 0, 10, 5, 4),
            *_both("dark", 3.2, 14, 1, 3, 14, 1, 0.6),
            ("lips", -9, 26, 1.5, 9, 26, 1.5, 0.8),
            ("dark", -9, 26, 0.3, 9, 26, 0.3, 0.6),
        ),
    ),
    "finger": Site(
        (-12, 0, 25, 10),
        ((-80, 0, 18, 30, 0, 15),),
        (
            ("nail", 34, 0, 8.5, 37, 0, 8, 0.85),
            ("crease", -24, -8, 1, -23, 9, 1, 2.5),
            ("crease", -28, -6, 1, -28, 7, 1, 2),
            ("crease", 8, -7, 1, 8, 7, 1, 2.5),
            ("bump", -25, 0, 9, -25, 0, 9, 2),
        ),
        turn=60,
    ),
    "foot": Site(
        (1, 6, 13, 22),
        (
            (0, 46, 16, 2, -8, 20),
            (-13, -10, 8, -15, -31, 7.5),
            (-4, -12, 5.5, -4, -31, 4.8),
            (5, -12, 5, 6, -29, 4.5),
            (13, -9, 5, 14, -25, 4.2),
            (19, -5, 4.5, 21, -19, 4),
        ),
        (
            ("nail", -15, -34, 3, -15, -35, 3, 0.8),
            ("nail", -4, -33, 2, -4, -33, 2, 0.8),
            ("nail", 6, -31, 1.6, 6, -31, 1.6, 0.8),
        ),
        turn=25,
    ),
    "forearm": Site(
        (0, 0, 34, 15), ((-70, 0, 27, 70, 0, 19),), (("bump", -70, -5, 8, 40, -3, 4, 2.5),), turn=50
    ),
    "groin": Site(
        (0, -16, 32, 15),
        (),
        (
            *_both("crease", 46, -24, 3, 8, 44, 3, 5),
            ("cover", 0, 30, 9, 0, 100, 62, 1),
            ("bump", 0, -8, 22, 0, -2, 20, 5),
        ),
    ),
    "hand": Site(
        (0, 12, 16, 17),
        (
            (0, 10, 20, 0, 22, 19),
            (0, 24, 16, 0, 90, 15),
            (-15, 2, 5.8, -20, -25, 5),
            (-6, -6, 6.2, -7, -36, 5.2),
            (4, -6, 6.2, 5, -37, 5.2),
            (13, -2, 5.8, 17, -29, 4.8),
            (14, 20, 8, 35, -1, 5.6),
        ),
        (
            *(
                ("nail", x, y, 2.2, x, y - 2, 2.2, 0.8)
                for x, y in ((-20, -26), (-7, -36), (5, -38), (17, -29))
            ),
            *(("bump", x, -4, 4, x, -3, 4, 2) for x in (-14, -6, 4, 12)),
        ),
        turn=25,
    ),
    "knee": Site(
        (0, 0, 22, 19),
        ((-70, 0, 36, 0, 0, 29), (0, 0, 29, 70, 0, 25)),
        (
            ("bump", -2, 0, 13, 2, 0, 13, 7),
            ("crease", -16, -14, 2, -18, 14, 2, 2.5),
            ("crease", 16, -12, 2, 17, 12, 2, 2.5),
        ),
        turn=40,
    ),
    "lip": Site(
        (0, 0, 24, 12),
        (),
        (
            ("lips", -27, 0, 1.5, -6, -5, 6, 0.85),
            ("lips", 27, 0, 1.5, 6, -5, 6, 0.85),
            *_both("lips", 25, 3, 1.5, 0, 6, 8.5, 0.85),
            ("dark", -29, 0, 0.5, 29, 0, 0.5, 0.7),
            ("bump", -14, 7, 5, 14, 7, 5, 3),
            *_both("dark", 9, -43, 3, 7, -44, 3, 0.7),
            ("crease", 0, -32, 3, 0, -14, 3, 2.5),
            ("crease", -13, 26, 3, 13, 26, 3, 3),
            *_both("crease", 34, -30, 2, 38, 20, 2, 2.5),
        ),
    ),
    "lower leg": Site(
        (0, 0, 32, 17),
        ((-80, 2, 22, -16, 0, 31), (-16, 0, 31, 80, 0, 15)),
        (("bump", -60, -12, 6, 60, -5, 4, 3),),
        turn=50,
    ),
    "neck": Site(
        (0, 6, 19, 22),
        ((0, -60, 25, 0, 60, 26), (-12, -68, 38, 12, -68, 38), (-70, 70, 26, 70, 70, 26)),
        (
            ("crease", -26, -30, 6, 26, -30, 6, 5),
            ("crease", -22, -1, 1, 22, 2, 1, 1.5),
            ("crease", -22, 15, 1, 22, 18, 1, 1.5),
            *_both("bump", 20, -30, 4, 5, 46, 3, 2.5),
        ),
    ),
    "nose": Site(
        (0, 4, 24, 20),
        (),
        (
            ("bump", 0, -60, 9, 0, 2, 9, 7),
            ("bump", 0, 13, 12, 0, 14, 11, 8),
            *_both("bump", 15, 17, 6, 15, 18, 6, 5),
            *_both("dark", 7, 27, 2.6, 9, 26, 2, 0.8),
            *_both("crease", 23, 10, 3, 36, 46, 2, 3),
            ("lips", -24, 50, 4, 24, 50, 4, 0.8),
            *_both("dark", 30, -37, 0.7, 52, -39, 1.5, 0.8),
        ),
    ),
    "scalp": Site((0, 4, 28, 24), ((0, 26, 66, 0, 40, 66),), (), turn=30, strands=150),
    "shoulder": Site(
        (-8, 14, 26, 20),
        ((-16, 34, 54, -16, 60, 56), (14, 28, 32, 34, 90, 30), (-60, -10, 22, -30, 0, 26)),
        (("bump", -60, 2, 4, -6, 4, 4, 3.5), ("crease", 8, 40, 4, 14, 70, 3, 4)),
    ),
    "thigh": Site(
        (0, 0, 34, 25),
        ((-70, 0, 42, 70, 0, 34),),
        (("crease", -60, 14, 8, 60, 10, 6, 2.5),),
        turn=50,
    ),
    "upper arm": Site(
        (0, 0, 34, 18), ((-70, 6, 31, 70, 0, 24),), (("bump", -16, -5, 13, 12, -5, 12, 5),), turn=50
    ),
    "wrist": Site(
        (-8, 0, 24, 13),
        ((-70, 0, 25, 2, 0, 19), (2, 0, 19, 34, 0, 29), (34, 0, 29, 90, 0, 32)),
        (
            ("crease", 4, -17, 1, 5, 17, 1, 3),
            ("crease", 9, -18, 1, 9, 18, 1, 2),
            ("bump", -60, -4, 2.5, 0, -3, 2, 2.5),
            ("bump", -60, 4, 2.5, 0, 3, 2, 2.5),
            ("crease", 20, 22, 2, 46, 4, 2, 3),
        ),
        turn=40,
    ),
}


def view(seed: int) -> dict:
    """How the image of this seed was taken: distance, light, sharpness, and whether hair lies in
    front.
    """
    rng = random.Random(f"view/{seed}")
    return {
        "distance": rng.choices(("close", "middle", "far"), (25, 55, 20))[0],
        "light": rng.choices(("bright", "even", "dim"), (18, 62, 20))[0],
        "sharpness": rng.choices(("sharp", "blurred"), (80, 20))[0],
        "hair": rng.random() < 0.2,
    }


def bare_skin(site: str, *, skin_tone: int, size: int, seed: int) -> Scene:
    """The body site before a backdrop, without lesions; a site that is not known is plain skin."""
    rng, seen, place = random.Random(f"skin/{seed}"), view(seed), SITES.get(site, SITES[""])
    scene = _camera(place, ZOOMS[seen["distance"]] * rng.uniform(0.93, 1.07), size, skin_tone, rng)
    depth = [along(scene, *part) for part in place.parts]
    scene.depth = np.maximum.reduce(depth) if depth else np.full_like(scene.x, 48)
    for mark in place.marks:
        if mark[0] == "cover":
            scene.depth = np.minimum(scene.depth, -along(scene, *mark[1:7]))
    scene.inside = np.clip(scene.depth * scene.unit + 0.5, 0, 1)
    # Limbs are round: towards their edge the surface turns away.
    scene.height = 7 - 7 * np.exp(np.maximum(scene.depth, 0) * -0.12)
    scene.gloss = np.full_like(scene.x, 0.05)
    scene.colour = np.empty((3, size, size), np.float32)
    scene.colour[:] = scene.skin[:, None, None]
    blush = scene.noise("coarse", rng)
    scene.colour *= 1 + 0.014 * blush + 0.01 * scene.noise("fine", rng)
    for mark in place.marks:
        if mark[0] != "cover":
            _feature(scene, *mark)
    cloth = np.array(rng.choice(BACKDROPS), np.float32) * rng.uniform(0.9, 1.1)
    scene.paint(1 - scene.inside, cloth)
    return scene


def photograph(scene: Scene, site: str, seed: int) -> Image.Image:
    """Light the relief, lay hair over it, and take the image."""
    rng, seen = random.Random(f"camera/{seed}"), view(seed)
    _shine(scene)
    place = SITES.get(site, SITES[""])
    if place.strands:
        _growth(scene, place, rng)
    if seen["hair"]:
        strokes = [
            _strand(rng, 30 / scene.unit * scene.size / WIDTH) for _ in range(rng.randint(5, 11))
        ]
        scene.paint(
            scene.lines(strokes, 0.6) * 0.75, rng.choice(((40, 28, 22), (70, 48, 30), (24, 20, 20)))
        )
    pixels = scene.colour * _exposure(scene, seen["light"], rng)
    pixels += np.float32(rng.uniform(1.2, 3.5)) * scene.noise("grain", rng)
    # Very bright places lose their drawing slowly, not at once.
    pixels = np.where(pixels > 205, 205 + 0.55 * (pixels - 205), pixels)
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8).transpose(1, 2, 0).copy())
    if seen["sharpness"] == "sharp":
        return image
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.8, 1.3) * scene.size / WIDTH))


@lru_cache(maxsize=4)
def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixel centres from the middle of the image, in units at middle distance."""
    line = ((np.arange(size, dtype=np.float32) + 0.5) / size - 0.5) * WIDTH
    return np.broadcast_to(line, (size, size)), np.broadcast_to(line[:, None], (size, size))


def _camera(place: Site, zoom: float, size: int, tone: int, rng: random.Random) -> Scene:
    """Point the camera at the site: near images show the lesions' area, far ones the whole part
    of the body.
    """
    turn, aim = (
        math.radians(rng.uniform(-place.turn, place.turn)),
        min(1, max(0, (zoom - 0.7) / 0.5)),
    )
    middle = [place.area[axis] * aim + rng.uniform(-4, 4) for axis in (0, 1)]
    across, down, cos, sin = *_grid(size), math.cos(turn) / zoom, math.sin(turn) / zoom
    side = rng.choice((-1, 1))  # a left arm or a right one

    def to_pixels(x: float, y: float) -> tuple[float, float]:
        x, y = (x - middle[0]) * side * zoom, (y - middle[1]) * zoom
        turned = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
        return tuple((value / WIDTH + 0.5) * size for value in turned)

    angle = rng.uniform(-2.6, -1.0)
    skin = np.float32(SKIN[tone]) * rng.uniform(0.95, 1.05) + np.float32(
        [0, rng.uniform(-4, 4), rng.uniform(-6, 6)]
    )
    return Scene(
        size,
        size / WIDTH * zoom,
        tone,
        skin,
        (math.cos(angle), math.sin(angle)),
        side * (across * cos - down * sin) + middle[0],
        across * sin + down * cos + middle[1],
        to_pixels,
    )


def _feature(scene: Scene, kind: str, x0, y0, r0, x1, y1, r1, strength: float) -> None:
    """Draw one of a site's features, see `Site`."""
    if kind in ("bump", "crease"):
        # Thickest in the middle and running out at both ends, or it would look like a stick.
        x, y, thick = (x0 + x1) / 2, (y0 + y1) / 2, max(r0, r1)
        if abs(x1 - x0) + abs(y1 - y0) > 2 * thick:
            halves = (along(scene, *end, 0.45 * thick, x, y, thick) for end in ((x0, y0), (x1, y1)))
            within = np.maximum(*halves)
        else:
            within = along(scene, x0, y0, r0, x1, y1, r1)
        relief = np.exp(np.minimum(within / thick - 1, 0) ** 2 * -1.2)
        scene.height += relief * (strength if kind == "bump" else -0.3 * strength)
        if kind == "crease":
            scene.colour *= 1 - np.minimum(0.05 * strength * relief, 0.3)
        return
    within = along(scene, x0, y0, r0, x1, y1, r1)
    scene.paint(np.clip(within * scene.unit * 0.7 + 0.5, 0, 1) * strength, _tints(scene)[kind])


def _tints(scene: Scene) -> dict:
    """Colours of what is on a body besides plain skin, by its tone."""
    return {
        "dark": scene.skin * 0.2,
        "hair": (44, 32, 26),
        "white": (236, 232, 228),
        "spot": scene.skin * (0.72, 0.56, 0.54),
        "lips": scene.skin * (0.92, 0.62, 0.64),
        "nail": scene.skin * 0.72 + np.float32([76, 62, 60]),
    }


def _shine(scene: Scene) -> None:
    """Brighten what faces the light, darken what turns away, and let glossy places glint."""
    tall, (right, low) = scene.height * scene.unit, scene.light
    across, down = np.zeros_like(tall), np.zeros_like(tall)
    across[:, 1:-1] = (tall[:, 2:] - tall[:, :-2]) / 2
    down[1:-1] = (tall[2:] - tall[:-2]) / 2
    shade = 1 - 0.4 * np.tanh(0.9 * (across * right + down * low)) * scene.inside
    glint = (
        np.exp(((across + 0.5 * right) ** 2 + (down + 0.5 * low) ** 2) * -9)
        * scene.gloss
        * scene.inside
    )
    scene.colour *= shade
    scene.paint(np.minimum(glint, 1), (255, 252, 248))


def _growth(scene: Scene, place: Site, rng: random.Random) -> None:
    """Hair that grows on the site; around the middle, where the lesions are, it is parted."""
    area, strokes = place.area, []
    while len(strokes) < place.strands:
        angle, far = (
            rng.uniform(0, 2 * math.pi),
            rng.uniform(0, 2.4) if place.strands > 50 else rng.uniform(0.1, 0.8),
        )
        x, y = area[0] + area[2] * far * math.cos(angle), area[1] + area[3] * far * math.sin(angle)
        lean = angle + rng.uniform(-0.5, 0.5)
        strokes.append(
            [
                (x, y),
                (x + 7 * math.cos(lean), y + 7 * math.sin(lean)),
                (x + 13 * math.cos(lean + 0.2), y + 13 * math.sin(lean + 0.2)),
            ]
        )
    if place.strands > 50:
        gone = np.hypot((scene.x - area[0]) / area[2], (scene.y - area[1]) / area[3]) - 1
        scene.paint(np.clip(0.45 + gone * 0.7, 0.15, 0.88) * scene.inside, (52, 38, 30))
    scene.paint(scene.lines(strokes, 0.8) * 0.8 * np.clip(scene.inside, 0.3, 1), (34, 26, 22))


def _strand(rng: random.Random, length: float) -> list:
    x, y, angle = rng.uniform(-46, 46), rng.uniform(-46, 46), rng.uniform(0, 2 * math.pi)
    stroke = [(x, y)]
    for _ in range(4):
        angle += rng.uniform(-0.4, 0.4)
        x, y = x + length / 4 * math.cos(angle), y + length / 4 * math.sin(angle)
        stroke.append((x, y))
    return stroke


def _exposure(scene: Scene, light: str, rng: random.Random) -> np.ndarray:
    """Brightness and tint of the light: a slope across the image, and a spot where a flash was
    used.
    """
    across, down = _grid(scene.size)
    slope, turn, warmth = rng.uniform(0, 0.0022), rng.uniform(0, 2 * math.pi), rng.gauss(0, 0.045)
    bright = (
        rng.uniform(*LIGHTS[light])
        + across * slope * math.cos(turn)
        + down * slope * math.sin(turn)
    )
    if light == "bright":
        x, y = rng.uniform(-20, 20), rng.uniform(-20, 20)
        bright = bright + 0.12 * np.exp(((across - x) ** 2 + (down - y) ** 2) * -0.0016)
    return bright * np.float32([1 + warmth, 1, 1 - warmth])[:, None, None]
