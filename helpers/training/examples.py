"""From prompt and completion to batches of tokens, in a fixed order and with little padding.

A training example is {"prompt": text, "completion": text, "chat": bool}, both texts rendered; the
completion ends with the model's end token, and `chat` says that the prompt brings its own special
tokens. `Example` is what becomes of it in tokens.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import Generic, TypeVar

import torch
from transformers import PreTrainedTokenizerBase

from helpers.files import LabError
from helpers.training.recipe import LoraRecipe

NOT_LEARNT = -100  # the label that transformers' losses leave out


@dataclass(frozen=True)
class Example:
    """A training example in tokens.

    Attributes:
        ids: token ids of prompt and completion.
        first: the place of the first token that is learnt.
        cut: the end was cut off.
    """

    ids: list[int]
    first: int
    cut: bool = False

    @property
    def learnt(self) -> int:
        """How many tokens are learnt."""
        return len(self.ids) - self.first


AnyExample = TypeVar("AnyExample", bound=Example)


@dataclass(frozen=True)
class TrainingPlan(Generic[AnyExample]):
    """What a training learns from, ready for its model.

    Attributes:
        batches: the examples of the whole training, batch by batch.
        per_epoch: how many examples an epoch has.
        valid: examples for the validation loss; may be empty.
        collate: examples -> the model's inputs.
        facts: what `run.json` says of them.
    """

    batches: list[list[AnyExample]]
    per_epoch: int
    valid: list[AnyExample]
    collate: Callable[[list[AnyExample]], dict]
    facts: dict

    @property
    def train(self) -> list[AnyExample]:
        """The examples in the order in which they are learnt, repetitions included."""
        return [example for batch in self.batches for example in batch]


def plan_llm_training(
    tokenizer: PreTrainedTokenizerBase,
    train: list[dict],
    valid: list[dict],
    recipe: LoraRecipe,
    *,
    context: int,
    packs: bool,
) -> TrainingPlan[Example]:
    """Plan the training of a causal language model.

    Args:
        train, valid: training examples as texts (see above); `valid` may be empty.
        context: how many tokens the model can read.
        packs: lay a batch out as one row, see `pack`; otherwise it is padded, see `collate`.
    Raises:
        LabError: no example has anything to learn from within `max_length`.
    """
    room = min(recipe.max_length, context)
    examples = encode_with_room(tokenizer, train, max_length=room, loss=recipe.loss)
    validation = encode_with_room(tokenizer, valid, max_length=room, loss=recipe.loss)
    if not examples:
        raise LabError(
            f"`max_length` is {recipe.max_length} and the model's context {context} tokens, but "
            "every prompt alone is longer, so there is nothing to learn: raise `max_length`, or "
            "choose a `model` with a longer context."
        )
    batches = plan_batches([len(example.ids) for example in examples], recipe)
    facts = {
        "training_records": len(examples),
        "records_cut": sum(example.cut for example in examples),
        "records_without_room": len(train) - len(examples),
        "validation_records": len(validation),
    }
    return TrainingPlan(
        [[examples[index] for index in batch] for batch in batches],
        len(examples),
        validation,
        pack if packs else partial(collate, pad=tokenizer.pad_token_id),
        facts,
    )


def encode_with_room(
    tokenizer: PreTrainedTokenizerBase, texts: list[dict], *, max_length: int, loss: str
) -> list[Example]:
    """Encode training examples, without those that leave nothing to learn."""
    encoded = encode(tokenizer, texts, max_length=max_length, loss=loss)
    return [example for example in encoded if example]


def encode(
    tokenizer: PreTrainedTokenizerBase, texts: list[dict], *, max_length: int, loss: str
) -> list[Example | None]:
    """Encode training examples; a prompt's ids are the very ones that generation gives the model.

    Args:
        max_length: in tokens; longer examples are cut at the end.
        loss: "completion" learns the completion only, "whole" all tokens but the first (nothing
            predicts that one).
    Returns:
        one example per text, or None where the cut leaves nothing to learn from.
    """
    examples: list[Example | None] = []
    for text in texts:
        prompt = tokenizer(text["prompt"], add_special_tokens=not text.get("chat"))["input_ids"]
        completion = tokenizer(text["completion"], add_special_tokens=False)["input_ids"]
        ids = prompt + completion
        first = 1 if loss == "whole" else max(1, len(prompt))
        kept = ids[:max_length]
        has_room = first < len(kept)
        examples.append(Example(kept, first, len(kept) < len(ids)) if has_room else None)
    return examples


def plan_batches(lengths: Sequence[int], recipe: LoraRecipe) -> list[list[int]]:
    """Plan all batches of a training, so that one taken up again meets the same examples.

    The examples go by in random passes, cut into steps. Those of a step are sorted by length before
    they are cut into batches, which leaves little padding where a step has several. What a step
    holds does not depend on `batch`, so a checkpoint made with 2 x 4 examples per step is of use
    with 1 x 8. (Sorting several steps' examples together leaves less padding still, but steps of
    short answers alone then weigh as much as steps of long ones: the validation loss of the pocket
    Llama was higher by 0.06 with it.)

    Args:
        lengths: tokens of each example.
    Returns:
        indices of examples, batch by batch; every step but the last has as many as the recipe says.
    """
    draw = random.Random(recipe.seed)
    total = recipe.count_examples(len(lengths))
    order: list[int] = []
    while len(order) < total:
        order += draw.sample(range(len(lengths)), len(lengths))
    steps = _slices(order[:total], recipe.examples_per_step)
    steps = [sorted(step, key=lambda index: lengths[index]) for step in steps]
    longest = max(range(len(steps)), key=lambda i: (len(steps[i]), lengths[steps[i][-1]]))
    # Where memory is short, that shows at once and not after an hour.
    steps.insert(0, steps.pop(longest))
    return [batch for step in steps for batch in _slices(step, recipe.batch)]


def _slices(values: list[int], size: int) -> list[list[int]]:
    return [values[start : start + size] for start in range(0, len(values), size)]


def pack(examples: list[Example]) -> dict:
    """Lay a batch out as one row without padding: what all prompts begin with (a template's words),
    once, then the rest of each example.

    The mask lets a token see the common beginning and what stands before it in its own example, so
    the result is that of the examples one by one. Prompts are mostly template and answers short, so
    this is less than half the work.

    Returns:
        `input_ids` and `position_ids` (1, tokens), `attention_mask` (1, 1, tokens, tokens) of
        booleans, as "sdpa" attention takes them, `logits_to_keep`: the places (learnt,) that
        predict a learnt token, and `labels` and `shift_labels` (1, learnt): those tokens.
    """
    shared = _shared(examples, min(example.first for example in examples) - 1)
    ids, positions, owners = examples[0].ids[:shared], list(range(shared)), [0] * shared
    places: list[int] = []
    labels: list[int] = []
    for owner, example in enumerate(examples, start=1):
        offset = len(ids) - shared  # from a place in the example to one in the row
        places += range(offset + example.first - 1, offset + len(example.ids) - 1)
        labels += example.ids[example.first :]
        ids += example.ids[shared:]
        positions += range(shared, len(example.ids))
        owners += [owner] * (len(example.ids) - shared)
    owner_of = torch.tensor(owners)
    seen = (owner_of == 0) | (owner_of == owner_of[:, None])
    return {
        "input_ids": torch.tensor([ids]),
        "position_ids": torch.tensor([positions]),
        "attention_mask": seen.tril()[None, None],
        "logits_to_keep": torch.tensor(places),
        "labels": torch.tensor([labels]),
        "shift_labels": torch.tensor([labels]),
    }


def collate(examples: list[Example], *, pad: int) -> dict:
    """Pad a batch on the right, with labels only from the first learnt token of any example on.

    Right padding under a causal mask needs no attention mask: no token looks at what stands behind
    it. Logits are the memory peak of a training over a vocabulary of 128,000 tokens; the prompt
    needs none.

    Args:
        pad: token id of the padding.
    Returns:
        `input_ids` (examples, width), and what `learnt_columns` gives.
    """
    width = max(len(example.ids) for example in examples)
    ids = torch.full((len(examples), width), pad)
    for row, example in enumerate(examples):
        ids[row, : len(example.ids)] = torch.tensor(example.ids)
    return {"input_ids": ids} | learnt_columns(examples)


def learnt_columns(examples: Sequence[Example]) -> dict:
    """Give the labels of a batch, and how many columns at its end need logits.

    Returns:
        `labels` (examples, kept) with -100 where nothing is learnt, and `logits_to_keep`, the
        number of kept columns; the column before the first label is kept, too, because it predicts
        it.
    """
    width = max(len(example.ids) for example in examples)
    begin = min(example.first for example in examples) - 1
    labels = torch.full((len(examples), width), NOT_LEARNT)
    for row, example in enumerate(examples):
        labels[row, example.first : len(example.ids)] = torch.tensor(example.ids[example.first :])
    return {"labels": labels[:, begin:], "logits_to_keep": width - begin}


def _shared(examples: Sequence[Example], limit: int) -> int:
    """Count the tokens (at most `limit`) that all begin with."""
    columns = zip(*(example.ids[:limit] for example in examples))
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))
