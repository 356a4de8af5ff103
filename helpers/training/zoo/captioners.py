"""The shipped VLMs: images are drawn, a captioner is trained and saved, and asked about others.

The figures come from the saved model, loaded as every other one is, on images of seeds it has not
seen.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from helpers.cases import Answer
from helpers.models.base import ImagePrompt
from helpers.models.prompts import CAPTION_PREFIX, CLINICAL_PROMPT
from helpers.models.refs import ModelRef
from helpers.models.vlm import load_vlm
from helpers.pocket import descriptions
from helpers.training.zoo import blip, idefics2, llava, skingpt4
from helpers.training.zoo.images import Drawing, DrawnImages, draw_all, draw_image, plan_drawings
from helpers.training.zoo.vision import facts_of


@dataclass(frozen=True)
class Maker:
    """How a captioner is made.

    Attributes:
        train: recipe, folder, drawn images, held-out images -> facts of the training.
        style: how it speaks (see `descriptions`).
        prompt: what it is asked.
    """

    train: Callable[[dict, Path, DrawnImages, DrawnImages], dict]
    style: str
    prompt: str


MAKERS = {
    "blip": Maker(blip.train, "lay", CAPTION_PREFIX),
    "llava": Maker(llava.train, "clinical", CLINICAL_PROMPT),
    "idefics2": Maker(idefics2.train, "clinical", CLINICAL_PROMPT),
    "skingpt4": Maker(skingpt4.train, "clinical", descriptions.prompts()[0]),
}
TOLD = ("colour", "primary", "number", "site")


def build(name: str, recipe: dict, folder: Path) -> dict:
    """Train and save one captioner; return its size, minutes, and what it tells of other images."""
    started = time.monotonic()
    drawings = plan_drawings(f"{name}/{recipe['seed']}", recipe["pictures"])
    held = held_out(recipe["held_out"])
    pixels = draw_all(drawings + held)
    result = MAKERS[name].train(
        recipe,
        folder,
        DrawnImages(drawings, pixels[: len(drawings)]),
        DrawnImages(held, pixels[len(drawings) :]),
    )
    told = told_shares(name, folder, held[: recipe["asked"]])
    return result | {"minutes": round((time.monotonic() - started) / 60, 1), "captions": told}


def held_out(count: int) -> list[Drawing]:
    """Plan images that no captioner was trained on, the same for all."""
    return plan_drawings("held-out", count)


def told_shares(name: str, folder: Path, held: list[Drawing]) -> dict[str, float]:
    """Caption images with a saved model, and return the percentages of `shares`."""
    captions = caption(name, folder, [draw_image(drawing) for drawing in held])
    return shares(captions, held, MAKERS[name].style)


def caption(
    name: str,
    folder: Path,
    images: list[Image.Image],
    *,
    batch: int = 25,
    max_new_tokens: int = 96,
    text: str = "",
) -> list[str]:
    """Caption images with a saved model, as notebooks do.

    Args:
        text: what it is asked instead of its usual prompt.
    """
    model = load_vlm(ModelRef(str(folder)))
    asked = [ImagePrompt(image, text or MAKERS[name].prompt) for image in images]
    answers: list[Answer] = []
    for start in range(0, len(asked), batch):
        part = {str(number): prompt for number, prompt in enumerate(asked[start : start + batch])}
        answers += model.answer_batch(part, max_new_tokens=max_new_tokens)
    return [answer.text for answer in answers]


def shares(captions: list[str], held: list[Drawing], style: str) -> dict[str, float]:
    """Return the percentage of captions that tell each of `TOLD` rightly.

    Beside it, what the commonest value would reach; for clinical descriptions also precision and
    recall of the concepts that they name, over all images.
    """
    told = [descriptions.read_back(text, style) for text in captions]
    known = [facts_of(drawing) for drawing in held]
    counts = {
        fact: _percent(said.get(fact) == facts[fact] for said, facts in zip(told, known))
        for fact in TOLD
    }
    for fact in TOLD:
        values = [facts[fact] for facts in known]
        commonest = max(values, key=values.count)
        counts[f"{fact}_commonest"] = _percent(value == commonest for value in values)
    return counts | (_concept_shares(told, known) if style == "clinical" else {})


def _concept_shares(told: list[dict], known: list[dict]) -> dict[str, float]:
    """Return precision and recall of the concepts that captions name, in percent."""
    both = sum(len(said["concepts"] & set(facts["concepts"])) for said, facts in zip(told, known))
    named = sum(len(said["concepts"]) for said in told)
    there = sum(len(set(facts["concepts"])) for facts in known)
    return {
        "concepts_precision": round(100 * both / max(named, 1), 1),
        "concepts_recall": round(100 * both / there, 1),
    }


def _percent(hits: Iterable[bool]) -> float:
    counted = list(hits)
    return round(100 * sum(counted) / len(counted), 1)
