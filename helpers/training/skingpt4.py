"""SkinGPT-4's training batches, as its code makes them."""

from collections.abc import Sequence

import torch

from helpers.models.skingpt4.sequences import END, TEMPLATE, ids_of, with_places
from helpers.training.examples import NOT_LEARNT

MOST_CAPTION_TOKENS = 160  # of a training answer, its end sign included


def training_batch(
    tokenizer, prompt: str, captions: Sequence[str], *, longest: int = MOST_CAPTION_TOKENS
) -> dict[str, torch.Tensor]:
    """Make a training batch of one prompt for all and a caption for each picture.

    Only the caption and the end sign are learnt. A caption is cut behind the end sign, as the
    original does, so that a long one loses it. Padding is the end token, on the right.

    Args:
        prompt: one of `CONCEPT_PROMPTS` or `DISEASE_PROMPTS`.
        longest: tokens of a caption with its end sign.
    Returns: input_ids, attention_mask and labels, each (captions, length).
    """
    before = with_places(tokenizer, TEMPLATE.format(prompt))
    texts = [ids_of(tokenizer, caption + END)[:longest] for caption in captions]
    width = max(map(len, texts))
    rows = [before + text + [tokenizer.eos_token_id] * (width - len(text)) for text in texts]
    masks = [[1] * (len(before) + len(text)) + [0] * (width - len(text)) for text in texts]
    unlearnt = [NOT_LEARNT] * len(before)
    labels = [unlearnt + text + [NOT_LEARNT] * (width - len(text)) for text in texts]
    return {
        "input_ids": torch.tensor(rows),
        "attention_mask": torch.tensor(masks),
        "labels": torch.tensor(labels),
    }
