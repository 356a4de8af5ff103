"""From an image, a question and its answers to batches for a model that sees: one collator for all
of them.

A record is {"id": text, "image": path, "prompt": text, "completions": [text, ...]}, all rendered
by the model's own chat template (see `helpers.models.processors`). Images are opened late, batch
by batch.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from helpers.data.images import MAX_SIDE, BadImage, open_image
from helpers.files import LabError, WorkFailed
from helpers.models.processors import read
from helpers.models.vlm import LocalVLM
from helpers.training.augmentation import augment
from helpers.training.examples import Example, TrainingPlan, plan_batches
from helpers.training.recipe import VlmRecipe


@dataclass(frozen=True)
class VlmExample(Example):
    """An example with its image; `change` seeds how it is augmented, and is "" where it is shown
    as it is.
    """

    image: str = ""
    prompt: str = ""
    change: str = ""


class VlmExamples(Sequence):
    """Examples by (record, place in the training): the place decides which answer is learnt, and
    the augmentation.
    """

    def __init__(self, records: list[list[VlmExample]], recipe: VlmRecipe, *, augments: bool):
        self.records, self.recipe, self.augments = records, recipe, augments

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, key: tuple[int, int]) -> VlmExample:
        row, place = key
        chance = f"{self.recipe.seed}/{place}"
        example = random.Random(f"answer/{chance}").choice(self.records[row])
        return replace(example, change=f"picture/{chance}") if self.augments else example


def plan_vlm_training(
    loaded: LocalVLM, train: list[dict], valid: list[dict], recipe: VlmRecipe
) -> TrainingPlan:
    """The lesson of a model that sees.

    Args:
        loaded: the model as it will be trained, with its processor.
        train, valid: records (see above); those whose image cannot be opened are left out, and
            counted.
    Raises:
        LabError: no record has anything to learn from; or processor and model do not belong
            together.
    """
    room = min(recipe.max_length, loaded.context_length)
    encoded, unseen, lengths = _encoded(loaded.processor, train, room, recipe)
    validation, *_ = _encoded(loaded.processor, valid, room, replace(recipe, references="first"))
    if not encoded:
        raise LabError(_nothing_to_learn(train, unseen, lengths, room))
    draws = VlmExamples(encoded, recipe, augments=recipe.augmentation == "training")
    batches = plan_batches(
        [max(len(example.ids) for example in row) for row in encoded],
        records=recipe.records_of(len(encoded)),
        per_step=recipe.records_per_step,
        batch=recipe.batch,
        seed=recipe.seed,
    )
    places = iter(range(recipe.records_of(len(encoded))))
    # The authors' slip: what measures the progress was changed by chance, too.
    slipped = draws.augments and recipe.slips == "authors"
    shown = VlmExamples(validation, recipe, augments=slipped)
    return TrainingPlan(
        draws,
        len(encoded),
        [[(row, next(places)) for row in rows] for rows in batches],
        [shown[row, row] for row in range(len(validation))],
        VlmCollator(loaded),
        {
            "training_records": len(encoded),
            "records_cut": sum(example.cut for row in encoded for example in row),
            "pictures_not_opened": unseen,
            "records_without_room": len(lengths) - len(encoded),
            "validation_records": len(validation),
        },
    )


def _encoded(
    processor, records: list[dict], room: int, recipe: VlmRecipe
) -> tuple[list, int, list[int]]:
    """Examples of each record (one, or one for each answer that may be drawn), how many images
    could not be opened, and how many tokens each prompt has with its image."""
    from tqdm.auto import tqdm

    encoded, unseen, lengths = [], 0, []
    for record in tqdm(records, desc="looking at images", unit="image", leave=False):
        try:
            image = open_image(record["image"], max_side=MAX_SIDE)
        except BadImage:
            unseen += 1
            continue
        prompt = read(processor, [record["prompt"]], [image], padding_side="right")["input_ids"][
            0
        ].tolist()
        answers = (
            record["completions"] if recipe.references != "first" else record["completions"][:1]
        )
        rows = [_example(processor.tokenizer, record, prompt, answer, room) for answer in answers]
        rows = [row for row in rows if row]
        lengths.append(len(prompt))
        if rows:
            encoded += [[row] for row in rows] if recipe.references == "all" else [rows]
    return encoded, unseen, lengths


def _example(
    tokenizer, record: dict, prompt: list[int], answer: str, room: int
) -> VlmExample | None:
    ids = prompt + tokenizer(answer, add_special_tokens=False)["input_ids"]
    if len(prompt) >= room:
        return None
    return VlmExample(ids[:room], len(prompt), len(ids) > room, record["image"], record["prompt"])


def _nothing_to_learn(records: list[dict], unseen: int, lengths: list[int], room: int) -> str:
    if unseen == len(records):
        return (
            f"{len(records)} training cases were to be learnt with their images, but none of the "
            "images can be opened: run check-data on the data set, and put them where the README "
            "says."
        )
    return (
        f"A question with its image has {min(lengths)} tokens or more, but VLM_MAX_LENGTH and "
        f"the model's context leave {room}, so there is nothing to learn: lower PICTURE_SIDE, "
        "raise VLM_MAX_LENGTH, or choose another VLM."
    )


class VlmCollator:
    """Examples -> padded tensors for any model that sees: the processor's own, with the answers put
    behind them.

    Labels and logits begin with the first learnt token of any record, as in `records.collate`.
    """

    def __init__(self, loaded: LocalVLM):
        self.processor = loaded.processor
        self.pad = loaded.processor.tokenizer.pad_token_id

    def prompts(self, examples: list[VlmExample]) -> dict:
        """The questions with their images, padded on the right."""
        images = [self._image(example) for example in examples]
        return read(
            self.processor, [example.prompt for example in examples], images, padding_side="right"
        )

    def __call__(self, examples: list[VlmExample]) -> dict:
        import torch

        inputs = self.prompts(examples)
        width, begin = (
            max(len(example.ids) for example in examples),
            min(example.first for example in examples) - 1,
        )
        asked, labels = inputs["input_ids"].shape, torch.full((len(examples), width), -100)
        batch = {  # what has one number for each token, such as the mask, gets longer by the answers
            name: self._longer(name, values, examples, width)
            if getattr(values, "shape", None) == asked
            else values
            for name, values in inputs.items()
        }
        for row, example in enumerate(examples):
            labels[row, example.first : len(example.ids)] = torch.tensor(
                example.ids[example.first :]
            )
        return batch | {"labels": labels[:, begin:], "logits_to_keep": width - begin}

    def _longer(self, name: str, values, examples: list[VlmExample], width: int):
        """The numbers of prompts and answers: answers count in the mask, and are words in what
        tells words apart.
        """
        import torch

        longer = torch.full(
            (len(examples), width), self.pad if name == "input_ids" else 0, dtype=values.dtype
        )
        for row, example in enumerate(examples):
            longer[row, : example.first] = values[row, : example.first]
            longer[row, example.first : len(example.ids)] = {
                "input_ids": torch.tensor(example.ids[example.first :]),
                "attention_mask": 1,
            }.get(name, 0)
        return longer

    def _image(self, example: VlmExample):
        try:
            image = open_image(example.image, max_side=MAX_SIDE)
        except BadImage as error:  # it could be opened when the training began
            raise WorkFailed(
                f"The image {Path(example.image).name} can no longer be opened ({error}): put "
                "it back; the same command goes on from the last checkpoint."
            ) from None
        return augment(image, example.change) if example.change else image
