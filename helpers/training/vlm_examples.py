"""From an image, a question and its answers to batches of tensors for a VLM.

A training example is {"id": text, "image": path, "prompt": text, "completions": [text, ...]}, all
rendered by the model's own chat template (see `helpers.models.processors`). Images are opened late,
batch by batch.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path

import torch
from PIL import Image
from tqdm.auto import tqdm
from transformers import PreTrainedTokenizerBase, ProcessorMixin

from helpers.data.images import MAX_SIDE, BadImage, open_image
from helpers.files import LabError, WorkFailed
from helpers.models.processors import read
from helpers.models.vlm import LocalVLM
from helpers.training.augmentation import augment
from helpers.training.examples import Example, TrainingPlan, learnt_columns, plan_batches
from helpers.training.recipe import VlmRecipe


@dataclass(frozen=True, kw_only=True)
class VlmExample(Example):
    """An example with its image; `seed` decides how that is augmented, None leaves it as it is."""

    image: str
    prompt: str
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
    encoded = encode(loaded.processor, train, max_length=room, references=recipe.references)
    validation = encode(loaded.processor, valid, max_length=room, references="first")
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


def encode(
    processor: ProcessorMixin, texts: list[dict], *, max_length: int, references: str
) -> Encoded:
    """Encode training examples with their images, which are opened once to count their tokens.

    Args:
        max_length: in tokens; longer examples are cut at the end.
        references: "first", "all" or "sampled", as in `VlmRecipe`.
    """
    choices: list[list[VlmExample]] = []
    not_opened = 0
    prompt_lengths = []
    for text in tqdm(texts, desc="looking at images", unit="image", leave=False):
        try:
            image = open_image(text["image"], max_side=MAX_SIDE)
        except BadImage:
            not_opened += 1
            continue
        inputs = read(processor, [text["prompt"]], [image], padding_side="right")
        prompt = inputs["input_ids"][0].tolist()
        prompt_lengths.append(len(prompt))
        if len(prompt) >= max_length:
            continue
        answers = text["completions"][:1] if references == "first" else text["completions"]
        examples = [
            _example(processor.tokenizer, text, prompt, answer, max_length) for answer in answers
        ]
        choices += [[example] for example in examples] if references == "all" else [examples]
    return Encoded(choices, not_opened, prompt_lengths)


def _example(
    tokenizer: PreTrainedTokenizerBase, text: dict, prompt: list[int], answer: str, max_length: int
) -> VlmExample:
    ids = prompt + tokenizer(answer, add_special_tokens=False)["input_ids"]
    return VlmExample(
        ids[:max_length],
        len(prompt),
        len(ids) > max_length,
        image=text["image"],
        prompt=text["prompt"],
    )


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
    return partial(collate, encode=prompts, pad=processor.tokenizer.pad_token_id)


def encode_prompts(processor: ProcessorMixin, examples: Sequence[VlmExample]) -> dict:
    """Encode the questions with their images, padded on the right."""
    images = [_open(example) for example in examples]
    texts = [example.prompt for example in examples]
    return dict(read(processor, texts, images, padding_side="right"))


def _open(example: VlmExample) -> Image.Image:
    try:
        image = open_image(example.image, max_side=MAX_SIDE)
    except BadImage as error:  # it could be opened when the training began
        raise WorkFailed(
            f"The image {Path(example.image).name} can no longer be opened ({error}): put "
            "it back; the same command goes on from the last checkpoint."
        ) from None
    return augment(image, example.seed) if example.seed else image


def collate(
    examples: list[VlmExample], *, encode: Callable[[Sequence[VlmExample]], dict], pad: int
) -> dict:
    """Put the answers behind the encoded questions, in padded tensors for any VLM.

    Args:
        encode: examples -> the model's inputs for their prompts, padded on the right.
        pad: token id of the padding.
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
    return batch | learnt_columns(examples)


def _extend(
    name: str, values: torch.Tensor, examples: Sequence[VlmExample], pad: int
) -> torch.Tensor:
    """Extend ids, mask (1) and token types (0) of the prompts by the answers."""
    width = max(len(example.ids) for example in examples)
    filler = pad if name == "input_ids" else 0
    longer = torch.full((len(examples), width), filler, dtype=values.dtype)
    for row, example in enumerate(examples):
        longer[row, : example.first] = values[row, : example.first]
        if name == "input_ids":
            longer[row, example.first : len(example.ids)] = torch.tensor(
                example.ids[example.first :]
            )
        elif name == "attention_mask":
            longer[row, example.first : len(example.ids)] = 1
    return longer
