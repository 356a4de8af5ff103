"""Med-Idefics' training batches as its code makes them (Murphy 2024; csbrendan/CS231N).

The published collators put everything into one conversation and teach every word of it, the
question, the instruction and the signs of the template too: all but the picture's places and
padding. (They wrote the image token where padding stands, because the loss of their transformers
ignored that token; now -100 does.) They padded on the left, where the first token of a padded row
was predicted from padding; here padding is on the right. Whoever wants answers alone to be learnt
takes the lab's own recipe of a VLM.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from PIL import Image

from helpers.training.examples import NOT_LEARNT

# What stands before the picture, by what is trained. The single stage was trained with another
# instruction than it was evaluated with ("questions"), and for three epochs instead of two.
INSTRUCTIONS = {
    "captions": "",
    "questions": "Answer briefly.",
    "single_stage": (
        "You are an expert radiologist, briefly answer the question based on the image."
    ),
}
# Linear layers that get an adapter: 248 of Idefics2-8B, 23,326,720 numbers at rank 8.
TARGETS = (
    r".*(text_model|modality_projection|perceiver_resampler)"
    r".*(down_proj|gate_proj|up_proj|k_proj|q_proj|v_proj|o_proj).*$"
)


def conversation_text(processor: Any, instruction: str, question: str, answer: str = "") -> str:
    """Write a conversation in the model's template; without an answer, up to where it begins.

    Spaces around question and answer are kept, as they were.
    """
    content = [{"type": "text", "text": instruction}] if instruction else []
    content += [{"type": "image"}, {"type": "text", "text": question}]
    turns = [{"role": "user", "content": content}]
    if answer:
        turns.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
    text: str = processor.apply_chat_template(turns, add_generation_prompt=not answer)
    return text.strip() if answer else text


def instructed_pair(record: Mapping[str, Any]) -> tuple[str, str]:
    """Read question and caption of a row of roco-instruct: its first pair, up to the line break
    behind which the picture is named.
    """
    asked, told = record["conversations"][:2]
    return asked["value"].partition("\n")[0], told["value"]


def published_batch(
    processor: Any,
    instruction: str,
    images: Sequence[Image.Image],
    pairs: Sequence[tuple[str, str]],
) -> dict[str, torch.Tensor]:
    """Make a batch of pictures with questions and answers, everything learnt.

    A pair without a question or an answer is left out, as the original does without a word.

    Returns: the model's inputs, and labels of the shape of input_ids.
    """
    kept = [(image, pair) for image, pair in zip(images, pairs, strict=True) if all(pair)]
    texts = [conversation_text(processor, instruction, *pair) for _, pair in kept]
    batch = processor(
        text=texts,
        images=[[image] for image, _ in kept],
        padding=True,
        padding_side="right",
        return_tensors="pt",
    )
    places = processor.tokenizer.convert_tokens_to_ids("<image>")
    unlearnt = (batch["attention_mask"] == 0) | (batch["input_ids"] == places)
    return dict(batch) | {"labels": batch["input_ids"].masked_fill(unlearnt, NOT_LEARNT)}
