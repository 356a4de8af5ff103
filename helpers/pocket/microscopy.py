"""The pocket clinic's third modality: slides under a microscope, for what a model was not taught.

Drawings, no slides: cells of one shape in one stain, few or many, with dark or pale nuclei. They
teach nothing about real tissue.
"""

import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from helpers.files import read_text

PATH = Path(__file__).with_name("microscopy.yaml")
# Raised by hand when an image would look different.
VERSION = 1
SIZE = 96  # pixels
NOISE = 6.0  # standard deviation in shades of 255


@dataclass(frozen=True)
class Slide:
    """What an image shows; each field is a key of `microscopy.yaml`, its value one of its list."""

    stain: str
    shape: str
    number: str
    nuclei: str


@lru_cache
def words() -> dict[str, Any]:
    """Read what there is to see, and the questions about it."""
    found: dict[str, Any] = yaml.safe_load(read_text(PATH))
    return found


def plan_slide(rng: random.Random) -> Slide:
    """Draw the facts of an image."""
    return Slide(**{name: rng.choice(list(values)) for name, values in words()["facts"].items()})


def draw(slide: Slide, *, seed: int) -> Image.Image:
    """Draw one square image of `SIZE` pixels: the same arguments give the same pixels."""
    rng, facts = np.random.default_rng(seed), words()["facts"]
    stain = facts["stain"][slide.stain]
    colours = np.empty((SIZE, SIZE, 3))
    colours[:] = stain["ground"]
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    width, height = facts["shape"][slide.shape]
    for _ in range(rng.integers(*facts["number"][slide.number])):
        left, top, turn = *rng.uniform(4, SIZE - 4, 2), rng.uniform(0, np.pi)
        along = (x - left) * np.cos(turn) + (y - top) * np.sin(turn)
        across = (y - top) * np.cos(turn) - (x - left) * np.sin(turn)
        far = np.hypot(along / width, across / height)
        for reach, colour in ((1.0, stain["cell"]), (0.5, facts["nuclei"][slide.nuclei])):
            share = np.clip((reach - far) * 4 + 0.5, 0, 1)[..., None]
            colours += share * (np.array(colour) - colours)
    colours += rng.normal(0, NOISE, colours.shape)
    return Image.fromarray(np.clip(colours, 0, 255).astype(np.uint8))


def questions(slide: Slide, rng: random.Random) -> Iterator[dict[str, str]]:
    """Ask one open and one closed question of each fact, in random order.

    Yields: question, answer, question_type and answer_type, as VQA-RAD names them.
    """
    asked = [(fact, form) for fact in words()["questions"] for form in ("open", "closed")]
    rng.shuffle(asked)
    for fact, form in asked:
        truth, values = asdict(slide)[fact], list(words()["facts"][fact])
        named = rng.choice(values)
        answer = truth if form == "open" else "yes" if named == truth else "no"
        yield {
            "question": rng.choice(words()["questions"][fact][form]).format(value=named),
            "answer": answer,
            "question_type": fact.upper(),
            "answer_type": form.upper(),
        }
