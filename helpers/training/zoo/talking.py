"""How the chat models of the zoo learn to speak of what their towers see: conversations, as tokens,
in batches.

The tower stays as it is, so each image is looked at once; what connects it with the text tower
learns along.
"""

import random
from collections.abc import Callable

from helpers.models.prompts import CLINICAL_PROMPT
from helpers.pocket import descriptions
from helpers.training.zoo.images import Example, normal
from helpers.training.zoo.training import descend

IMAGE_TOKEN = "<image>"


def conversations(made: list[Example], seed: str, share: dict) -> list[list[tuple[str, str]]]:
    """One conversation about each image: turns of request and answer.

    `share`: of conversations that are one description ("describe"; the others are `questions` brief
    questions), and of descriptions that are asked for with the long prompt ("clinical").
    """
    rng, made_up = random.Random(seed), []
    for example in made:
        if rng.random() < share["describe"]:
            request = (
                CLINICAL_PROMPT
                if rng.random() < share["clinical"]
                else rng.choice(descriptions.prompts())
            )
            made_up.append(
                [
                    (
                        request,
                        descriptions.describe(
                            example.seen, example.view, site=example.site, style="clinical", rng=rng
                        ),
                    )
                ]
            )
        else:
            pairs = descriptions.questions(example.seen, example.view, site=example.site, rng=rng)
            made_up.append(pairs[: share["questions"]])
    return made_up


def tokens_of(
    turns: list[tuple[str, str]], tokenizer, ask: Callable, end: str
) -> tuple[list[int], list[int]]:
    """A conversation as the model reads it, and its labels: the answers with the token that ends
    each.

    Args:
        ask: number of a turn, request -> all that stands before its answer, the image included,
            as text.
        end: the token that closes an answer.
    """
    tokens, labels, last = [], [], tokenizer.convert_tokens_to_ids(end)
    begin = [tokenizer.bos_token_id]
    for number, (request, answer) in enumerate(turns):
        before = begin * (number == 0) + tokenizer.encode(ask(number, request))
        after = tokenizer.encode(f" {answer}") + [last]
        tokens += before + after
        labels += [-100] * len(before) + after
    return tokens, labels


def learn_to_speak(
    model, seen, epochs: list[list], connect: Callable, image_token: int, recipe: dict
) -> float:
    """Train the text tower and what connects it on conversations about what the tower sees; returns
    the last loss.

    Args:
        model: a chat model that sees; weights without gradient stay as they are.
        seen: what its tower sees of each image (images, patches, width of the tower).
        epochs: for each epoch the conversation about each image, as `tokens_of` writes it.
        connect: part of `seen` -> what the text tower reads in place of image tokens (images,
            places, its width).
        recipe: batch, and what `descend` needs.
    """
    batches = [
        batch
        for epoch, rows in enumerate(epochs)
        for batch in _batches(rows, recipe["batch"], epoch)
    ]

    def loss_of(batch):
        part, tokens, labels = batch
        words = model.get_input_embeddings()(tokens)
        images = connect(seen[part]).to(words.dtype)
        words = words.masked_scatter((tokens == image_token).unsqueeze(-1), images)
        return model(inputs_embeds=words, labels=labels, use_cache=False).loss

    model.train()
    loss = descend(model, batches, loss_of, recipe, "speaking")
    model.eval()
    return loss


def all_seen(look: Callable, pixels):
    """What a tower sees of all images, given as bytes (images, 3, height, width)."""
    import torch

    with torch.inference_mode():
        seen = torch.cat([look(normal(part)) for part in pixels.split(256)])
    return seen.clone()  # a tensor made in inference mode could not be trained on


def _batches(rows: list, size: int, seed: int) -> list[tuple]:
    """Batches of conversations of about the same length, padded at the end, in an order of chance.

    No attention mask is needed: nothing attends to what follows it, and padding has no labels.
    """
    import torch

    rng, batches = random.Random(seed), []
    order = sorted(range(len(rows)), key=lambda row: (len(rows[row][0]) // 16, rng.random()))
    for start in range(0, len(order), size):
        part = order[start : start + size]
        max_side = max(len(rows[row][0]) for row in part)
        padded = [
            (tokens + [0] * (max_side - len(tokens)), labels + [-100] * (max_side - len(labels)))
            for tokens, labels in (rows[row] for row in part)
        ]
        batches.append((torch.tensor(part), *(torch.tensor(column) for column in zip(*padded))))
    rng.shuffle(batches)
    return batches
