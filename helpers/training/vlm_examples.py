"""From an image, a question and its answers to batches of tensors for a VLM.

A training example is {"id": text, "image": path, "prompt": text, "completions": [text, ...]}, all
rendered by the model's own chat template (see `helpers.models.processors`). Images are opened late,
batch by batch.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count

import torch
from tqdm.auto import tqdm
from transformers import PreTrainedTokenizerBase, ProcessorMixin

from helpers.data.images import BadImage
from helpers.files import LabError
from helpers.models.processors import read
from helpers.models.vlm import LocalVLM
from helpers.training.examples import (
    NOT_LEARNT,
    Example,
    TrainingPlan,
    learnt_columns,
    plan_batches,
)
from helpers.training.learnt_images import gone, open_ahead, open_learnt
from helpers.training.recipe import VlmRecipe


@dataclass(frozen=True, kw_only=True)
class VlmExample(Example):
    """An example with its image.

    Attributes:
        asked: how many tokens the prompt has.
        seed: decides how the image is augmented; None leaves it as it is.
    """

    image: str
    prompt: str
    asked: int
    seed: str | None = None


@dataclass(frozen=True)
class Encoded:
    """Training examples in tokens.

    Attributes:
        choices: for each training example what may be learnt from it: one answer, or several of
            which one is drawn each time.
        not_opened: how many images could not be opened.
        prompt_lengths: tokens of each prompt with its image.
    """

    choices: list[list[VlmExample]]
    not_opened: int
    prompt_lengths: list[int]


def plan_vlm_training(
    loaded: LocalVLM, train: list[dict], valid: list[dict], recipe: VlmRecipe
) -> TrainingPlan[VlmExample]:
    """Plan the training of a VLM.

    Args:
        loaded: the model as it will be trained, with its processor.
        train, valid: training examples as texts (see above); those whose image cannot be opened are
            left out, and counted.
    Raises:
        LabError: no example has anything to learn from; or processor and model do not belong
            together.
    """
    room = min(recipe.max_length, loaded.context_length)
    encoded = encode(loaded.processor, train, recipe, room)
    validation = encode(loaded.processor, valid, recipe.but(references="first"), room)
    if not encoded.choices:
        raise LabError(_nothing_to_learn(train, encoded, room))
    facts = {
        "training_records": len(encoded.choices),
        "records_cut": sum(example.cut for choices in encoded.choices for example in choices),
        "pictures_not_opened": encoded.not_opened,
        "records_without_room": len(encoded.prompt_lengths) - len(encoded.choices),
        "validation_records": len(validation.choices),
    }
    return TrainingPlan(
        _draw_batches(encoded.choices, recipe),
        len(encoded.choices),
        _draw_validation([choices[0] for choices in validation.choices], recipe),
        live_collator(loaded.processor),
        facts,
    )


def _draw_batches(choices: list[list[VlmExample]], recipe: VlmRecipe) -> list[list[VlmExample]]:
    """Draw what is learnt at each place of the training: which answer, and how augmented."""
    lengths = [max(len(example.ids) for example in one) for one in choices]
    places = count()
    return [
        [_draw(choices[index], next(places), recipe) for index in batch]
        for batch in plan_batches(lengths, recipe)
    ]


def _draw(choices: list[VlmExample], place: int, recipe: VlmRecipe) -> VlmExample:
    example = random.Random(f"answer/{recipe.seed}/{place}").choice(choices)
    return _augmented(example, place, recipe) if recipe.augmentation == "training" else example


def _draw_validation(examples: list[VlmExample], recipe: VlmRecipe) -> list[VlmExample]:
    """Leave validation images as they are, but for the slip of VisionQAries' authors."""
    if recipe.augmentation == "training" and recipe.slips == "authors":
        return [_augmented(example, place, recipe) for place, example in enumerate(examples)]
    return examples


def _augmented(example: VlmExample, place: int, recipe: VlmRecipe) -> VlmExample:
    return replace(example, seed=f"picture/{recipe.seed}/{place}")


def encode(processor: ProcessorMixin, texts: list[dict], recipe: VlmRecipe, room: int) -> Encoded:
    """Encode training examples with their images, which are opened once to count their tokens.

    Args:
        room: in tokens; longer examples are cut at the end.
    """
    choices: list[list[VlmExample]] = []
    not_opened = 0
    prompt_lengths = []
    opened = open_ahead([text["image"] for text in texts])
    for text, image in tqdm(
        zip(texts, opened), total=len(texts), desc="looking at images", unit="image", leave=False
    ):
        if isinstance(image, BadImage):
            not_opened += 1
            continue
        inputs = read(processor, [text["prompt"]], [image], padding_side="right")
        prompt = inputs["input_ids"][0].tolist()
        prompt_lengths.append(len(prompt))
        if len(prompt) >= room:
            continue
        answers = text["completions"][: 1 if recipe.references == "first" else None]
        examples = [
            _cut(_example(processor.tokenizer, text, prompt, answer, recipe.loss), room)
            for answer in answers
        ]
        choices += [[example] for example in examples] if recipe.references == "all" else [examples]
    return Encoded(choices, not_opened, prompt_lengths)


def describe_tokens(
    processor: ProcessorMixin, text: dict, recipe: VlmRecipe
) -> list[tuple[str, bool]]:
    """List the tokens of a training example as text, each with whether it is learnt; of an image's
    places, one stands for all.

    Raises:
        LabError: the example has nothing to learn in `max_length` tokens, or no good image.
    """
    encoded = encode(processor, [text], recipe, recipe.max_length)
    if not encoded.choices:
        raise LabError(_nothing_to_learn([text], encoded, recipe.max_length))
    (example, *_), places = encoded.choices[0], places_of(processor.tokenizer)
    found = []
    for place, token in enumerate(example.ids):
        if token != places:
            found.append((processor.tokenizer.decode([token]), place >= example.first))
        elif example.ids[place - 1] != places:
            found.append((f"({example.ids.count(places)} places of the image)", False))
    return found


def _example(
    tokenizer: PreTrainedTokenizerBase, text: dict, prompt: list[int], answer: str, loss: str
) -> VlmExample:
    """Put prompt and answer together. Where the whole is learnt, as Med-Idefics did, it is so from
    its second token on, and without space at its end.
    """
    whole = loss == "whole"
    said = tokenizer(answer.rstrip() if whole else answer, add_special_tokens=False)["input_ids"]
    return VlmExample(
        prompt + said,
        1 if whole else len(prompt),
        image=text["image"],
        prompt=text["prompt"],
        asked=len(prompt),
    )


def _cut(example: VlmExample, room: int) -> VlmExample:
    return replace(example, ids=example.ids[:room], cut=len(example.ids) > room)


def _nothing_to_learn(texts: list[dict], encoded: Encoded, room: int) -> str:
    if encoded.not_opened == len(texts):
        return (
            f"{len(texts)} training cases were to be learnt with their images, but none of the "
            "images can be opened: run check-data on the data set, and put them where the README "
            "says."
        )
    return (
        f"A question with its image has {min(encoded.prompt_lengths)} tokens or more, but "
        f"`max_length` and the model's context leave {room}, so there is nothing to learn: lower "
        "`max_side`, raise `max_length`, or choose another `model`."
    )


def live_collator(processor: ProcessorMixin) -> Callable[[list[VlmExample]], dict]:
    """Give what makes batches of images in pixels."""
    prompts = partial(encode_prompts, processor)
    tokenizer = processor.tokenizer
    return partial(collate, encode=prompts, pad=tokenizer.pad_token_id, places=places_of(tokenizer))


def places_of(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Return the token that stands for a part of an image; None where there is no such token."""
    named = getattr(tokenizer, "image_token_id", None)
    return named if named is not None else tokenizer.get_vocab().get("<image>")


def encode_prompts(processor: ProcessorMixin, examples: Sequence[VlmExample]) -> dict:
    """Encode the questions with their images, padded on the right."""
    images = [open_learnt(example.image, example.seed) for example in examples]
    texts = [example.prompt for example in examples]
    return dict(read(processor, texts, images, padding_side="right"))


def open_prompts(
    processor: ProcessorMixin, examples: Sequence[VlmExample]
) -> Iterator[dict[str, torch.Tensor]]:
    """Encode questions with their images one by one, as they are; the next images are opened
    meanwhile.
    """
    opened = open_ahead([example.image for example in examples])
    for example, image in zip(examples, opened):
        if isinstance(image, BadImage):
            raise gone(example.image, image)
        yield dict(read(processor, [example.prompt], [image], padding_side="right"))


def collate(
    examples: list[VlmExample],
    *,
    encode: Callable[[Sequence[VlmExample]], dict],
    pad: int,
    places: int | None,
) -> dict:
    """Put the answers behind the encoded questions, in padded tensors for any VLM.

    Args:
        encode: examples -> the model's inputs for their prompts, padded on the right.
        pad: token id of the padding.
        places: token id of an image's places, which are never learnt.
    Returns:
        the inputs, and what `learnt_columns` gives.
    """
    inputs = encode(examples)
    by_token = inputs["input_ids"].shape
    batch = {
        name: _extend(name, values, examples, pad)
        if getattr(values, "shape", None) == by_token
        else values
        for name, values in inputs.items()
    }
    learnt = learnt_columns(examples)
    if places is not None:
        learnt["labels"] = learnt["labels"].masked_fill(learnt["labels"] == places, NOT_LEARNT)
    return batch | learnt


def _extend(
    name: str, values: torch.Tensor, examples: Sequence[VlmExample], pad: int
) -> torch.Tensor:
    """Extend ids, mask (1) and token types (0) of the prompts by the answers."""
    width = max(len(example.ids) for example in examples)
    filler = pad if name == "input_ids" else 0
    longer = torch.full((len(examples), width), filler, dtype=values.dtype)
    for row, example in enumerate(examples):
        longer[row, : example.asked] = values[row, : example.asked]
        if name == "input_ids":
            longer[row, example.asked : len(example.ids)] = torch.tensor(
                example.ids[example.asked :]
            )
        elif name == "attention_mask":
            longer[row, example.asked : len(example.ids)] = 1
    return longer
