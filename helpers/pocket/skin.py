"""The skin around the lesions of the pocket clinic: body sites, skin tones, hair, light, camera.

Units and arrays are those of `pocket.canvas`.
"""

import math
import random
from collections.abc import Sequence
from functools import lru_cache
from typing import TypedDict

import numpy as np
from PIL import Image, ImageFilter

from helpers.pocket.canvas import SKIN, WIDTH, Point, Scene, along
from helpers.pocket.sites import SITES, Feature, Site

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
# Colours of hair that lies in front of the camera.
HAIRS = ((40, 28, 22), (70, 48, 30), (24, 20, 20))


class View(TypedDict):
    """How an image was taken."""

    distance: str  # "close", "middle" or "far"
    light: str  # "bright", "even" or "dim"
    sharpness: str  # "sharp" or "blurred"
    hair: bool  # whether hair lies in front


def view(seed: int) -> View:
    """Draw how the image of this seed was taken."""
    rng = random.Random(f"view/{seed}")
    return {
        "distance": rng.choices(("close", "middle", "far"), (25, 55, 20))[0],
        "light": rng.choices(("bright", "even", "dim"), (18, 62, 20))[0],
        "sharpness": rng.choices(("sharp", "blurred"), (80, 20))[0],
        "hair": rng.random() < 0.2,
    }


def bare_skin(site: str, *, skin_tone: int, size: int, seed: int) -> Scene:
    """Paint a body site before a backdrop, without lesions; an unknown site is plain skin."""
    rng = random.Random(f"skin/{seed}")
    place = SITES.get(site, SITES[""])
    zoom = ZOOMS[view(seed)["distance"]] * rng.uniform(0.93, 1.07)
    scene = _point_camera(place, zoom, size, skin_tone, rng)
    scene.depth = _depth(scene, place)
    scene.inside = np.clip(scene.depth * scene.unit + 0.5, 0, 1)
    # Limbs are round: towards their edge the surface turns away.
    scene.height = 7 - 7 * np.exp(np.maximum(scene.depth, 0) * -0.12)
    scene.gloss = np.full_like(scene.x, 0.05)
    scene.colour = np.empty((3, size, size), np.float32)
    scene.colour[:] = scene.skin[:, None, None]
    blush = scene.noise("coarse", rng)
    scene.colour *= 1 + 0.014 * blush + 0.01 * scene.noise("fine", rng)
    for feature in place.marks:
        if feature[0] != "cover":
            _paint_feature(scene, feature)
    cloth = np.array(rng.choice(BACKDROPS), np.float32) * rng.uniform(0.9, 1.1)
    scene.paint(1 - scene.inside, cloth)
    return scene


def photograph(scene: Scene, site: str, seed: int) -> Image.Image:
    """Light the relief, lay hair over it, and take the image."""
    rng, seen = random.Random(f"camera/{seed}"), view(seed)
    _shine(scene)
    place = SITES.get(site, SITES[""])
    if place.strands:
        _grow_hair(scene, place, rng)
    if seen["hair"]:
        length = 30 / scene.unit * scene.size / WIDTH
        strokes = [_strand(rng, length) for _ in range(rng.randint(5, 11))]
        scene.paint(scene.lines(strokes, 0.6) * 0.75, rng.choice(HAIRS))
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
    """Compute pixel centres from the middle of the image, in units at middle distance."""
    line = ((np.arange(size, dtype=np.float32) + 0.5) / size - 0.5) * WIDTH
    return np.broadcast_to(line, (size, size)), np.broadcast_to(line[:, None], (size, size))


def _point_camera(place: Site, zoom: float, size: int, tone: int, rng: random.Random) -> Scene:
    """Point the camera at the site, on the lesions' area if near, on the whole part if far."""
    turn = math.radians(rng.uniform(-place.turn, place.turn))
    aim = min(1, max(0, (zoom - 0.7) / 0.5))
    middle = [place.area[axis] * aim + rng.uniform(-4, 4) for axis in (0, 1)]
    side = rng.choice((-1, 1))  # a left arm or a right one

    def to_pixels(x: float, y: float) -> Point:
        x, y = (x - middle[0]) * side * zoom, (y - middle[1]) * zoom
        turned_x = x * math.cos(turn) + y * math.sin(turn)
        turned_y = y * math.cos(turn) - x * math.sin(turn)
        return (turned_x / WIDTH + 0.5) * size, (turned_y / WIDTH + 0.5) * size

    across, down = _grid(size)
    cos, sin = math.cos(turn) / zoom, math.sin(turn) / zoom
    angle = rng.uniform(-2.6, -1.0)
    skin = np.array(SKIN[tone], np.float32) * rng.uniform(0.95, 1.05)
    shift = np.array([0, rng.uniform(-4, 4), rng.uniform(-6, 6)], np.float32)
    return Scene(
        size=size,
        unit=size / WIDTH * zoom,
        tone=tone,
        skin=skin + shift,
        light=(math.cos(angle), math.sin(angle)),
        x=side * (across * cos - down * sin) + middle[0],
        y=across * sin + down * cos + middle[1],
        to_pixels=to_pixels,
    )


def _depth(scene: Scene, place: Site) -> np.ndarray:
    """Measure how deep each pixel lies in the silhouette, less what cloth covers."""
    limbs = [along(scene, *part) for part in place.parts]
    depth = np.maximum.reduce(limbs) if limbs else np.full_like(scene.x, 48)
    for kind, x0, y0, r0, x1, y1, r1, _ in place.marks:
        if kind == "cover":
            depth = np.minimum(depth, -along(scene, x0, y0, r0, x1, y1, r1))
    return depth


def _paint_feature(scene: Scene, feature: Feature) -> None:
    """Paint one of a site's features, see `Site`."""
    kind, x0, y0, r0, x1, y1, r1, strength = feature
    if kind in ("bump", "crease"):
        _raise_feature(scene, feature)
        return
    within = along(scene, x0, y0, r0, x1, y1, r1)
    scene.paint(np.clip(within * scene.unit * 0.7 + 0.5, 0, 1) * strength, tints(scene)[kind])


def _raise_feature(scene: Scene, feature: Feature) -> None:
    """Raise a bump, or sink a crease."""
    kind, x0, y0, r0, x1, y1, r1, strength = feature
    thick = max(r0, r1)
    if abs(x1 - x0) + abs(y1 - y0) > 2 * thick:
        # Thickest in the middle and thin at both ends, or it would look like a stick.
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        first_half = along(scene, x0, y0, 0.45 * thick, x, y, thick)
        second_half = along(scene, x1, y1, 0.45 * thick, x, y, thick)
        within = np.maximum(first_half, second_half)
    else:
        within = along(scene, x0, y0, r0, x1, y1, r1)
    relief = np.exp(np.minimum(within / thick - 1, 0) ** 2 * -1.2)
    scene.height += relief * (strength if kind == "bump" else -0.3 * strength)
    if kind == "crease":
        scene.colour *= 1 - np.minimum(0.05 * strength * relief, 0.3)


def tints(scene: Scene) -> dict[str, np.ndarray | tuple[float, float, float]]:
    """Return the colours of what is on a body besides plain skin, for the scene's tone."""
    return {
        "dark": scene.skin * 0.2,
        "hair": (44, 32, 26),
        "white": (236, 232, 228),
        "spot": scene.skin * (0.72, 0.56, 0.54),
        "lips": scene.skin * (0.92, 0.62, 0.64),
        "nail": scene.skin * 0.72 + np.array([76, 62, 60], np.float32),
    }


def _shine(scene: Scene) -> None:
    """Brighten what faces the light, darken what turns away, and let glossy places glint."""
    tall = scene.height * scene.unit
    right, low = scene.light
    across, down = np.zeros_like(tall), np.zeros_like(tall)
    across[:, 1:-1] = (tall[:, 2:] - tall[:, :-2]) / 2
    down[1:-1] = (tall[2:] - tall[:-2]) / 2
    shade = 1 - 0.4 * np.tanh(0.9 * (across * right + down * low)) * scene.inside
    mirrored = np.exp(((across + 0.5 * right) ** 2 + (down + 0.5 * low) ** 2) * -9)
    glint = mirrored * scene.gloss * scene.inside
    scene.colour *= shade
    scene.paint(np.minimum(glint, 1), (255, 252, 248))


def _grow_hair(scene: Scene, place: Site, rng: random.Random) -> None:
    """Paint the hair that grows on the site, parted in the middle, where the lesions are."""
    middle_x, middle_y, half_width, half_height = place.area
    dense = place.strands > 50
    strokes = []
    for _ in range(place.strands):
        angle = rng.uniform(0, 2 * math.pi)
        far = rng.uniform(0, 2.4) if dense else rng.uniform(0.1, 0.8)
        x = middle_x + half_width * far * math.cos(angle)
        y = middle_y + half_height * far * math.sin(angle)
        strokes.append(_grown_strand(x, y, angle + rng.uniform(-0.5, 0.5)))
    if dense:
        from_middle = np.hypot(
            (scene.x - middle_x) / half_width, (scene.y - middle_y) / half_height
        )
        share = np.clip(0.45 + (from_middle - 1) * 0.7, 0.15, 0.88)
        scene.paint(share * scene.inside, (52, 38, 30))
    scene.paint(scene.lines(strokes, 0.8) * 0.8 * np.clip(scene.inside, 0.3, 1), (34, 26, 22))


def _grown_strand(x: float, y: float, lean: float) -> Sequence[Point]:
    return [
        (x, y),
        (x + 7 * math.cos(lean), y + 7 * math.sin(lean)),
        (x + 13 * math.cos(lean + 0.2), y + 13 * math.sin(lean + 0.2)),
    ]


def _strand(rng: random.Random, length: float) -> Sequence[Point]:
    """Draw a hair of four bent pieces, anywhere in the image."""
    x, y = rng.uniform(-46, 46), rng.uniform(-46, 46)
    angle = rng.uniform(0, 2 * math.pi)
    stroke = [(x, y)]
    for _ in range(4):
        angle += rng.uniform(-0.4, 0.4)
        x, y = x + length / 4 * math.cos(angle), y + length / 4 * math.sin(angle)
        stroke.append((x, y))
    return stroke


def _exposure(scene: Scene, light: str, rng: random.Random) -> np.ndarray:
    """Draw brightness and tint of the light: a slope across the image, and a flash if bright."""
    across, down = _grid(scene.size)
    slope = rng.uniform(0, 0.0022)
    turn = rng.uniform(0, 2 * math.pi)
    warmth = rng.gauss(0, 0.045)
    level = rng.uniform(*LIGHTS[light])
    bright = level + across * slope * math.cos(turn) + down * slope * math.sin(turn)
    if light == "bright":
        x, y = rng.uniform(-20, 20), rng.uniform(-20, 20)
        bright = bright + 0.12 * np.exp(((across - x) ** 2 + (down - y) ** 2) * -0.0016)
    return bright * np.array([1 + warmth, 1, 1 - warmth], np.float32)[:, None, None]
