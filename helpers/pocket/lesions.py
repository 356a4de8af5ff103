"""Pictures of skin for the pocket clinic, drawn from the facts that only a picture tells.

Plain drawings, no photographs: they carry colour, primary lesion, border, surface, arrangement and number, each
visible at 96 pixels, on six skin tones after Fitzpatrick. They teach nothing about real skin.
"""

import math
import random

import numpy as np
from PIL import Image, ImageDraw

from helpers.pocket.conditions import COLOUR_CONCEPTS, SURFACE_CONCEPTS, Condition

# Raised by hand when a picture would look different: a clinic that was drawn before is then drawn anew.
VERSION = 1

SKIN = {1: (243, 219, 205), 2: (232, 198, 174), 3: (212, 170, 138), 4: (180, 133, 98), 5: (134, 92, 64),
        6: (90, 60, 44)}
COLOURS = {
    "red": (196, 52, 50), "pink": (228, 118, 124), "crimson": (140, 10, 32), "salmon": (238, 138, 104),
    "purple": (124, 66, 146), "brown": (104, 64, 34), "black": (34, 28, 30), "white": (250, 243, 238),
    "yellow": (222, 176, 74),
}
RADIUS = {"papule": 3.6, "pustule": 4.0, "vesicle": 3.2, "macule": 7.0, "patch": 14.0, "plaque": 11.0,
          "nodule": 14.0, "bulla": 8.0, "wheal": 9.5}
RAISED = ("papule", "pustule", "vesicle", "bulla", "nodule", "wheal")
COUNTS = {"single": (1, 1), "several": (4, 6), "numerous": (13, 19)}
# Everything is drawn twice as large and halved at the end, which smooths the edges.
OVERSAMPLING = 2


def draw(facts: Condition | dict, *, skin_tone: int, size: int = 96, seed: int) -> Image.Image:
    """Draw one square RGB picture of `size` pixels: the same arguments give the same pixels.

    `facts` is what a case calls `seen` (primary, colour, surface, border, arrangement, number, concepts), or a
    condition, drawn with the first value of each of its lists. `skin_tone` is 1 (palest) to 6 (darkest).
    """
    facts = typical(facts) if isinstance(facts, Condition) else facts
    rng = random.Random(seed)
    skin = SKIN[skin_tone]
    canvas = Image.new("RGB", (size * OVERSAMPLING,) * 2, skin)
    pen = ImageDraw.Draw(canvas)
    count = rng.randint(*COUNTS[facts["number"]])
    # The photographer stands nearer or farther; a lesion that is alone fills more of the picture.
    scale = canvas.width / 96 * rng.uniform(0.85, 1.2) * _closeness(facts, count)
    for x, y in _places(facts["arrangement"], count, rng):
        radius = RADIUS[facts["primary"]] * scale * rng.uniform(0.8, 1.2)
        _lesion(pen, facts, skin, rng, centre=(x * canvas.width, y * canvas.width), radius=radius)
    return _photograph(canvas.reduce(OVERSAMPLING), seed)


def typical(condition: Condition) -> dict:
    """What a typical picture of a condition shows, in the form of a case's `seen`."""
    colour = condition.colours[0]
    others = {COLOUR_CONCEPTS[other] for other in condition.colours} - {COLOUR_CONCEPTS[colour]}
    return {
        "primary": condition.primary, "colour": colour, "surface": condition.surface,
        "border": condition.borders[0], "arrangement": condition.arrangements[0], "number": condition.numbers[0],
        "concepts": [concept for concept in condition.concepts if concept not in others],
    }


def draw_seen(condition: Condition, rng: random.Random) -> dict:
    """What the pictures of one case show: always lesion, surface and colour, of the other concepts some."""
    colour = rng.choice(condition.colours)
    sure = {condition.primary.capitalize(), SURFACE_CONCEPTS.get(condition.surface), COLOUR_CONCEPTS[colour]}
    other_colours = {COLOUR_CONCEPTS[other] for other in condition.colours} - sure
    kept = [concept for concept in condition.concepts if concept in sure or rng.random() < 0.5]
    return {
        "primary": condition.primary, "colour": colour, "surface": condition.surface,
        "border": rng.choice(condition.borders), "arrangement": rng.choice(condition.arrangements),
        "number": rng.choice(condition.numbers), "skin_tone": rng.randint(1, 6),
        "concepts": [concept for concept in kept if concept not in other_colours],
    }


def _closeness(facts: dict, count: int) -> float:
    """How much larger than usual the lesions are drawn: few large ones, many small ones."""
    if count == 1:
        return 2.2 if RADIUS[facts["primary"]] < 10 else 1.35
    return 0.62 if count > 6 and RADIUS[facts["primary"]] > 6 else 1.0


def _places(arrangement: str, count: int, rng: random.Random) -> list[tuple[float, float]]:
    """The centres of the lesions, each coordinate from 0 to 1."""
    if count == 1:
        return [(0.5 + rng.uniform(-0.06, 0.06), 0.5 + rng.uniform(-0.06, 0.06))]
    if arrangement == "symmetric":
        half = [(rng.uniform(0.1, 0.4), rng.uniform(0.12, 0.88)) for _ in range((count + 1) // 2)]
        return half + [(1 - x + rng.uniform(-0.03, 0.03), y + rng.uniform(-0.03, 0.03)) for x, y in half]
    if arrangement == "clustered":
        return [(rng.gauss(0.5, 0.14), rng.gauss(0.5, 0.14)) for _ in range(count)]
    if arrangement in ("row", "band"):
        width = 0.02 if arrangement == "row" else 0.09
        slope, steps = rng.uniform(-0.5, 0.5), [(i + 0.5) / count for i in range(count)]
        return [(0.06 + 0.88 * t, 0.5 + slope * (t - 0.5) + rng.gauss(0, width)) for t in steps]
    return _apart(count, rng)


def _apart(count: int, rng: random.Random) -> list[tuple[float, float]]:
    """Scattered centres: of some random candidates, each time the one farthest from those already there."""
    places = [(rng.uniform(0.12, 0.88), rng.uniform(0.12, 0.88))]
    while len(places) < count:
        candidates = [(rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.9)) for _ in range(4)]
        places.append(max(candidates, key=lambda place: min(math.dist(place, other) for other in places)))
    return places


def _lesion(pen: ImageDraw.ImageDraw, facts: dict, skin: tuple, rng: random.Random, *, centre: tuple, radius: float):
    """Draw one lesion from the outside in: border, body, shine, then the marks of its surface and concepts."""
    # Skin shows through the colour, most where the skin is dark: that is why redness is hard to see there.
    colour = _mix(COLOURS[facts["colour"]], skin, 0.18)
    outline = _outline(centre, radius, rng, ragged=0.3 if facts["border"] == "irregular" else 0.06)
    _border(pen, facts["border"], outline, centre, colour, skin)
    pen.polygon(outline, fill=colour)
    if facts["border"] in ("raised", "rolled"):
        edge = _mix(colour, (60, 0, 0) if facts["border"] == "raised" else (255, 255, 255), 0.35)
        pen.line(outline + outline[:1], fill=edge, width=max(2, int(radius / 6)))
    if facts["arrangement"] == "ring" or facts["primary"] == "wheal":
        pen.polygon(_shrink(outline, centre, 0.62), fill=_mix(colour, skin, 0.7))
    if facts["primary"] in RAISED or facts["surface"] in ("shiny", "tense"):
        _shine(pen, centre, radius, colour, strong=facts["surface"] in ("shiny", "tense", "blistered", "weeping"))
    for concept in facts["concepts"]:
        if concept in MARKS:
            MARKS[concept](pen, centre, radius, rng)


def _border(pen, border: str, outline: list, centre: tuple, colour: tuple, skin: tuple) -> None:
    """What lies around the body of a lesion."""
    if border in ("blurred", "halo"):
        for factor, share in ((1.35, 0.75), (1.18, 0.45)) if border == "blurred" else ((1.8, 0.6),):
            pen.polygon(_shrink(outline, centre, factor), fill=_mix(colour, skin, share))
    if border in ("violet", "collar"):
        edge = COLOURS["purple"] if border == "violet" else (245, 225, 215)
        pen.polygon(_shrink(outline, centre, 1.2), fill=_mix(edge, skin, 0.25))


def _outline(centre: tuple, radius: float, rng: random.Random, *, ragged: float) -> list[tuple[float, float]]:
    """A closed, slightly uneven, slightly oval line around the centre."""
    stretch, corners = rng.uniform(0.8, 1.0), 18
    points = []
    for corner in range(corners):
        angle, length = 2 * math.pi * corner / corners, radius * (1 + rng.uniform(-ragged, ragged))
        points.append((centre[0] + length * math.cos(angle), centre[1] + stretch * length * math.sin(angle)))
    return points


def _shrink(outline: list, centre: tuple, factor: float) -> list[tuple[float, float]]:
    return [(centre[0] + (x - centre[0]) * factor, centre[1] + (y - centre[1]) * factor) for x, y in outline]


def _mix(first: tuple, second: tuple, share: float) -> tuple[int, int, int]:
    """The first colour with a share (0 to 1) of the second."""
    return tuple(round(a + (b - a) * share) for a, b in zip(first, second))


def _dot(pen, x: float, y: float, radius: float, fill: tuple) -> None:
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)


def _shine(pen, centre: tuple, radius: float, colour: tuple, *, strong: bool) -> None:
    """Light from the upper left makes a bump of a disc."""
    x, y = centre
    pen.arc((x - radius, y - radius, x + radius, y + radius), 10, 100, fill=_mix(colour, (0, 0, 0), 0.35), width=2)
    light = _mix(colour, (255, 255, 255), 0.75 if strong else 0.35)
    _dot(pen, x - radius * 0.32, y - radius * 0.32, max(1, radius * 0.24), light)


def _specks(pen, centre, radius, rng, *, count: int, size: float, fills: tuple, spread: float = 0.8) -> None:
    for _ in range(count):
        angle, distance = rng.uniform(0, 2 * math.pi), radius * spread * math.sqrt(rng.random())
        x, y = centre[0] + distance * math.cos(angle), centre[1] + distance * math.sin(angle)
        _dot(pen, x, y, max(0.8, radius * size * rng.uniform(0.7, 1.3)), rng.choice(fills))


def _strokes(pen, centre, radius, rng, *, count: int, fill: tuple, length: float, bend=0.3, width=1) -> None:
    for _ in range(count):
        angle = rng.uniform(0, math.pi)
        x, y = (c + rng.uniform(-0.4, 0.4) * radius for c in centre)
        points = [(x, y)]
        for _ in range(3):
            angle += rng.uniform(-bend, bend)
            x, y = x + radius * length / 3 * math.cos(angle), y + radius * length / 3 * math.sin(angle)
            points.append((x, y))
        pen.line(points, fill=fill, width=width)


def _middle(size: float, fill: tuple):
    return lambda pen, centre, radius, rng: _dot(pen, *centre, max(1, radius * size), fill)


def _with(tool, **settings):
    return lambda pen, centre, radius, rng: tool(pen, centre, radius, rng, **settings)


# How a concept is drawn on each lesion. What is not named here is drawn by colour, primary lesion or border.
MARKS = {
    "Ulcer": _middle(0.4, (96, 20, 24)),
    "Erosion": _middle(0.45, (214, 84, 84)),
    "Atrophy": _middle(0.42, (240, 222, 214)),
    "Umbilicated": _middle(0.25, (120, 40, 40)),
    "Pustule": _with(_specks, count=2, size=0.25, fills=((240, 226, 150),), spread=0.4),
    "Vesicle": _with(_specks, count=3, size=0.22, fills=((238, 214, 206),), spread=0.6),
    "Scale": _with(_specks, count=9, size=0.16, fills=((248, 246, 244), (226, 222, 220))),
    "Crust": _with(_specks, count=5, size=0.27, fills=((198, 140, 40), (150, 96, 30)), spread=0.6),
    "Exudate": _with(_specks, count=4, size=0.13, fills=((250, 236, 160), (255, 250, 225)), spread=0.9),
    "Warty/Papillomatous": _with(_specks, count=14, size=0.12, fills=((60, 38, 24), (160, 116, 78))),
    "Comedo": _with(_specks, count=2, size=0.24, fills=((30, 24, 22),), spread=1.6),
    "Purpura/Petechiae": _with(_specks, count=3, size=0.18, fills=((96, 10, 60),), spread=1.5),
    "Blue": _with(_specks, count=3, size=0.25, fills=((62, 74, 120),), spread=0.6),
    "Pigmented": _with(_specks, count=6, size=0.12, fills=((58, 36, 22),)),
    "Scar": _with(_specks, count=1, size=0.5, fills=((236, 206, 196),), spread=2.0),
    "Telangiectasia": _with(_strokes, count=3, fill=(172, 16, 40), length=1.3, bend=0.7),
    "Excoriation": _with(_strokes, count=2, fill=(120, 20, 20), length=2.0, width=2),
    "Fissure": _with(_strokes, count=2, fill=(84, 24, 24), length=1.1),
    "Lichenification": _with(_strokes, count=7, fill=(140, 84, 76), length=1.2, bend=0.05),
    "Xerosis": _with(_strokes, count=6, fill=(246, 236, 230), length=0.7, bend=0.1),
    "Burrow": _with(_strokes, count=1, fill=(96, 62, 56), length=4.0, bend=0.9, width=2),
}


def _photograph(picture: Image.Image, seed: int) -> Image.Image:
    """Grain and uneven light, as in a picture taken at home."""
    generator = np.random.default_rng(seed)
    pixels = np.asarray(picture, dtype=np.float32)
    ramp = np.linspace(-1, 1, picture.width, dtype=np.float32)
    across, down, light = generator.uniform(-0.06, 0.06, 3)
    brightness = 1 + light + across * ramp[None, :] + down * ramp[:, None]
    grain = generator.integers(-5, 6, pixels.shape[:2]).astype(np.float32)
    return Image.fromarray(np.clip(pixels * brightness[..., None] + grain[..., None], 0, 255).astype(np.uint8))
