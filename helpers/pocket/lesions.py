"""Images of skin for the pocket clinic, drawn from the facts that only an image tells.

Drawings, no photographs: skin with relief and light, on which primary lesion, colour, surface,
border, arrangement, number and SKINCON concepts are visible at 96 pixels, on six skin tones after
Fitzpatrick. Nothing is drawn by the name of a condition. They teach nothing about real skin.
"""

import math
import random
from collections.abc import Sequence

import numpy as np
from PIL import Image

from helpers.pocket.canvas import WIDTH, Lesions, Point, Scene, make_lesions
from helpers.pocket.conditions import Condition
from helpers.pocket.marks import MARKS
from helpers.pocket.painting import make_nearby, tint
from helpers.pocket.sites import SITES
from helpers.pocket.skin import bare_skin, photograph
from helpers.pocket.vocabulary import COLOUR_CONCEPTS, SURFACE_CONCEPTS

# Raised by hand when an image would look different: an older clinic is then drawn anew.
VERSION = 2

# Radius in units, height in units for each unit of radius (a dome's) or at all (a plateau's).
RADIUS = {
    "papule": 4.8,
    "pustule": 4.8,
    "vesicle": 3.8,
    "macule": 7.5,
    "patch": 15.0,
    "plaque": 13.0,
    "nodule": 13.5,
    "bulla": 9.0,
    "wheal": 10.5,
}
DOMES = {"papule": 0.5, "pustule": 0.5, "vesicle": 0.6, "nodule": 0.62, "bulla": 0.6}
PLATEAUS = {"plaque": 1.3, "wheal": 2.0}
GLOSS = {"shiny": 0.7, "tense": 0.85, "blistered": 0.5, "weeping": 0.5, "smooth": 0.12}
COUNTS = {"single": (1, 1), "several": (4, 6), "numerous": (13, 19)}
# Concept -> the first colour that stands for it.
COLOURS_BY_CONCEPT = {concept: colour for colour, concept in reversed(COLOUR_CONCEPTS.items())}


def draw(
    facts: Condition | dict, *, skin_tone: int, size: int = 96, seed: int, site: str = ""
) -> Image.Image:
    """Draw one square RGB image of `size` pixels: the same arguments give the same pixels.

    `facts` is what a case calls `seen` (primary, colour, surface, border, arrangement, number,
    concepts), or a condition, drawn with the first value of each of its lists. `skin_tone` is 1
    (palest) to 6 (darkest). `site` is a part of the body as patients name it; without one it is
    that of the facts, or else plain skin.
    """
    seen = typical(facts) if isinstance(facts, Condition) else facts
    site = site or seen.get("site", "")
    rng = random.Random(seed)
    scene = bare_skin(site, skin_tone=skin_tone, size=size, seed=seed)
    centres, radii = _place(seen, scene, site, rng)
    ragged = {"irregular": 0.26, "sharp": 0.07}.get(seen["border"], 0.11)
    lesions = make_lesions(scene, centres, radii, rng, ragged=ragged)
    concepts = list(seen["concepts"])
    surface = SURFACE_CONCEPTS.get(seen["surface"])
    if surface and surface not in concepts:
        concepts.append(surface)
    colour = _mix_colour(seen["colour"], scene, rng)
    _around(scene, lesions, seen, colour, concepts, seed)
    _body(scene, lesions, seen, colour, rng)
    for concept in concepts:
        if concept in MARKS:
            # A stream for each mark: one mark more or less moves no other. Fresh and fading, they
            # are strong and weak.
            stream = random.Random(f"{seed}/{concept}")
            lesions.strength = stream.uniform(0.45, 1)
            MARKS[concept](scene, lesions, stream)
    return photograph(scene, site, seed)


def typical(condition: Condition) -> dict:
    """Return what a typical image of a condition shows, in the form of a case's `seen`."""
    colour = condition.colours[0]
    others = {COLOUR_CONCEPTS[other] for other in condition.colours} - {COLOUR_CONCEPTS[colour]}
    return {
        "primary": condition.primary,
        "colour": colour,
        "surface": condition.surface,
        "border": condition.borders[0],
        "arrangement": condition.arrangements[0],
        "number": condition.numbers[0],
        "concepts": [concept for concept in condition.concepts if concept not in others],
    }


def draw_seen(condition: Condition, rng: random.Random) -> dict:
    """Draw what the images of one case show: lesion, surface, colour, and some other concepts."""
    colour = rng.choice(condition.colours)
    sure = {
        condition.primary.capitalize(),
        SURFACE_CONCEPTS.get(condition.surface),
        COLOUR_CONCEPTS[colour],
    }
    other_colours = {COLOUR_CONCEPTS[other] for other in condition.colours} - sure
    kept = [concept for concept in condition.concepts if concept in sure or rng.random() < 0.5]
    return {
        "primary": condition.primary,
        "colour": colour,
        "surface": condition.surface,
        "border": rng.choice(condition.borders),
        "arrangement": rng.choice(condition.arrangements),
        "number": rng.choice(condition.numbers),
        "skin_tone": rng.randint(1, 6),
        "concepts": [concept for concept in kept if concept not in other_colours],
    }


def _place(
    facts: dict, scene: Scene, site: str, rng: random.Random
) -> tuple[np.ndarray, np.ndarray]:
    """Place the lesions, all centres on the skin.

    Returns: centres (number x 2) and radii (number), both in body units.
    """
    middle_x, middle_y, half_width, half_height = SITES.get(site, SITES[""]).area
    count = rng.randint(*COUNTS[facts["number"]])
    # What the image shows of the area: near images show less.
    visible = 40 / (scene.unit * WIDTH / scene.size)
    half_width, half_height = min(half_width, visible), min(half_height, visible)
    room = _share_of_room(count) * min(half_width, half_height)
    usual = min(RADIUS[facts["primary"]] * _enlargement(facts, count), room)
    usual = usual * rng.uniform(0.7, 1.25)
    centres, radii = [], []
    for across, down in _arrange(facts["arrangement"], count, rng):
        x, y = (2 * across - 1) * half_width, (2 * down - 1) * half_height
        radius = usual * rng.uniform(0.65, 1.35)
        for _ in range(9):
            if _depth_at(scene, middle_x + x, middle_y + y) > 0.6 * min(radius, 7):
                break
            x, y = 0.8 * x, 0.8 * y  # closer to the middle
        centres.append((middle_x + x, middle_y + y))
        radii.append(radius)
    return np.array(centres, np.float32), np.array(radii, np.float32)


def _depth_at(scene: Scene, x: float, y: float) -> float:
    """Look up how deep a point lies in the skin; one outside the image counts as at its edge."""
    pixel = scene.to_pixels(x, y)
    column, row = (min(max(int(value), 0), scene.size - 1) for value in pixel)
    return scene.depth[row, column]


def _share_of_room(count: int) -> float:
    """Return the largest radius for so many lesions, as a share of the area's smaller half."""
    if count == 1:
        return 0.8
    return 0.62 if count < 8 else 0.5


def _enlargement(facts: dict, count: int) -> float:
    """Return how much larger than usual lesions are drawn: few large ones, many small ones."""
    if count == 1:
        return 2.0 if RADIUS[facts["primary"]] < 10 else 1.3
    return 0.6 if count > 6 and RADIUS[facts["primary"]] > 6 else 1.0


def _arrange(arrangement: str, count: int, rng: random.Random) -> list[Point]:
    """Draw the centres of the lesions, each coordinate from 0 to 1 across the area."""
    if count == 1:
        return [(0.5 + rng.uniform(-0.2, 0.2), 0.5 + rng.uniform(-0.2, 0.2))]
    if arrangement == "symmetric":
        half = [(rng.uniform(0.04, 0.36), rng.uniform(0.06, 0.94)) for _ in range((count + 1) // 2)]
        other = [(1 - x + rng.uniform(-0.04, 0.04), y + rng.uniform(-0.04, 0.04)) for x, y in half]
        return half + other
    if arrangement == "clustered":
        x, y, spread = rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.7), rng.uniform(0.1, 0.22)
        return [(rng.gauss(x, spread), rng.gauss(y, spread)) for _ in range(count)]
    if arrangement in ("row", "band"):
        width = rng.uniform(0.02, 0.07) if arrangement == "row" else rng.uniform(0.08, 0.18)
        slope = rng.uniform(-0.6, 0.6)
        steps = [(number + 0.5) / count for number in range(count)]
        return [(t, 0.5 + slope * (t - 0.5) + rng.gauss(0, width)) for t in steps]
    return _scatter(count, rng)


def _scatter(count: int, rng: random.Random) -> list[Point]:
    """Draw scattered centres: of four candidates, take the one farthest from those there."""
    places = [(rng.uniform(0.05, 0.95), rng.uniform(0.05, 0.95))]

    def distance(candidate: Point) -> float:
        return min(math.dist(candidate, place) for place in places)

    while len(places) < count:
        candidates = [(rng.uniform(0, 1), rng.uniform(0, 1)) for _ in range(4)]
        places.append(max(candidates, key=distance))
    return places


def _mix_colour(name: str, scene: Scene, rng: random.Random) -> np.ndarray:
    """Mix the colour of this image's lesions: a little different each time, skin shows through."""
    shades = [rng.uniform(0.95, 1.05) for _ in range(3)]
    colour = tint(name, scene) * shades * rng.uniform(0.88, 1.12)
    shows_through = rng.uniform(0.04, 0.2 if name == "black" else 0.38)
    return colour + shows_through * (scene.skin - colour)


def _around(
    scene: Scene,
    lesions: Lesions,
    facts: dict,
    colour: np.ndarray,
    concepts: Sequence[str],
    seed: int,
) -> None:
    """Paint what lies beneath and around: flush, swelling, rim, broader lesions of another kind."""
    border, inside = facts["border"], scene.inside
    if border == "halo":
        scene.paint(0.62 * _flush(lesions, 1.75) * inside, tint("pink", scene))
    elif facts["primary"] in ("vesicle", "pustule", "bulla"):
        scene.paint(0.62 * _flush(lesions, 1.5) * inside, colour)
    if border == "violet":
        scene.paint(0.75 * lesions.ring(1.1, 0.2) * inside, tint("purple", scene))
    if border == "collar":
        scene.paint(0.85 * lesions.ring(1.14, 0.13) * inside, tint("white", scene))
        scene.height += 0.8 * lesions.ring(1.14, 0.15)
    for kind, share, lift in (("Patch", 0.6, 0), ("Plaque", 0.55, 0.8)):
        if kind in concepts and kind.lower() != facts["primary"]:
            rng = random.Random(f"{seed}/{kind}")
            broad = make_nearby(
                scene, lesions, rng, count=3, size=(1.7, 2.4), far=(0, 0.6), most=27
            )
            scene.paint(share * broad.disc(1, 4) * inside, colour)
            scene.height += lift * broad.disc(1, 5)
    first = COLOUR_CONCEPTS[facts["colour"]]
    others = [name for name in concepts if name in COLOURS_BY_CONCEPT and name != first]
    for number, name in enumerate(others):
        # A second colour is a rim around the lesion, so that the first stays what it is.
        rim = lesions.ring(1.22 + 0.2 * number, 0.2)
        scene.paint(0.55 * rim * inside, tint(COLOURS_BY_CONCEPT[name], scene))


def _flush(lesions: Lesions, width: float) -> np.ndarray:
    """Return a share (0 to 1) that is highest on the lesions and falls off past their edge."""
    return np.exp((lesions.rho / width) ** 4 * -1.0)


def _body(
    scene: Scene, lesions: Lesions, facts: dict, colour: np.ndarray, rng: random.Random
) -> None:
    """Paint the lesions themselves: colour, relief by their primary kind, edge and surface."""
    primary, border = facts["primary"], facts["border"]
    disc = lesions.disc(1, _softness(lesions, border)) * scene.inside
    mottle = np.clip(0.88 + 0.09 * scene.noise("middle", rng), 0.4, 1)
    if primary in ("patch", "plaque") and border == "blurred":
        mottle = mottle - 0.1
    if facts["arrangement"] == "ring" or primary == "wheal":
        clearing = 0.78 if facts["arrangement"] == "ring" else 0.45
        lesions.cover = 1 - clearing * lesions.disc(0.64, 6)
        mottle = mottle * lesions.cover
    scene.paint(disc * mottle, colour)
    _raise_lesions(scene, lesions, primary)
    if primary in ("vesicle", "bulla"):
        # A blister is clear: the colour beneath shows most at its foot.
        clear = scene.skin * 0.45 + (130, 118, 104)
        scene.paint(0.5 * lesions.disc(0.86, 2) * scene.inside, clear)
        scene.gloss += 0.75 * disc
    if primary == "pustule":
        scene.paint(0.92 * lesions.disc(0.62, 2) * scene.inside, (240, 226, 160))
    if border == "raised":
        scene.paint(0.45 * lesions.ring(0.88, 0.13) * scene.inside, colour * 0.72)
    if border in ("raised", "rolled"):
        scene.height += (0.9 if border == "raised" else 2.4) * lesions.ring(0.86, 0.16)
    scene.gloss += GLOSS.get(facts["surface"], 0) * disc
    if facts["surface"] == "tense":
        scene.height += 1.6 * lesions.disc(0.8, 7)
    elif facts["surface"] == "blistered":
        scene.height += 0.5 * np.maximum(scene.noise("middle", rng), 0) * disc


def _softness(lesions: Lesions, border: str) -> float | np.ndarray:
    """Return the width of a lesion's edge in pixels."""
    if border == "blurred":
        return np.clip(lesions.pixels * 0.6, 2, 14)
    return 3.0 if border == "halo" else 1.6


def _raise_lesions(scene: Scene, lesions: Lesions, primary: str) -> None:
    """Raise the lesions by their primary kind: domes, plateaus, or flat."""
    if primary in DOMES:
        radius = lesions.pixels / scene.unit
        dome = np.sqrt(np.maximum(1 - lesions.rho * lesions.rho, 0))
        scene.height += DOMES[primary] * np.minimum(radius, 11) * dome
    elif primary in PLATEAUS:
        scene.height += PLATEAUS[primary] * lesions.disc(0.94, 4)
