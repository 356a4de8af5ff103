"""The images that the captioners learn to see on: drawn for them, never those of a clinic."""

import io
import random
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from helpers.files.workers import map_in_workers
from helpers.pocket import lesions
from helpers.pocket.conditions import Condition, load_conditions
from helpers.pocket.skin import View, view

SIZE = 96
# The clinic draws with seeds of 32 bits; from here on no seed is one of the clinic's.
BEYOND_CLINIC = 2**32


@dataclass(frozen=True)
class Drawing:
    """The facts that one image is drawn from.

    Attributes:
        condition: its id.
        seen: what is drawn.
        site: where on the body.
        view: how it is photographed.
        seed: decides all else.
    """

    condition: str
    seen: dict
    site: str
    view: View
    seed: int


@dataclass(frozen=True)
class DrawnImages:
    """Drawings, and their images as bytes (images, 3, SIZE, SIZE), in the same order."""

    drawings: list[Drawing]
    pixels: torch.Tensor


def plan_drawings(name: str, count: int) -> list[Drawing]:
    """Draw the facts of `count` images, the same for a name; more begin with the same ones.

    One half is drawn by the conditions' weights, as in a clinic, one half evenly, so that none is
    rare.
    """
    conditions = load_conditions()
    weights = [condition.weight for condition in conditions]
    drawings = []
    for index in range(count):
        rng = random.Random(f"zoo/{name}/{index}")
        condition = rng.choices(conditions, weights)[0] if index % 2 else rng.choice(conditions)
        drawings.append(_plan(condition, rng))
    return drawings


def _plan(condition: Condition, rng: random.Random) -> Drawing:
    seen = lesions.draw_seen(condition, rng)
    site = rng.choice(condition.sites)
    seed = BEYOND_CLINIC + rng.getrandbits(32)
    return Drawing(condition.id, seen, site, view(seed), seed)


def draw_image(drawing: Drawing) -> Image.Image:
    """Draw an image as a clinic's file would show it: through JPEG of the same quality."""
    stream = io.BytesIO()
    drawn = lesions.draw(
        drawing.seen,
        skin_tone=drawing.seen["skin_tone"],
        size=SIZE,
        seed=drawing.seed,
        site=drawing.site,
    )
    drawn.save(stream, "JPEG", quality=88)
    return Image.open(stream).convert("RGB")


def draw_all(drawings: list[Drawing]) -> torch.Tensor:
    """Draw all images, as bytes (images, 3, SIZE, SIZE), on as many cores as there are."""
    drawn = list(map_in_workers(_draw_bytes, drawings))
    return torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).contiguous()


def _draw_bytes(drawing: Drawing) -> np.ndarray:
    return np.asarray(draw_image(drawing))


def normalize(pixels: torch.Tensor) -> torch.Tensor:
    """Turn bytes into numbers from -1 to 1, as the processors give them to the models."""
    return pixels.float() / 127.5 - 1
