"""Images of skin for the pocket clinic, drawn from the facts that only an image tells.

Drawings, no photographs: skin with relief and light, on which primary lesion, colour, surface,
border, arrangement, number and SKINCON concepts are visible at 96 pixels, on six skin tones after
Fitzpatrick. Nothing is drawn by the name of a condition. They teach nothing about real skin.
"""

import math
import random

import numpy as np
from PIL import Image

from helpers.pocket.canvas import (
    WIDTH,
    Group,
    Scene,
    make_group,
    paint_area,
    paint_net,
    paint_spots,
    paint_strokes,
    some_near,
    tint,
)
from helpers.pocket.conditions import COLOUR_CONCEPTS, SURFACE_CONCEPTS, Condition
from helpers.pocket.skin import SITES, bare_skin, photograph

# Raised by hand when an image would look different: a clinic that was drawn before is then drawn
# anew.
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
NAMES = {concept: colour for colour, concept in reversed(COLOUR_CONCEPTS.items())}


def draw(
    facts: Condition | dict, *, skin_tone: int, size: int = 96, seed: int, site: str = ""
) -> Image.Image:
    """Draw one square RGB image of `size` pixels: the same arguments give the same pixels.

    `facts` is what a case calls `seen` (primary, colour, surface, border, arrangement, number,
    concepts), or a condition, drawn with the first value of each of its lists. `skin_tone` is 1
    (palest) to 6 (darkest). `site` is a part of the body as patients name it; without one it is
    that of the facts, or else plain skin.
    """
    facts = typical(facts) if isinstance(facts, Condition) else facts
    site = site or facts.get("site", "")
    rng = random.Random(seed)
    scene = bare_skin(site, skin_tone=skin_tone, size=size, seed=seed)
    centres, radii = _lie(facts, scene, site, rng)
    ragged = {"irregular": 0.26, "sharp": 0.07}.get(facts["border"], 0.11)
    group = make_group(scene, centres, radii, rng, ragged=ragged)
    surface = SURFACE_CONCEPTS.get(facts["surface"])
    concepts = [
        *facts["concepts"],
        *([surface] if surface and surface not in facts["concepts"] else []),
    ]
    colour = _pigment(facts["colour"], scene, rng)
    _around(scene, group, facts, colour, concepts, seed)
    _body(scene, group, facts, colour, rng)
    for concept in concepts:
        if concept in MARKS:
            # A stream for each mark: one mark more or less moves no other. Fresh and fading, they
            # are strong and weak.
            stream = random.Random(f"{seed}/{concept}")
            group.strength = stream.uniform(0.45, 1)
            MARKS[concept](scene, group, stream)
    return photograph(scene, site, seed)


def typical(condition: Condition) -> dict:
    """What a typical image of a condition shows, in the form of a case's `seen`."""
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
    """What the images of one case show: always lesion, surface and colour, of the other concepts
    some.
    """
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


def _lie(facts: dict, scene: Scene, site: str, rng: random.Random) -> tuple[np.ndarray, np.ndarray]:
    """Where the lesions lie (number x 2) and their radii (number), both in body units, all centres
    on the skin.
    """
    area, count = SITES.get(site, SITES[""]).area, rng.randint(*COUNTS[facts["number"]])
    # What the image shows of the area: near images show less.
    half = [min(extent, 40 / (scene.unit * WIDTH / scene.size)) for extent in area[2:]]
    usual = RADIUS[facts["primary"]] * _closeness(facts, count)
    usual = min(
        usual, (0.8 if count == 1 else 0.62 if count < 8 else 0.5) * min(half)
    ) * rng.uniform(0.7, 1.25)
    centres, radii = [], []
    for across, down in _places(facts["arrangement"], count, rng):
        x, y = ((2 * share - 1) * extent for share, extent in zip((across, down), half))
        radius = usual * rng.uniform(0.65, 1.35)
        for _ in range(9):
            pixel = scene.to_pixels(area[0] + x, area[1] + y)
            column, row = (min(max(int(value), 0), scene.size - 1) for value in pixel)
            if scene.depth[row, column] > 0.6 * min(radius, 7):
                break
            x, y = 0.8 * x, 0.8 * y
        centres.append((area[0] + x, area[1] + y))
        radii.append(radius)
    return np.array(centres, np.float32), np.array(radii, np.float32)


def _closeness(facts: dict, count: int) -> float:
    """How much larger than usual the lesions are drawn: few large ones, many small ones."""
    if count == 1:
        return 2.0 if RADIUS[facts["primary"]] < 10 else 1.3
    return 0.6 if count > 6 and RADIUS[facts["primary"]] > 6 else 1.0


def _places(arrangement: str, count: int, rng: random.Random) -> list[tuple[float, float]]:
    """The centres of the lesions, each coordinate from 0 to 1 across the area."""
    if count == 1:
        return [(0.5 + rng.uniform(-0.2, 0.2), 0.5 + rng.uniform(-0.2, 0.2))]
    if arrangement == "symmetric":
        half = [(rng.uniform(0.04, 0.36), rng.uniform(0.06, 0.94)) for _ in range((count + 1) // 2)]
        return half + [
            (1 - x + rng.uniform(-0.04, 0.04), y + rng.uniform(-0.04, 0.04)) for x, y in half
        ]
    if arrangement == "clustered":
        x, y, spread = rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.7), rng.uniform(0.1, 0.22)
        return [(rng.gauss(x, spread), rng.gauss(y, spread)) for _ in range(count)]
    if arrangement in ("row", "band"):
        width = rng.uniform(0.02, 0.07) if arrangement == "row" else rng.uniform(0.08, 0.18)
        slope, steps = rng.uniform(-0.6, 0.6), [(i + 0.5) / count for i in range(count)]
        return [(t, 0.5 + slope * (t - 0.5) + rng.gauss(0, width)) for t in steps]
    return _apart(count, rng)


def _apart(count: int, rng: random.Random) -> list[tuple[float, float]]:
    """Scattered centres: of some random candidates, each time the one farthest from those already
    there.
    """
    places = [(rng.uniform(0.05, 0.95), rng.uniform(0.05, 0.95))]
    while len(places) < count:
        candidates = [(rng.uniform(0, 1), rng.uniform(0, 1)) for _ in range(4)]
        places.append(
            max(candidates, key=lambda place: min(math.dist(place, other) for other in places))
        )
    return places


def _pigment(name: str, scene: Scene, rng: random.Random) -> np.ndarray:
    """The colour of this image's lesions: no two cases are of quite the same red, and skin shows
    through.
    """
    colour = (
        tint(name, scene) * [rng.uniform(0.95, 1.05) for _ in range(3)] * rng.uniform(0.88, 1.12)
    )
    return colour + rng.uniform(0.04, 0.2 if name == "black" else 0.38) * (scene.skin - colour)


def _around(
    scene: Scene, group: Group, facts: dict, colour: np.ndarray, concepts: list, seed: int
) -> None:
    """What lies beneath and around the lesions: flush, swelling, rim, and broader lesions of
    another kind.
    """
    border, rho, inside = facts["border"], group.rho, scene.inside
    blistered = facts["primary"] in ("vesicle", "pustule", "bulla")
    if border == "halo" or blistered:
        scene.paint(
            0.62 * np.exp((rho / (1.75 if border == "halo" else 1.5)) ** 4 * -1.0) * inside,
            tint("pink", scene) if border == "halo" else colour,
        )
    if border == "violet":
        scene.paint(0.75 * group.ring(1.1, 0.2) * inside, tint("purple", scene))
    if border == "collar":
        scene.paint(0.85 * group.ring(1.14, 0.13) * inside, tint("white", scene))
        scene.height += 0.8 * group.ring(1.14, 0.15)
    for kind, share, lift in (("Patch", 0.6, 0), ("Plaque", 0.55, 0.8)):
        if kind in concepts and kind.lower() != facts["primary"]:
            rng = random.Random(f"{seed}/{kind}")
            broad = some_near(scene, group, rng, count=3, size=(1.7, 2.4), far=(0, 0.6), most=27)
            scene.paint(share * broad.disc(1, 4) * inside, colour)
            scene.height += lift * broad.disc(1, 5)
    others = [
        NAMES[name]
        for name in concepts
        if name in NAMES and name != COLOUR_CONCEPTS[facts["colour"]]
    ]
    for number, name in enumerate(others):
        # A second colour is a rim around the lesion, so that the first stays what it is.
        scene.paint(0.55 * group.ring(1.22 + 0.2 * number, 0.2) * inside, tint(name, scene))


def _body(scene: Scene, group: Group, facts: dict, colour: np.ndarray, rng: random.Random) -> None:
    """The lesions themselves: colour, relief by their primary kind, and edge."""
    primary, border, rho = facts["primary"], facts["border"], group.rho
    soft = {"blurred": np.clip(group.pixels * 0.6, 2, 14), "halo": 3.0}.get(border, 1.6)
    disc = group.disc(1, soft) * scene.inside
    mottle = np.clip(0.88 + 0.09 * scene.noise("middle", rng), 0.4, 1)
    if primary in ("patch", "plaque") and border == "blurred":
        mottle = mottle - 0.1
    if facts["arrangement"] == "ring" or primary == "wheal":
        group.cover = 1 - (0.78 if facts["arrangement"] == "ring" else 0.45) * group.disc(0.64, 6)
        mottle = mottle * group.cover
    scene.paint(disc * mottle, colour)
    radius, dome = group.pixels / scene.unit, np.sqrt(np.maximum(1 - rho * rho, 0))
    if primary in DOMES:
        scene.height += DOMES[primary] * np.minimum(radius, 11) * dome
    elif primary in PLATEAUS:
        scene.height += PLATEAUS[primary] * group.disc(0.94, 4)
    if primary in ("vesicle", "bulla"):
        # A blister is clear: the colour beneath shows most at its foot.
        scene.paint(0.5 * group.disc(0.86, 2) * scene.inside, scene.skin * 0.45 + (130, 118, 104))
        scene.gloss += 0.75 * disc
    if primary == "pustule":
        scene.paint(0.92 * group.disc(0.62, 2) * scene.inside, (240, 226, 160))
    if border == "raised":
        scene.paint(0.45 * group.ring(0.88, 0.13) * scene.inside, colour * 0.72)
    if border in ("raised", "rolled"):
        scene.height += (0.9 if border == "raised" else 2.4) * group.ring(0.86, 0.16)
    scene.gloss += GLOSS.get(facts["surface"], 0) * disc
    if facts["surface"] == "tense":
        scene.height += 1.6 * group.disc(0.8, 7)
    elif facts["surface"] == "blistered":
        scene.height += 0.5 * np.maximum(scene.noise("middle", rng), 0) * disc


def _stalk(scene, group, rng):
    """A lesion on a stalk throws its shadow on the skin beside it, away from the light, and is
    pinched at its foot.
    """
    away = -(group.u * scene.light[0] + group.v * scene.light[1]) / np.maximum(group.rho, 0.3)
    shadow = 0.8 * group.strength * np.clip(away + 0.35, 0, 1) * group.ring(1.2, 0.22)
    scene.paint(np.maximum(shadow, 0.6 * group.ring(0.98, 0.07)) * scene.inside, scene.skin * 0.3)
    scene.height += 2.2 * group.strength * np.sqrt(np.maximum(1 - group.rho**2, 0))


def _do(*steps):
    """A mark made of several steps, each a tool with its settings; all see the same random numbers
    and so coincide.
    """

    def mark(scene, group, rng):
        seed = rng.random()
        for tool, settings in steps:
            tool(scene, group, random.Random(seed), **settings)

    return mark


# How a concept is drawn. What is not named here is drawn by primary lesion, colour or border.
MARKS = {
    "Ulcer": _do(
        (paint_area, dict(at=0.55, colour="blood", share=0.9, lift=-2.4, soft=3)),
        (paint_area, dict(at=0.42, colour="yellow", share=0.6, grain="middle", over=0.2)),
    ),
    "Erosion": _do(
        (paint_area, dict(at=0.66, colour="raw", share=0.85, lift=-0.7, gloss=0.6)),
        (paint_area, dict(at=0.78, start=0.66, colour="white", share=0.5, soft=1.2)),
    ),
    "Atrophy": _do(
        (paint_area, dict(at=0.62, colour="white", share=0.38, lift=-1.8, soft=4)),
        (paint_area, dict(at=0.6, grain="fine", lift=0.7)),
    ),
    "Umbilicated": _do((paint_area, dict(at=0.34, colour="blood", share=0.6, lift=-1.6))),
    "Pustule": _do(
        (
            paint_spots,
            dict(
                count=2,
                size=(0.2, 0.4),
                far=(0.3, 1.2),
                colour="yellow",
                share=1,
                at=0.8,
                dome=True,
            ),
        )
    ),
    "Vesicle": _do(
        (
            paint_spots,
            dict(
                count=4,
                size=(0.16, 0.3),
                far=(0.1, 1.0),
                colour="white",
                share=0.45,
                gloss=0.9,
                dome=True,
            ),
        )
    ),
    "Nodule": _do(
        (
            paint_spots,
            dict(
                count=1,
                size=(0.5, 0.8),
                far=(0.1, 0.6),
                most=7,
                colour="blood",
                share=0.3,
                dome=True,
            ),
        )
    ),
    "Scale": _do(
        (paint_area, dict(at=0.95, grain="fine", over=0.1, colour="white", share=0.55, lift=0.2)),
        (paint_area, dict(at=0.9, grain="middle", over=0.1, colour="white", share=0.55, lift=0.2)),
    ),
    "Crust": _do(
        (
            paint_area,
            dict(at=0.8, grain="middle", over=-0.25, colour="amber", share=0.85, lift=0.6),
        ),
        (paint_area, dict(at=0.7, grain="middle", over=0.7, colour="rust", share=0.75, lift=0.4)),
    ),
    "Exudate": _do(
        (
            paint_area,
            dict(at=0.9, grain="coarse", over=-0.5, colour="yellow", share=0.3, gloss=0.7),
        ),
        (
            paint_spots,
            dict(
                count=3,
                size=(0.1, 0.2),
                far=(0.1, 1.0),
                most=2,
                colour="white",
                share=0.5,
                gloss=1,
                dome=True,
            ),
        ),
    ),
    "Warty/Papillomatous": _do(
        (paint_area, dict(grain="fine", over=-0.3, lift=0.6)),
        (paint_area, dict(grain="fine", over=0.7, colour="black", share=0.7)),
        (paint_area, dict(grain="middle", over=0.9, colour="yellow", share=0.4)),
    ),
    "Exophytic/Fungating": _do(
        (paint_area, dict(at=1.05, grain="middle", over=-0.3, lift=2.0)),
        (paint_area, dict(grain="middle", over=0.6, colour="raw", share=0.7, gloss=0.3)),
    ),
    "Comedo": _do(
        (
            paint_spots,
            dict(count=4, size=(0.2, 0.3), far=(0.2, 2.2), most=1.6, colour="black", share=0.95),
        )
    ),
    "Purpura/Petechiae": _do(
        (
            paint_spots,
            dict(count=5, size=(0.2, 0.34), far=(0.7, 1.9), most=2.2, colour="purple", share=0.9),
        )
    ),
    "Blue": _do((paint_area, dict(at=0.85, grain="coarse", over=-0.2, colour="blue", share=0.85))),
    "Pigmented": _do(
        (paint_area, dict(grain="fine", over=0.2, colour="black", share=0.75)),
        (paint_area, dict(grain="coarse", over=0.2, colour="brown", share=0.6)),
    ),
    "Scar": _do(
        (
            paint_spots,
            dict(
                count=2,
                size=(0.3, 0.5),
                far=(0.4, 1.4),
                most=3.6,
                colour="scar",
                share=0.75,
                lift=-0.8,
                gloss=0.25,
            ),
        )
    ),
    "Telangiectasia": _do(
        (paint_strokes, dict(count=4, length=1.6, bend=0.7, colour="crimson", width=0.7, least=9))
    ),
    "Excoriation": _do(
        (
            paint_strokes,
            dict(count=3, length=1.5, bend=0.06, colour="blood", width=1.1, across=0.9, least=11),
        )
    ),
    "Fissure": _do(
        (
            paint_strokes,
            dict(count=2, length=1.3, bend=0.8, colour="white", width=2.4, share=0.5, least=9),
        ),
        (
            paint_strokes,
            dict(
                count=2,
                length=1.3,
                bend=0.8,
                colour="blood",
                width=1.2,
                share=1,
                lift=-1.2,
                least=9,
            ),
        ),
    ),
    "Burrow": _do(
        (
            paint_strokes,
            dict(
                count=1,
                length=2.6,
                bend=0.9,
                colour="brown",
                width=1.4,
                share=0.7,
                lift=0.5,
                least=13,
            ),
        )
    ),
    "Lichenification": _do((paint_net, dict(kind="furrows"))),
    "Xerosis": _do((paint_net, dict(kind="cracks"))),
    "Translucent": _do(
        (paint_area, dict(at=0.98, start=0.55, colour="white", share=0.42, soft=4, gloss=0.5)),
        (paint_area, dict(at=0.6, colour="blue", share=0.2, soft=5)),
    ),
    "Dome-shaped": _do((paint_area, dict(at=0.6, soft=9, lift=2.4, gloss=0.35))),
    "Flat topped": _do(
        (paint_area, dict(at=0.8, colour="white", share=0.2, soft=1.2, lift=0.9, gloss=0.5))
    ),
    "Induration": _do(
        (paint_area, dict(at=1.45, start=0.95, colour="crimson", share=0.28, soft=5)),
        (paint_area, dict(at=1.35, soft=7, lift=2.6)),
    ),
    "Sclerosis": _do(
        (paint_area, dict(at=0.86, colour="yellow", share=0.34, soft=5, gloss=0.7)),
        (paint_area, dict(at=0.85, grain="coarse", over=0.2, colour="white", share=0.7, lift=0.8)),
    ),
    "Friable": _do(
        (
            paint_spots,
            dict(
                count=6,
                size=(0.1, 0.22),
                far=(0.1, 0.95),
                most=2.5,
                colour="blood",
                share=0.95,
                gloss=0.8,
            ),
        ),
        (paint_strokes, dict(count=1, length=1.5, bend=0.25, colour="blood", width=2, share=0.9)),
    ),
    "Pedunculated": _stalk,
}
