"""How the chat models of the zoo learn to speak of what their towers see: conversations in tokens.

The tower stays as it is, so each image is looked at once; what connects it with the text tower
learns along.
"""

import random
from collections.abc import Callable

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.models.prompts import CLINICAL_PROMPT
from helpers.pocket import descriptions
from helpers.training.zoo.images import Drawing
from helpers.training.zoo.training import descend

IMAGE_TOKEN = "<image>"

Turns = list[tuple[str, str]]  # requests and answers
Encoded = tuple[list[int], list[int]]  # tokens and labels of a conversation


def conversations(drawings: list[Drawing], seed: str, share: dict) -> list[Turns]:
    """Make up one conversation about each image.

    Args:
        share: of conversations that are one description ("describe"; the others are `questions`
            brief questions), and of descriptions that are asked for with the long prompt
            ("clinical").
    """
    rng = random.Random(seed)
    return [_conversation(drawing, share, rng) for drawing in drawings]


def _conversation(drawing: Drawing, share: dict, rng: random.Random) -> Turns:
    if rng.random() >= share["describe"]:
        pairs = descriptions.questions(drawing.seen, drawing.view, site=drawing.site, rng=rng)
        return pairs[: share["questions"]]
    asks_long = rng.random() < share["clinical"]
    request = CLINICAL_PROMPT if asks_long else rng.choice(descriptions.prompts())
    answer = descriptions.describe(
        drawing.seen, drawing.view, site=drawing.site, style="clinical", rng=rng
    )
    return [(request, answer)]


def encode_turns(
    turns: Turns, tokenizer: PreTrainedTokenizerBase, ask: Callable[[int, str], str], end: str
) -> Encoded:
    """Encode a conversation as the model reads it, with the answers and their ends as labels.

    Args:
        ask: number of a turn, request -> all that stands before its answer, the image included,
            as text.
        end: the token that closes an answer.
    """
    tokens: list[int] = []
    labels: list[int] = []
    last = tokenizer.convert_tokens_to_ids(end)
    for number, (request, answer) in enumerate(turns):
        first = [tokenizer.bos_token_id] if number == 0 else []
        before = first + tokenizer.encode(ask(number, request))
        after = tokenizer.encode(f" {answer}") + [last]
        tokens += before + after
        labels += [-100] * len(before) + after
    return tokens, labels


def learn_to_speak(
    model: PreTrainedModel,
    seen: torch.Tensor,
    epochs: list[list[Encoded]],
    connect: Callable[[torch.Tensor], torch.Tensor],
    image_token: int,
    recipe: dict,
) -> float:
    """Train text tower and connector on conversations about images; return the last loss.

    Args:
        model: a chat VLM; weights without gradient stay as they are.
        seen: what its tower sees of each image (images, patches, width of the tower).
        epochs: for each epoch the conversation about each image.
        connect: part of `seen` -> what the text tower reads in place of image tokens (images,
            places, its width).
        recipe: batch, and what `descend` needs.
    """
    batches = [
        batch
        for epoch, encoded in enumerate(epochs)
        for batch in _batches(encoded, recipe["batch"], epoch)
    ]

    def loss_of(batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        part, tokens, labels = batch
        words = model.get_input_embeddings()(tokens)
        images = connect(seen[part]).to(words.dtype)
        words = words.masked_scatter((tokens == image_token).unsqueeze(-1), images)
        return model(inputs_embeds=words, labels=labels, use_cache=False).loss

    model.train()
    loss = descend(model, batches, loss_of, recipe, "speaking")
    model.eval()
    return loss


def _batches(encoded: list[Encoded], size: int, seed: int) -> list[tuple[torch.Tensor, ...]]:
    """Batch conversations of about the same length, padded at the end, in a random order.

    A batch is the numbers of its images, tokens, and labels. No attention mask is needed: nothing
    attends to what follows it, and padding has no labels.
    """
    rng = random.Random(seed)
    order = sorted(range(len(encoded)), key=lambda row: (len(encoded[row][0]) // 16, rng.random()))
    batches = [_pad(order[start : start + size], encoded) for start in range(0, len(order), size)]
    rng.shuffle(batches)
    return batches


def _pad(part: list[int], encoded: list[Encoded]) -> tuple[torch.Tensor, ...]:
    width = max(len(encoded[row][0]) for row in part)
    tokens = [_filled(encoded[row][0], 0, width) for row in part]
    labels = [_filled(encoded[row][1], -100, width) for row in part]
    return torch.tensor(part), torch.tensor(tokens), torch.tensor(labels)


def _filled(values: list[int], filler: int, width: int) -> list[int]:
    return values + [filler] * (width - len(values))
