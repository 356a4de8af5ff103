"""Tools that paint on the lesions of a scene: areas, spots, strokes and nets.

Each draws from `rng` in a fixed order, and its strength is that of the lesions' current mark.
"""

import math
import random

import numpy as np

from helpers.pocket.canvas import COLOURS, DARKNESS, Lesions, Point, Scene, make_lesions

# Paints at most this many of the lesions, so that many small ones cost no more than a few.
MOST_WITH_SPOTS = 5
MOST_WITH_STROKES = 4


def tint(name: str, scene: Scene) -> np.ndarray:
    """Return a colour as it looks on this skin, in the light of day."""
    pale, dark = np.array(COLOURS[name], np.float32)
    return pale + DARKNESS[scene.tone] * (dark - pale)


def make_nearby(
    scene: Scene,
    lesions: Lesions,
    rng: random.Random,
    *,
    count: int,
    size: tuple[float, float],
    far: tuple[float, float],
    most: float = 9,
) -> Lesions:
    """Place small things on or around the lesions.

    `size` and distance `far` are ranges in shares of a lesion's radius; `most` is the largest
    radius in units.
    """
    centres, radii = [], []
    for _ in range(count):
        which = rng.randrange(len(lesions.radii))
        angle = rng.uniform(0, 2 * math.pi)
        distance = rng.uniform(*far)
        (x, y), radius = lesions.centres[which], lesions.radii[which]
        across, down = math.cos(angle), math.sin(angle)
        centres.append((x + radius * distance * across, y + radius * distance * down))
        radii.append(min(max(0.9, radius * rng.uniform(*size)), most))
    return make_lesions(
        scene, np.array(centres, np.float32), np.array(radii, np.float32), rng, ragged=0.08
    )


def paint_area(
    scene: Scene,
    lesions: Lesions,
    rng: random.Random,
    *,
    at: float = 1.0,
    start: float = 0.0,
    soft: float = 2.0,
    colour: str = "",
    share: float = 0.7,
    lift: float = 0.0,
    gloss: float = 0.0,
    grain: str = "",
    over: float = 0.0,
) -> None:
    """Paint a disc, or a ring from `start`, on every lesion.

    With `grain` (one of `canvas.NOISES`), only where that noise is above `over`.
    """
    shape = lesions.disc(at, soft)
    if start:
        shape = shape - lesions.disc(start, soft)
    if grain:
        grains = np.clip((scene.noise(grain, rng) - over) * 1.6, 0, 1)
        shape = shape * grains * lesions.cover
    if colour:
        scene.paint(shape * scene.inside * (share * lesions.strength), tint(colour, scene))
    if lift:
        scene.height += lift * lesions.strength * shape
    if gloss:
        scene.gloss += gloss * lesions.strength * shape * scene.inside


def paint_spots(
    scene: Scene,
    lesions: Lesions,
    rng: random.Random,
    *,
    count: int,
    size: tuple[float, float],
    far: tuple[float, float] = (0, 0.7),
    most: float = 3.0,
    dome: bool = False,
    at: float = 1.0,
    colour: str = "",
    share: float = 0.7,
    lift: float = 0.0,
    gloss: float = 0.0,
) -> None:
    """Paint small round things on or around the lesions, about `count` for each of the first few.

    The other arguments are those of `make_nearby` and `paint_area`; a `dome` stands out by itself.
    """
    count *= min(len(lesions.radii), MOST_WITH_SPOTS)
    spots = make_nearby(scene, lesions, rng, count=count, size=size, far=far, most=most)
    if dome:
        scene.height += 0.6 * spots.pixels / scene.unit * np.sqrt(np.maximum(1 - spots.rho**2, 0))
    spots.strength = lesions.strength
    paint_area(scene, spots, rng, at=at, colour=colour, share=share, lift=lift, gloss=gloss)


def paint_strokes(
    scene: Scene,
    lesions: Lesions,
    rng: random.Random,
    *,
    count: int,
    length: float,
    bend: float,
    colour: str,
    width: float = 1.0,
    share: float = 0.85,
    lift: float = 0.0,
    across: float = 0.6,
    least: float = 0.0,
) -> None:
    """Paint lines over the lesions.

    `length` and offset `across` are in radii, `least` is the shortest length in units.
    """
    lean = rng.uniform(0, math.pi)
    strokes = []
    some = min(len(lesions.radii), MOST_WITH_STROKES)
    for which in rng.sample(range(len(lesions.radii)), some):
        radius = lesions.radii[which]
        for _ in range(count):
            angle = lean + rng.gauss(0, 0.25) if bend < 0.2 else rng.uniform(0, 2 * math.pi)
            step = max(length * radius, least) / 6
            x, y = (
                value + rng.uniform(-across, across) * radius for value in lesions.centres[which]
            )
            strokes.append(_bent_stroke((x, y), angle, step, bend, rng))
    shape = scene.lines(strokes, width) * scene.inside
    scene.paint(shape * (share * lesions.strength), tint(colour, scene))
    scene.height += lift * shape


def _bent_stroke(
    middle: Point, angle: float, step: float, bend: float, rng: random.Random
) -> list[Point]:
    """Draw seven points from three steps before the middle, turning by up to `bend` each time."""
    x = middle[0] - 3 * step * math.cos(angle)
    y = middle[1] - 3 * step * math.sin(angle)
    stroke = []
    for _ in range(7):
        stroke.append((x, y))
        angle += rng.uniform(-bend, bend)
        x, y = x + step * math.cos(angle), y + step * math.sin(angle)
    return stroke


def paint_net(scene: Scene, lesions: Lesions, rng: random.Random, *, kind: str) -> None:
    """Cover the lesions with the "cracks" of dry skin or the coarse "furrows" of rubbed skin."""
    if kind == "furrows":
        _paint_furrows(scene, lesions, rng)
        return
    within = lesions.disc(1.15, 3) * scene.inside
    lines = np.clip(1 - np.abs(scene.noise("middle", rng)) * 3.2, 0, 1)
    scene.paint(0.65 * lesions.strength * lines * within, tint("white", scene))
    scene.height += 0.4 * lines * within


def _paint_furrows(scene: Scene, lesions: Lesions, rng: random.Random) -> None:
    within = lesions.disc(1, 3) * scene.inside
    turn, pitch = rng.uniform(0, math.pi), 2.1
    lines = np.zeros_like(scene.x)
    for way in (0, 1.2):
        along = scene.x * math.cos(turn + way) + scene.y * math.sin(turn + way)
        wave = np.sin(along * pitch + 0.5 * scene.noise("middle", rng))
        lines = lines + np.maximum(wave, 0) ** 3
    scene.height -= 0.9 * lesions.strength * lines * within
    scene.paint(0.65 * lesions.strength * np.minimum(lines, 1) * within, tint("brown", scene))
