"""From prompt and completion to token batches: what is learnt from, in which order, and with no
padding wasted.

A record is {"prompt": text, "completion": text, "chat": bool}, both texts rendered; the completion
ends with the model's end token, and `chat` says that the prompt brings its own special tokens.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from os.path import commonprefix

from helpers.files import LabError
from helpers.training.recipe import LoraRecipe

WORTH_SHARING = (
    16  # tokens that all prompts of a batch begin with; fewer do not pay for a pass of their own
)


@dataclass(frozen=True)
class Example:
    """One tokenised record: its token ids, the place of the first one that is learnt, and whether
    its end was cut.
    """

    ids: list[int]
    first: int
    cut: bool = False


@dataclass(frozen=True)
class TrainingPlan:
    """What a training learns from, ready for its model.

    Attributes:
        train: examples by the keys that `batches` holds.
        records: how many records an epoch has.
        batches: keys of examples, batch by batch, for the whole training.
        valid: examples for the validation loss; may be empty.
        collate: examples -> the model's inputs.
        facts: what `run.json` says of them.
    """

    train: Sequence[Example]
    records: int
    batches: list[list]
    valid: Sequence[Example]
    collate: Callable[[list[Example]], dict]
    facts: dict


def plan_llm_training(
    tokenizer,
    train: list[dict],
    valid: list[dict],
    recipe: LoraRecipe,
    *,
    context: int,
    share_prompts: bool,
) -> TrainingPlan:
    """The lesson of a causal language model.

    Args:
        train, valid: records (see above); `valid` may be empty.
        context: how many tokens the model can read.
        share_prompts: the model can go on from keys and values while it trains (see
            `SftTrainer.compute_loss`).
    Raises:
        LabError: no record has anything to learn from within MAX_LENGTH.
    """
    room = min(recipe.max_length, context)
    examples, validation = (
        [
            example
            for example in encode(tokenizer, records, max_length=room, loss=recipe.loss)
            if example
        ]
        for records in (train, valid)
    )
    if not examples:
        raise LabError(
            f"MAX_LENGTH is {recipe.max_length} and the model's context {context} tokens, but "
            "every prompt alone is longer, so there is nothing to learn: raise MAX_LENGTH, or "
            "choose a MODEL with a longer context."
        )
    batches = plan_batches(
        [len(example.ids) for example in examples],
        records=recipe.records_of(len(examples)),
        per_step=recipe.records_per_step,
        batch=recipe.batch,
        seed=recipe.seed,
    )
    collator = partial(collate, pad=tokenizer.pad_token_id, share=share_prompts)
    return TrainingPlan(
        examples,
        len(examples),
        batches,
        validation,
        collator,
        {
            "training_records": len(examples),
            "records_cut": sum(example.cut for example in examples),
            "records_without_room": len(train) - len(examples),
            "validation_records": len(validation),
        },
    )


def encode(tokenizer, records: list[dict], *, max_length: int, loss: str) -> list[Example | None]:
    """Tokenise records; the prompt's ids are the very ones that generation gives the model for it.

    Args:
        max_length: in tokens; longer records are cut at the end.
        loss: "completion" learns the completion only, "whole" all tokens but the first (nothing
            predicts that one).
    Returns:
        one example per record, or None where the cut leaves nothing to learn from.
    """
    examples = []
    for record in records:
        prompt = tokenizer(record["prompt"], add_special_tokens=not record.get("chat"))
        completion = tokenizer(record["completion"], add_special_tokens=False)
        ids = prompt["input_ids"] + completion["input_ids"]
        first = 1 if loss == "whole" else max(1, len(prompt["input_ids"]))
        kept = ids[:max_length]
        examples.append(Example(kept, first, len(kept) < len(ids)) if first < len(kept) else None)
    return examples


def plan_batches(
    lengths: Sequence[int], *, records: int, per_step: int, batch: int, seed: int
) -> list[list[int]]:
    """All batches of a training, in order, so that a training taken up again meets the same
    records.

    The records go by in random passes, cut into steps. Those of a step are sorted by length before
    they are cut into batches, which leaves little padding where a step has several. What a step
    holds does not depend on `batch`, so a checkpoint made with 2 x 4 records per step is of use
    with 1 x 8. (Sorting several steps' records together leaves less padding still, but steps of
    short answers alone then weigh as much as steps of long ones: the validation loss of the pocket
    Llama was higher by 0.06 with it.)

    Args:
        lengths: tokens of each example.
        records: how many records are learnt from in all, repetitions included.
        per_step: records per optimiser step; `batch` of them go through the model at once.
    Returns:
        indices of examples, batch by batch; every step but the last has `per_step` records.
    """
    draw = random.Random(seed)
    order: list[int] = []
    while len(order) < records:
        order += draw.sample(range(len(lengths)), len(lengths))
    steps = [sorted(step, key=lambda i: lengths[i]) for step in _slices(order[:records], per_step)]
    max_side = max(range(len(steps)), key=lambda i: (len(steps[i]), lengths[steps[i][-1]]))
    steps.insert(
        0, steps.pop(max_side)
    )  # where memory is short, that shows at once and not after an hour
    return [rows for step in steps for rows in _slices(step, batch)]


def _slices(values: list, size: int) -> list[list]:
    return [values[start : start + size] for start in range(0, len(values), size)]


def collate(examples: list[Example], *, pad: int, share: bool = False) -> dict:
    """A batch padded on the right, with labels and logits only from the first learnt token of any
    record on.

    Right padding under a causal mask needs no attention mask: no token looks at what stands behind
    it. Logits are the memory peak of a training over a vocabulary of 128,000 tokens; the prompt
    needs none.

    Args:
        pad: token id of the padding.
        share: take the beginning that all prompts have in common (a template's words) out of the
            batch.
    Returns:
        `input_ids` (records, width), `labels` (records, kept) with -100 where nothing is learnt,
        and `logits_to_keep`, the number of kept columns at the end; the column before the first
        label is kept, too, because it predicts it. Where a beginning is shared, also `prefix` (1,
        shared), and `input_ids` go on from it.
    """
    import torch

    width, begin = (
        max(len(example.ids) for example in examples),
        min(example.first for example in examples) - 1,
    )
    shared = _shared(examples, begin) if share else 0
    ids = torch.full((len(examples), width), pad)
    labels = torch.full((len(examples), width), -100)
    for row, example in enumerate(examples):
        ids[row, : len(example.ids)] = torch.tensor(example.ids)
        labels[row, example.first : len(example.ids)] = torch.tensor(example.ids[example.first :])
    batch = {
        "input_ids": ids[:, shared:],
        "labels": labels[:, begin:],
        "logits_to_keep": width - begin,
    }
    return batch | ({"prefix": ids[:1, :shared]} if shared else {})


def _shared(examples: list[Example], limit: int) -> int:
    """How many tokens all records begin with, at most `limit`; 0 where sharing them does not pay."""
    count = len(commonprefix([example.ids[:limit] for example in examples]))
    return count if len(examples) > 1 and count >= WORTH_SHARING else 0
