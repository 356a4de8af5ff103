"""The shipped models that see: images are drawn, a captioner is trained and saved, and then asked
about others.

The figures come from the saved model, loaded as every other one is, on images of seeds it has not
seen.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from helpers.cases import Answer
from helpers.models.base import ImagePrompt
from helpers.models.prompts import CAPTION_PREFIX, CLINICAL_PROMPT
from helpers.models.refs import ModelRef
from helpers.models.vlm import load_vlm
from helpers.pocket import descriptions
from helpers.training.zoo import blip, idefics2, llava
from helpers.training.zoo.images import Example, examples, image, pixels
from helpers.training.zoo.vision import stated


@dataclass(frozen=True)
class Maker:
    """How a captioner is made: what trains it, how it speaks (see `descriptions`), and what it is
    asked.
    """

    train: Callable
    style: str
    prompt: str


MAKERS = {
    "blip": Maker(blip.train, "lay", CAPTION_PREFIX),
    "llava": Maker(llava.train, "clinical", CLINICAL_PROMPT),
    "idefics2": Maker(idefics2.train, "clinical", CLINICAL_PROMPT),
}
TOLD = ("colour", "primary", "number", "site")


def build(name: str, recipe: dict, folder: Path) -> dict:
    """Train and save one captioner; returns its size, its minutes, and what it tells of held-out
    images.
    """
    started = time.monotonic()
    made, held = (
        examples(f"{name}/{recipe['seed']}", recipe["pictures"]),
        held_out(recipe["held_out"]),
    )
    drawn = pixels(made + held)
    result = MAKERS[name].train(
        recipe, folder, (made, drawn[: len(made)]), (held, drawn[len(made) :])
    )
    told, _ = told_shares(name, folder, held[: recipe["asked"]])
    return result | {"minutes": round((time.monotonic() - started) / 60, 1), "captions": told}


def held_out(count: int) -> list[Example]:
    """Images that no captioner was trained on, the same for all."""
    return examples("held-out", count)


def told_shares(name: str, folder: Path, held: list[Example]) -> tuple[dict, list[str]]:
    """What the captions of a saved model tell: the percentages of `shares`, and the captions."""
    captions = caption(name, folder, [image(example) for example in held])
    return shares(captions, held, MAKERS[name].style), captions


def caption(
    name: str,
    folder: Path,
    images: list,
    *,
    batch: int = 25,
    max_new_tokens: int = 96,
    text: str = "",
) -> list[str]:
    """Caption images with a saved model, as notebooks do; `text` is what it is asked instead of
    its usual prompt.
    """
    model = load_vlm(ModelRef(str(folder)))
    asked = [ImagePrompt(image, text or MAKERS[name].prompt) for image in images]
    answers: list[Answer] = []
    for start in range(0, len(asked), batch):
        part = {str(number): prompt for number, prompt in enumerate(asked[start : start + batch])}
        answers += model.answer_batch(part, max_new_tokens=max_new_tokens)
    return [answer.text for answer in answers]


def shares(captions: list[str], held: list[Example], style: str) -> dict[str, float]:
    """The percentage of captions that tell each of `TOLD` rightly, and what the commonest value
    would reach.

    For clinical descriptions also precision and recall of the concepts that they name, over all
    images.
    """
    told, known = (
        [descriptions.read_back(text, style) for text in captions],
        [stated(example) for example in held],
    )
    counts = {
        fact: _percent(row.get(fact) == truth[fact] for row, truth in zip(told, known))
        for fact in TOLD
    }
    for fact in TOLD:
        values = [truth[fact] for truth in known]
        counts[f"{fact}_commonest"] = _percent(
            value == max(values, key=values.count) for value in values
        )
    if style == "clinical":
        both = sum(len(row["concepts"] & set(truth["concepts"])) for row, truth in zip(told, known))
        counts["concepts_precision"] = round(
            100 * both / max(sum(len(row["concepts"]) for row in told), 1), 1
        )
        counts["concepts_recall"] = round(
            100 * both / sum(len(set(truth["concepts"])) for truth in known), 1
        )
    return counts


def by_group(captions: list[str], held: list[Example], style: str, group) -> dict:
    """`shares` of the captions of each group; `group` gives an example's, such as its condition."""
    parts = defaultdict(list)
    for text, example in zip(captions, held):
        parts[group(example)].append((text, example))
    return {key: shares(*map(list, zip(*parts[key])), style) for key in sorted(parts)}


def _percent(hits) -> float:
    hits = list(hits)
    return round(100 * sum(hits) / len(hits), 1)
