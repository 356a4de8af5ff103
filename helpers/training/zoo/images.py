"""The images that the captioners learn to see on: drawn for them, never those of a clinic."""

import io
import os
import random
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
from PIL import Image

from helpers.pocket import lesions
from helpers.pocket.conditions import Condition, load_conditions
from helpers.pocket.skin import view

SIZE = 96
# The clinic draws with seeds of 32 bits; from here on no seed is one of the clinic's.
BEYOND_CLINIC = 2**32


@dataclass(frozen=True)
class Example:
    """One image's facts: what was drawn (`seen`), where on the body, how it was photographed, and
    from which seed.
    """

    condition: str
    seen: dict
    site: str
    view: dict
    seed: int


def examples(name: str, count: int) -> list[Example]:
    """`count` drawn facts, the same for a name; a larger `count` begins with the same ones.

    One half is drawn by the conditions' weights, as in a clinic, one half evenly, so that none is
    rare.
    """
    conditions, made = load_conditions(), []
    weights = [condition.weight for condition in conditions]
    for index in range(count):
        rng = random.Random(f"zoo/{name}/{index}")
        condition = rng.choices(conditions, weights)[0] if index % 2 else rng.choice(conditions)
        made.append(_example(condition, rng))
    return made


def _example(condition: Condition, rng: random.Random) -> Example:
    seen, site = lesions.draw_seen(condition, rng), rng.choice(condition.sites)
    seed = BEYOND_CLINIC + rng.getrandbits(32)
    return Example(condition.id, seen, site, view(seed), seed)


def image(example: Example) -> Image.Image:
    """The drawing, as a clinic's file would show it: through JPEG of the same quality."""
    stream = io.BytesIO()
    drawn = lesions.draw(
        example.seen,
        skin_tone=example.seen["skin_tone"],
        size=SIZE,
        seed=example.seed,
        site=example.site,
    )
    drawn.save(stream, "JPEG", quality=88)
    return Image.open(stream).convert("RGB")


def pixels(made: list[Example]):
    """All images as one tensor of bytes (images, 3, SIZE, SIZE), drawn on as many cores as
    there are.
    """
    import torch

    # Fresh processes: a fork of one that runs threads of torch could hang.
    with ProcessPoolExecutor(_cores(), mp_context=get_context("spawn")) as pool:
        drawn = list(pool.map(_bytes, made, chunksize=64))
    return torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).contiguous()


def _cores() -> int:
    """How many cores this process may use; where the system does not say (macOS, Windows), how many
    there are.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return min(os.cpu_count() or 1, 61)  # Windows cannot wait for more processes at once


def _bytes(example: Example) -> np.ndarray:
    return np.asarray(image(example))


def normal(batch):
    """Bytes as numbers from -1 to 1, as the processors give them to the models."""
    return batch.float() / 127.5 - 1
