"""How each SKINCON concept is drawn: a table from the concept to its painting steps."""

import random
from collections.abc import Callable
from functools import partial

import numpy as np

from helpers.pocket.canvas import Lesions, Scene
from helpers.pocket.painting import paint_area, paint_net, paint_spots, paint_strokes

# Paints a concept on all lesions of a scene; the random stream decides the details.
Mark = Callable[[Scene, Lesions, random.Random], None]


def paint_stalk(scene: Scene, lesions: Lesions, rng: random.Random) -> None:
    """Paint a lesion on a stalk: pinched at its foot, its shadow beside it, away from the light."""
    toward_light = lesions.u * scene.light[0] + lesions.v * scene.light[1]
    away = -toward_light / np.maximum(lesions.rho, 0.3)
    shadow = 0.8 * lesions.strength * np.clip(away + 0.35, 0, 1) * lesions.ring(1.2, 0.22)
    foot = 0.6 * lesions.ring(0.98, 0.07)
    scene.paint(np.maximum(shadow, foot) * scene.inside, scene.skin * 0.3)
    scene.height += 2.2 * lesions.strength * np.sqrt(np.maximum(1 - lesions.rho**2, 0))


def in_steps(*steps: Mark) -> Mark:
    """Make one mark of several steps, which draw the same random numbers and so coincide."""

    def mark(scene: Scene, lesions: Lesions, rng: random.Random) -> None:
        seed = rng.random()
        for step in steps:
            step(scene, lesions, random.Random(seed))

    return mark


# How a concept is drawn. What is not named here is drawn by primary lesion, colour or border.
MARKS: dict[str, Mark] = {
    "Ulcer": in_steps(
        partial(paint_area, at=0.55, colour="blood", share=0.9, lift=-2.4, soft=3),
        partial(paint_area, at=0.42, colour="yellow", share=0.6, grain="middle", over=0.2),
    ),
    "Erosion": in_steps(
        partial(paint_area, at=0.66, colour="raw", share=0.85, lift=-0.7, gloss=0.6),
        partial(paint_area, at=0.78, start=0.66, colour="white", share=0.5, soft=1.2),
    ),
    "Atrophy": in_steps(
        partial(paint_area, at=0.62, colour="white", share=0.38, lift=-1.8, soft=4),
        partial(paint_area, at=0.6, grain="fine", lift=0.7),
    ),
    "Umbilicated": in_steps(partial(paint_area, at=0.34, colour="blood", share=0.6, lift=-1.6)),
    "Pustule": in_steps(
        partial(
            paint_spots,
            count=2,
            size=(0.2, 0.4),
            far=(0.3, 1.2),
            colour="yellow",
            share=1,
            at=0.8,
            dome=True,
        )
    ),
    "Vesicle": in_steps(
        partial(
            paint_spots,
            count=4,
            size=(0.16, 0.3),
            far=(0.1, 1.0),
            colour="white",
            share=0.45,
            gloss=0.9,
            dome=True,
        )
    ),
    "Nodule": in_steps(
        partial(
            paint_spots,
            count=1,
            size=(0.5, 0.8),
            far=(0.1, 0.6),
            most=7,
            colour="blood",
            share=0.3,
            dome=True,
        )
    ),
    "Scale": in_steps(
        partial(paint_area, at=0.95, grain="fine", over=0.1, colour="white", share=0.55, lift=0.2),
        partial(paint_area, at=0.9, grain="middle", over=0.1, colour="white", share=0.55, lift=0.2),
    ),
    "Crust": in_steps(
        partial(
            paint_area, at=0.8, grain="middle", over=-0.25, colour="amber", share=0.85, lift=0.6
        ),
        partial(paint_area, at=0.7, grain="middle", over=0.7, colour="rust", share=0.75, lift=0.4),
    ),
    "Exudate": in_steps(
        partial(
            paint_area, at=0.9, grain="coarse", over=-0.5, colour="yellow", share=0.3, gloss=0.7
        ),
        partial(
            paint_spots,
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
    "Warty/Papillomatous": in_steps(
        partial(paint_area, grain="fine", over=-0.3, lift=0.6),
        partial(paint_area, grain="fine", over=0.7, colour="black", share=0.7),
        partial(paint_area, grain="middle", over=0.9, colour="yellow", share=0.4),
    ),
    "Exophytic/Fungating": in_steps(
        partial(paint_area, at=1.05, grain="middle", over=-0.3, lift=2.0),
        partial(paint_area, grain="middle", over=0.6, colour="raw", share=0.7, gloss=0.3),
    ),
    "Comedo": in_steps(
        partial(
            paint_spots,
            count=4,
            size=(0.2, 0.3),
            far=(0.2, 2.2),
            most=1.6,
            colour="black",
            share=0.95,
        )
    ),
    "Purpura/Petechiae": in_steps(
        partial(
            paint_spots,
            count=5,
            size=(0.2, 0.34),
            far=(0.7, 1.9),
            most=2.2,
            colour="purple",
            share=0.9,
        )
    ),
    "Blue": in_steps(
        partial(paint_area, at=0.85, grain="coarse", over=-0.2, colour="blue", share=0.85)
    ),
    "Pigmented": in_steps(
        partial(paint_area, grain="fine", over=0.2, colour="black", share=0.75),
        partial(paint_area, grain="coarse", over=0.2, colour="brown", share=0.6),
    ),
    "Scar": in_steps(
        partial(
            paint_spots,
            count=2,
            size=(0.3, 0.5),
            far=(0.4, 1.4),
            most=3.6,
            colour="scar",
            share=0.75,
            lift=-0.8,
            gloss=0.25,
        )
    ),
    "Telangiectasia": in_steps(
        partial(paint_strokes, count=4, length=1.6, bend=0.7, colour="crimson", width=0.7, least=9)
    ),
    "Excoriation": in_steps(
        partial(
            paint_strokes,
            count=3,
            length=1.5,
            bend=0.06,
            colour="blood",
            width=1.1,
            across=0.9,
            least=11,
        )
    ),
    "Fissure": in_steps(
        partial(
            paint_strokes,
            count=2,
            length=1.3,
            bend=0.8,
            colour="white",
            width=2.4,
            share=0.5,
            least=9,
        ),
        partial(
            paint_strokes,
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
    "Burrow": in_steps(
        partial(
            paint_strokes,
            count=1,
            length=2.6,
            bend=0.9,
            colour="brown",
            width=1.4,
            share=0.7,
            lift=0.5,
            least=13,
        )
    ),
    "Lichenification": in_steps(partial(paint_net, kind="furrows")),
    "Xerosis": in_steps(partial(paint_net, kind="cracks")),
    "Translucent": in_steps(
        partial(paint_area, at=0.98, start=0.55, colour="white", share=0.42, soft=4, gloss=0.5),
        partial(paint_area, at=0.6, colour="blue", share=0.2, soft=5),
    ),
    "Dome-shaped": in_steps(partial(paint_area, at=0.6, soft=9, lift=2.4, gloss=0.35)),
    "Flat topped": in_steps(
        partial(paint_area, at=0.8, colour="white", share=0.2, soft=1.2, lift=0.9, gloss=0.5)
    ),
    "Induration": in_steps(
        partial(paint_area, at=1.45, start=0.95, colour="crimson", share=0.28, soft=5),
        partial(paint_area, at=1.35, soft=7, lift=2.6),
    ),
    "Sclerosis": in_steps(
        partial(paint_area, at=0.86, colour="yellow", share=0.34, soft=5, gloss=0.7),
        partial(paint_area, at=0.85, grain="coarse", over=0.2, colour="white", share=0.7, lift=0.8),
    ),
    "Friable": in_steps(
        partial(
            paint_spots,
            count=6,
            size=(0.1, 0.22),
            far=(0.1, 0.95),
            most=2.5,
            colour="blood",
            share=0.95,
            gloss=0.8,
        ),
        partial(paint_strokes, count=1, length=1.5, bend=0.25, colour="blood", width=2, share=0.9),
    ),
    "Pedunculated": paint_stalk,
}
