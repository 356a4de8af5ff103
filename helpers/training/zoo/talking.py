"""How the chat models of the zoo learn to speak of what their towers see: conversations in tokens.

Most are descriptions and brief questions, which name no condition. Others are legends, as under the
figures of a book: most of them name it. A model that has read such figures can later be taught, by
a few hundred answers, to name what it sees; one that has not cannot be.

The tower stays as it is, so each image is looked at once; what connects it with the text tower
learns along.
"""

import random
from collections.abc import Callable

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.models.prompts import CLINICAL_PROMPT
from helpers.pocket import descriptions
from helpers.pocket.conditions import by_id
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


def legends(drawings: list[Drawing], seed: str, share: dict) -> list[Turns]:
    """Make up the legend of each image.

    Args:
        share: of legends that name the condition ("named"), and of those that answer a general
            request, as descriptions do ("general"): without any, a model is never tempted to name
            what a patient shows it.
    """
    rng = random.Random(seed)
    return [[_legend(drawing, share, rng)] for drawing in drawings]


def _legend(drawing: Drawing, share: dict, rng: random.Random) -> tuple[str, str]:
    return descriptions.legend(
        by_id()[drawing.condition],
        drawing.site,
        named=rng.random() < share["named"],
        general=rng.random() < share["general"],
        rng=rng,
    )


def plan_lessons(
    drawings: list[Drawing], seed: str, encode: Callable[[Turns], Encoded], recipe: dict
) -> list[tuple[list[Encoded], int]]:
    """Write all that a model hears: lists of conversations about the first images, and how many of
    each are learnt at once.

    Args:
        recipe: talk and legends (each with pictures and batch), share (see `conversations`).
    """
    talk, figures = recipe["talk"], recipe["legends"]
    spoken = conversations(drawings[: talk["pictures"]], seed, recipe["share"])
    written = legends(drawings[: figures["pictures"]], f"{seed}/legends", figures)
    return [
        ([encode(turns) for turns in spoken], talk["batch"]),
        ([encode(turns) for turns in written], figures["batch"]),
    ]


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
    lessons: list[tuple[list[Encoded], int]],
    connect: Callable[[torch.Tensor], torch.Tensor],
    image_token: int,
    recipe: dict,
) -> float:
    """Train text tower and connector on conversations about images; return the last loss.

    Args:
        model: a chat VLM; weights without gradient stay as they are.
        seen: what its tower sees of each image (images, patches, width of the tower).
        lessons: see `plan_lessons`; their batches are shuffled together.
        connect: part of `seen` -> what the text tower reads in place of image tokens (images,
            places, its width).
        recipe: what `descend` needs.
    """
    batches = [
        batch
        for number, (encoded, size) in enumerate(lessons)
        for batch in _batches(encoded, size, number)
    ]
    random.Random(len(batches)).shuffle(batches)

    def loss_of(batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        part, tokens, labels = batch
        words = model.get_input_embeddings()(tokens)
        images = connect(seen[part]).to(words.dtype)
        words = words.masked_scatter((tokens == image_token).unsqueeze(-1), images)
        read = model.model(inputs_embeds=words, use_cache=False).last_hidden_state
        # Only what is followed by a learnt token says anything: the others' words are not computed.
        following = labels[:, 1:]
        learnt = following != -100
        scores = model.lm_head(read[:, :-1][learnt]).float()
        return torch.nn.functional.cross_entropy(scores, following[learnt])

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
