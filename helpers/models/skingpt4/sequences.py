"""The texts of SkinGPT-4, word for word, and the token sequences that its code makes of them.

Each piece of a text is tokenized by itself and without special tokens, so that each begins with
Llama's prefix space; one begin token stands before everything.
"""

from collections.abc import Sequence

import torch

from helpers.models.skingpt4.model import MOST_CAPTION_TOKENS, QUERIES

END = "###"
PLACE = "<ImageHere>"
TEMPLATE = "###Human: {} ###Assistant: "
# Published as alignment_concept.txt and alignment_skin.txt; of step 2 one is drawn for each batch.
CONCEPT_PROMPTS = (
    "<Img><ImageHere></Img> Could you describe the medical concepts of skin disease in this image "
    "for me?",
)
DISEASE_PROMPTS = (
    "<Img><ImageHere></Img> What's wrong with my skin?",
    "<Img><ImageHere></Img> Could you describe the skin disease in this image for me?",
)
CHAT = (
    "Give the following image: <Img>ImageContent</Img>. You will be able to see the image once I "
    "provide it to you. Please answer my questions.###Human: <Img><ImageHere></Img> {}###Assistant:"
)
# The four questions of the clinical evaluation, asked one after the other.
CLINICAL_QUESTIONS = (
    "Could you describe the skin disease in this image for me?",
    "Please provide a paragraph listing additional features you observed in the image.",
    "Based on the previous information, please provide a detailed explanation of the cause of this "
    "skin disease.",
    "What treatment and medication should be recommended for this case?",
)
IGNORED = -100


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
    before = _with_places(tokenizer, TEMPLATE.format(prompt))
    texts = [_ids(tokenizer, caption + END)[:longest] for caption in captions]
    width = max(map(len, texts))
    rows = [before + text + [tokenizer.eos_token_id] * (width - len(text)) for text in texts]
    masks = [[1] * (len(before) + len(text)) + [0] * (width - len(text)) for text in texts]
    labels = [[IGNORED] * len(before) + text + [IGNORED] * (width - len(text)) for text in texts]
    return {
        "input_ids": torch.tensor(rows),
        "attention_mask": torch.tensor(masks),
        "labels": torch.tensor(labels),
    }


def chat_ids(tokenizer, question: str) -> list[int]:
    """Return the tokens of the demo's first question about a picture.

    Its prompt ends in "Assistant:", where training has a space behind: the original's mismatch.
    """
    return _with_places(tokenizer, CHAT.format(question))


def answer_of(text: str) -> str:
    """Cut an answer as the demo does: up to the end sign, behind the last "Assistant:"."""
    return text.partition(END)[0].rpartition("Assistant:")[2].strip()


def _with_places(tokenizer, text: str) -> list[int]:
    """Tokenize a text with a picture's places in it, the begin token first."""
    before, _, after = text.partition(PLACE)
    places = [tokenizer.unk_token_id] * QUERIES
    return [tokenizer.bos_token_id, *_ids(tokenizer, before), *places, *_ids(tokenizer, after)]


def _ids(tokenizer, text: str) -> list[int]:
    found: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return found
